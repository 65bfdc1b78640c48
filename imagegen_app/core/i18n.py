"""Mark strings for the message catalogues without importing Django; the front ends translate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def gettext_noop(text: str) -> str:
    """Return the text as it is; its name is what extracts it into the catalogues."""
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for people: to be translated first, and then filled with its values."""

    #: In English, marked with `gettext_noop`, with named places.
    text: str
    #: What fills the places.
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the sentence in English, as a log keeps it."""
        return self.text % self.values
