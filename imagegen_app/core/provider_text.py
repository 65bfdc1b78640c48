"""Make text that comes from a provider safe to store, log and show.

Whatever a far end sends passes here where it enters: a class of characters, a length, and the
secrets of this process, which a provider may echo.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from imagegen_app.core import live_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WORD_CHARS = 60
MAX_LINE_CHARS = 300
MAX_ID_CHARS = 200
_MAX_NAMES = 20
_LONGEST_NUMBER = 10**60
#: Read beyond the length that is kept, so that a secret on the border is still recognised.
_MARGIN = 1024
#: Joins letters in several scripts and pictures in emoji.
_JOINERS = frozenset("\u200c\u200d")


class Characters(Enum):
    """Which characters a text may have."""

    #: A code or a name: `content_policy_violation`, `image/png`. Anything else makes it empty.
    WORD = re.compile(r"[\w./+:-]+", re.ASCII)
    #: An identifier, which may be used as part of a URL or be shown in a table.
    ID = re.compile(r"[A-Za-z0-9_.:@/+=-]+")
    #: One line of visible characters.
    LINE = None
    #: Lines of visible characters.
    TEXT = 0


def provider_text(value: object, *, max_chars: int, allowed: Characters = Characters.LINE) -> str:
    """Return a provider's text in the allowed characters, at most so long, and without secrets.

    What is no text is empty, and so is a word or an identifier with a character too many.
    """
    if not isinstance(value, str) or not value:
        return ""
    text = value[: max_chars + _MARGIN].replace("\r\n", "\n")
    if isinstance(allowed.value, re.Pattern):
        if len(value) > max_chars + _MARGIN or not allowed.value.fullmatch(text):
            return ""
    else:
        text = _visible(text, with_lines=allowed is Characters.TEXT)
    return live_secrets.hide(text)[:max_chars]


def provider_reference(value: object) -> str:
    """Return a provider's reference as it is, or an empty text if it cannot be stored so.

    A reference that was cut or changed would name another call, or none.
    """
    text = provider_text(value, max_chars=MAX_ID_CHARS)
    return text if text == value else ""


def provider_names(values: Iterable[object]) -> tuple[str, ...]:
    """Return short names, such as those of categories, without secrets; at most twenty."""
    names = (provider_text(value, max_chars=MAX_WORD_CHARS) for value in values)
    return tuple(name for name in names if name)[:_MAX_NAMES]


def provider_facts(values: Mapping[Any, object]) -> dict[str, str]:
    """Return short texts by name, without secrets; what is neither text nor number is left out."""
    facts = {
        provider_text(name, max_chars=MAX_WORD_CHARS): provider_text(
            _number_as_text(value), max_chars=MAX_LINE_CHARS
        )
        for name, value in [*values.items()][:_MAX_NAMES]
    }
    return {name: text for name, text in facts.items() if name and text}


def _number_as_text(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    # Of a number with thousands of digits Python makes no text.
    is_short = not isinstance(value, int) or abs(value) < _LONGEST_NUMBER
    return str(value) if is_short else ""


def _visible(text: str, *, with_lines: bool) -> str:
    # Most are visible as a whole: headers, names and words of every call.
    kept = text if text.isprintable() else "".join(_shown(c, with_lines=with_lines) for c in text)
    return kept.strip() if with_lines else " ".join(kept.split())


def _shown(character: str, *, with_lines: bool) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace():
        return character if with_lines and character in "\n\t" else " "
    return "" if live_secrets.is_invisible(character) else " "
