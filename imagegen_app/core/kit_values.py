"""What a brand kit is made of, and how its words are added to those of a request."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.i18n import Message, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Colours of one palette.
MAX_COLOURS: Final = 24
#: The style words, or the negative words, of one kit, in characters.
MAX_WORDS_CHARS: Final = 2_000
#: Reference images of one kit.
MAX_REFERENCES: Final = 4
#: LoRA of one kit.
MAX_LORAS: Final = 8

#: Names that a colour variable accepts before the code in brackets; see `core.variables`.
_NAME: Final = re.compile(r"[^\W\d_][\w \-]{0,39}\Z")
_CODE: Final = re.compile(r"#[0-9a-f]{6}\Z")
#: After these marks the next words begin without a comma.
_ENDS: Final = (".", "!", "?", ",", ";", ":")


class InvalidColour(ValueError):
    """A colour of a palette is not valid; `message` says why."""

    def __init__(self, message: Message, *, position: int) -> None:
        super().__init__(str(message))
        self.message = message
        #: Which colour it is, counted from 0.
        self.position = position


@dataclass(frozen=True, slots=True)
class PaletteColour:
    """A colour of a brand, by its name and its code such as `#1c4b8f`."""

    name: str
    code: str

    def as_dict(self) -> dict[str, str]:
        """Return it as a kit stores it."""
        return asdict(self)

    @property
    def value(self) -> str:
        """What a colour variable gets: the name for words, and the code that it means."""
        return f"{self.name} ({self.code})"


def read_palette(rows: Sequence[Mapping[str, Any]]) -> tuple[PaletteColour, ...]:
    """Return the colours of a palette, with their codes in lower case.

    :raises InvalidColour: if there are too many, or one has no usable name or code, or a name twice.
    """
    if len(rows) > MAX_COLOURS:
        text = gettext_noop("A palette has at most %(most)s colours.")
        raise InvalidColour(Message(text, {"most": MAX_COLOURS}), position=MAX_COLOURS)
    found: list[PaletteColour] = []
    for position, row in enumerate(rows):
        name, code = str(row.get("name", "")).strip(), str(row.get("code", "")).strip().lower()
        if not _NAME.match(name):
            text = gettext_noop(
                "Colour %(number)s needs a name of at most 40 letters, digits, spaces and hyphens "
                "that begins with a letter."
            )
            raise InvalidColour(Message(text, {"number": position + 1}), position=position)
        if not _CODE.match(code):
            text = gettext_noop("“%(name)s” needs a code such as #1c4b8f.")
            raise InvalidColour(Message(text, {"name": name}), position=position)
        if any(one.name.casefold() == name.casefold() for one in found):
            text = gettext_noop("The palette has “%(name)s” twice.")
            raise InvalidColour(Message(text, {"name": name}), position=position)
        found.append(PaletteColour(name, code))
    return tuple(found)


def added_style(prompt: str, words: str) -> str:
    """Return what is appended to a prompt so that it ends with these words; empty if it does."""
    if not words or not prompt or prompt.endswith(words):
        # A job that is requested again has them already.
        return ""
    return f" {words}" if prompt.endswith(_ENDS) else f", {words}"


def without_style(prompt: str, words: str) -> str:
    """Return the prompt to which `added_style` appended the words; another prompt as it is."""
    for separator in (", ", " "):
        own = prompt.removesuffix(separator + words)
        if own != prompt and own + added_style(own, words) == prompt:
            return own
    return prompt


def added_terms(negative: str, terms: str) -> str:
    """Return which of the terms, which commas separate, a negative prompt does not have yet."""
    known = {one.casefold() for one in _terms(negative)}
    added = {one.casefold(): one for one in _terms(terms) if one.casefold() not in known}
    return ", ".join(added.values())


def with_terms(negative: str, added: str) -> str:
    """Return a negative prompt with further terms behind its own."""
    return ", ".join(filter(None, (negative.strip().rstrip(","), added)))


def without_terms(negative: str, terms: str) -> str:
    """Return a negative prompt without the terms that stand at its end."""
    gone = {one.casefold() for one in _terms(terms)}
    kept = _terms(negative)
    while kept and kept[-1].casefold() in gone:
        kept.pop()
    return ", ".join(kept)


def _terms(text: str) -> list[str]:
    return [one for part in text.split(",") if (one := part.strip())]
