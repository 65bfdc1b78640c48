"""Mark strings for the message catalogues without importing Django; front ends translate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def gettext_noop(text: str) -> str:
    """Return the text unchanged; `makemessages` finds marked texts by this function's name."""
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for people: a front end translates the text first and then fills in the values."""

    #: In English, marked with `gettext_noop`, with placeholders such as `%(number)s`.
    text: str
    #: The values of the placeholders, by name.
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the sentence in English, for logs."""
        return self.text % self.values
