"""Say who acts: a person, or a named part of the system; never nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Account(Protocol):
    """What we need to know of a site's user object."""

    @property
    def pk(self) -> object: ...

    @property
    def is_active(self) -> bool: ...

    def get_username(self) -> str: ...

    def has_perm(self, perm: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Person:
    """A user who acts in person."""

    account: Account = field(repr=False)

    @property
    def kind(self) -> str:
        return "person"

    @property
    def id(self) -> str:
        return str(self.account.pk)

    @property
    def label(self) -> str:
        """The user name; personal, so it goes where personal text goes."""
        return self.account.get_username()


@dataclass(frozen=True, slots=True)
class System:
    """A part of the system that acts by itself, such as `System("sweep")`."""

    name: str

    @property
    def kind(self) -> str:
        return "system"

    @property
    def id(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        return self.name


Actor = Person | System
