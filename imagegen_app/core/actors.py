"""Identify who acts: a person, or a named part of the system; every change has one of the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user who acts."""

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
        """The user name; personal data, so the log holds only a commitment to it."""
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
