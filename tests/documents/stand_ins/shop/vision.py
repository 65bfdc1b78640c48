"""The vision library of the shop."""

from __future__ import annotations


class Overloaded(Exception):
    """It has no time."""


class Describer:
    """Describe images."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def describe(self, data: bytes, *, language: str) -> str:
        if not data:
            raise Overloaded
        return f"{len(data)} bytes in {language}"
