"""Keep the sentence in which a provider explains a failure, without the prompt that it may repeat.

It may quote what was asked for: it is a text like the prompt, kept beside the attempt for those who
may read prompts, and erased with them. It is no part of an exception's text, a log or an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imagegen_app.core.provider_text import provider_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Of what is stored.
MAX_MESSAGE_CHARS: Final = 500
#: Of what an error carries: a prompt on the border is still recognised as a whole.
MAX_CARRIED_CHARS: Final = 4000
#: Stands where the prompt stood.
PROMPT: Final = "[prompt]"
#: So many characters in a row of a prompt are hidden, wherever they stand.
_PART_CHARS = 16
#: Shorter texts stand in innocent words, too.
_MIN_PROMPT_CHARS = 3
#: Where providers put their sentence, the nearest to a person first.
_NAMES: Final = (
    "message",
    "Message",
    "msg",
    "error_message",
    "error",
    "errors",
    "detail",
    "details",
    "reason",
    "title",
    "node_errors",
    "name",
    "code",
)
_MAX_DEPTH, _MAX_ITEMS = 5, 5


def sentence_in(document: object) -> str:
    """Return the provider's sentence in a decoded error; a single word only where there is no other."""
    found = [text.strip() for text in _texts_in(document, depth=0)]
    sentences = [text for text in found if " " in text]
    return (sentences or found or [""])[0]


def carried_message(text: object) -> str:
    """Return a provider's sentence as an error carries it: one line, without this process's secrets."""
    return provider_text(text, max_chars=MAX_CARRIED_CHARS)


def stored_message(text: object, *, prompts: Iterable[str]) -> str:
    """Return a provider's sentence as it is stored: cut, with `PROMPT` in place of each prompt."""
    message = carried_message(text)
    for prompt in sorted({" ".join(one.split()) for one in prompts}, key=len, reverse=True):
        message = _without(message, prompt)
    return message[:MAX_MESSAGE_CHARS]


def _texts_in(value: object, *, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value
    elif depth < _MAX_DEPTH and isinstance(value, Mapping):
        for name in _NAMES:
            inner = value.get(name)
            if name == "node_errors" and isinstance(inner, Mapping):
                inner = list(inner.values())
            yield from _texts_in(inner, depth=depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, Sequence) and not isinstance(value, bytes):
        for inner in value[:_MAX_ITEMS]:
            yield from _texts_in(inner, depth=depth + 1)


def _without(message: str, prompt: str) -> str:
    """Replace a prompt, and longer parts of it, however they are capitalised."""
    if len(prompt) < _MIN_PROMPT_CHARS:
        return message
    folded, wanted = _folded(message), _folded(prompt)
    width = min(_PART_CHARS, len(wanted))
    parts = {wanted[at : at + width] for at in range(len(wanted) - width + 1)}
    kept, at = [], 0
    while at < len(message):
        end = at
        start = at
        while start <= len(message) - width and folded[start : start + width] in parts:
            end = start + width
            start += 1
        is_hit = end > at and (len(wanted) > width or _stands_alone(folded, at, end))
        kept.append(PROMPT if is_hit else message[at])
        at = end if is_hit else at + 1
    return "".join(kept)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether no word goes on before or after a part of a text."""
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not before and not after


def _folded(text: str) -> str:
    """Return the text in small letters, with each character at its place."""
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)
