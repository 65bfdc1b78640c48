"""Say who acts: a person, or a named part of the system; never nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Person:
    """A user who acts in person."""

    #: The site's user object, of whatever class.
    user: Any = field(repr=False)

    @property
    def kind(self) -> str:
        return "person"

    @property
    def id(self) -> str:
        return str(self.user.pk)

    @property
    def label(self) -> str:
        """The user name; personal, so it goes where personal text goes."""
        return str(self.user.get_username())


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
