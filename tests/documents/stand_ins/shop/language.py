"""The language library of the shop."""

from __future__ import annotations


class Overloaded(Exception):
    """It has no time."""


class Writer:
    """Write prompts."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, text: str, *, limit: int) -> str:
        if not text:
            raise Overloaded
        return text[:limit]
