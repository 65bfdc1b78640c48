"""Name the types of a template's variables; loaded by every process of a site."""

from __future__ import annotations

from enum import StrEnum


class VariableKind(StrEnum):
    """The type of a variable."""

    TEXT = "text"
    CHOICE = "choice"
    COLOUR = "colour"
    NUMBER = "number"
    SWITCH = "switch"
    IMAGE = "image"
