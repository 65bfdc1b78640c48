"""Know the secrets that this process has read, so that no text of others carries them on.

A provider may answer with the key that it was called with: in a request id, an error code, a header.
What is stored or shown is compared with every secret that was read since the process began, in its
usual encodings and also cut short. The values stay in memory, are never written or logged, and
only the latest `MAX_SECRETS` are kept, so that replaced keys are known for a while.
"""

from __future__ import annotations

import base64
import html
import json
import re
import string
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stands where a secret stood.
HIDDEN = "[hidden]"
MAX_SECRETS = 64
#: Shorter values are no keys; hiding them would blank innocent words.
MIN_SECRET_CHARS = 8
#: Characters of a secret that are hidden where they stand alone, as in a key that was cut short.
MIN_PART_CHARS = 12
_MIN_BASE64_PART = 16
_MIN_HEX_PART = 24
#: Any `MIN_PART_CHARS` characters contain one whole block of a form that is cut into these.
_BLOCK = 6
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
#: A key inside of a longer text, such as a line of a private key or of a service account's JSON.
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_LONG_OPAQUE_CHARS = 32
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}|\\[ux/\"]|&#?\w+;")
_SECRET_NAME = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\W_]+")


class _Form:
    """One way to write a secret: its characters in lower case, and how few of them are hidden."""

    __slots__ = ("least", "text")

    def __init__(self, text: str, *, least: int) -> None:
        self.text = text.translate(_LOWER)
        self.least = min(least, len(text))


class _KnownSecrets:
    """The secrets of this process; prints and compares nothing of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, None] = OrderedDict()
        self._blocks: dict[str, list[tuple[_Form, int]]] = {}
        self._bare: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{len(self._values)} secrets>"

    def add(self, value: str) -> None:
        value = value.strip()
        if len(value) < MIN_SECRET_CHARS:
            return
        with self._lock:
            if value in self._values:
                self._values.move_to_end(value)
                return
            self._values[value] = None
            while len(self._values) > MAX_SECRETS:
                self._values.popitem(last=False)
            self._index()

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._index()

    def _index(self) -> None:
        blocks: dict[str, list[tuple[_Form, int]]] = {}
        bare = set()
        for value in self._values:
            for form in _forms(value):
                for start in range(0, len(form.text) - _BLOCK + 1, _BLOCK):
                    block = form.text[start : start + _BLOCK]
                    blocks.setdefault(block, []).append((form, start))
            letters = _SEPARATORS.sub("", value).translate(_LOWER)
            if len(letters) >= MIN_PART_CHARS:
                bare.add(letters)
        self._blocks, self._bare = blocks, tuple(bare)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where the text holds secrets or parts of them, in order, not overlapping."""
        if not self._blocks:
            return []
        folded = text.translate(_LOWER)
        found = sorted(self._matches(folded))
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _matches(self, folded: str) -> Iterator[tuple[int, int]]:
        blocks = self._blocks
        if len(folded) < len(blocks):
            pieces = {folded[at : at + _BLOCK] for at in range(len(folded) - _BLOCK + 1)}
            hits = [block for block in pieces if block in blocks]
        else:
            hits = [block for block in blocks if block in folded]
        for block in hits:
            at = folded.find(block)
            while at >= 0:
                for form, start in blocks[block]:
                    before, after = _grown(folded, at, form.text, start)
                    if before + after >= form.least:
                        yield at - before, at + after
                at = folded.find(block, at + 1)

    def is_disguised(self, text: str) -> bool:
        """Tell whether a secret stands in the text with escapes or separators between."""
        if not self._blocks:
            return False
        if _ESCAPED.search(text):
            for decoded in (unquote(text), html.unescape(text), _json_unescaped(text)):
                if decoded != text and self.spans(decoded):
                    return True
        if not self._bare or len(text) < MIN_PART_CHARS:
            return False
        letters = _SEPARATORS.sub("", text).translate(_LOWER)
        return any(bare in letters for bare in self._bare)


_known = _KnownSecrets()


def remember(value: str) -> None:
    """Hide this value, from now on, in whatever is stored, shown or logged."""
    _known.add(value)


def remember_options(options: Mapping[str, Any]) -> None:
    """Hide those options of a backend whose names say that they are secret."""
    for name, value in options.items():
        if isinstance(value, str) and _SECRET_NAME.search(name):
            remember(value)


def forget_all() -> None:
    """Forget every value; for tests."""
    _known.clear()


def hide(text: str) -> str:
    """Return the text with `HIDDEN` in place of every secret of this process.

    A secret that is spread out, by escapes or separators, hides the whole text.
    """
    spans = _known.spans(text)
    for start, end in reversed(spans):
        text = text[:start] + HIDDEN + text[end:]
    return HIDDEN if _known.is_disguised(text) else text


def holds_secret(text: str) -> bool:
    """Tell whether the text holds a secret of this process, or a long part of one."""
    return bool(_known.spans(text)) or _known.is_disguised(text)


def hide_in(value: Any) -> Any:
    """Return a value of texts, mappings and lists with `HIDDEN` in place of every secret."""
    # Nearly always there is none, and one look at all texts together tells.
    return _hidden_in(value) if holds_secret("\n".join(_texts_in(value))) else value


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts_in(name)
            yield from _texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts_in(one)


def _hidden_in(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {_hidden_in(name): _hidden_in(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_hidden_in(one) for one in value]
    return tuple(_hidden_in(one) for one in value) if isinstance(value, tuple) else value


def _grown(folded: str, at: int, form: str, start: int) -> tuple[int, int]:
    """Return how many characters before and after the start of a common block are common too."""
    before = 0
    while before < min(at, start) and folded[at - before - 1] == form[start - before - 1]:
        before += 1
    after = _BLOCK
    most = min(len(folded) - at, len(form) - start)
    while after < most and folded[at + after] == form[start + after]:
        after += 1
    return before, after


def _forms(value: str) -> list[_Form]:
    """Return the ways in which a secret may be written."""
    opaque = [part for part in _OPAQUE.findall(value) if _is_opaque(part)]
    # Of a structured secret, JSON or PEM, the parts that are keys count; its frame is no secret.
    is_structured = any(c in value for c in "{\n") or value.startswith("-----")
    forms = [_Form(value, least=len(value))] if is_structured else []
    for key in opaque if is_structured else [value]:
        data = key.encode("utf-8", "surrogatepass")
        forms.append(_Form(key, least=MIN_PART_CHARS))
        forms.append(_Form(data.hex(), least=_MIN_HEX_PART))
        forms += [_Form(text, least=_MIN_BASE64_PART) for text in _base64_forms(data)]
        forms += [
            _Form(text, least=MIN_PART_CHARS)
            for text in {
                quote(key, safe="", errors="replace"),
                json.dumps(key)[1:-1],
                html.escape(key),
            }
            if text != key
        ]
    return [form for form in forms if len(form.text) >= MIN_SECRET_CHARS]


def _is_opaque(part: str) -> bool:
    has_digit = any(c.isdigit() for c in part)
    has_both_cases = part.lower() != part and part.upper() != part
    return has_digit and (has_both_cases or len(part) >= _LONG_OPAQUE_CHARS)


def _base64_forms(data: bytes) -> Iterator[str]:
    """Yield the base64 of the data as it stands in the base64 of a longer text around it."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode("ascii")
        # What the neighbouring bytes decide is left off on both sides.
        first = (offset * 8 + 5) // 6
        last = (offset + len(data)) * 8 // 6
        text = text[first:last]
        yield text
        safe = text.replace("+", "-").replace("/", "_")
        if safe != text:
            yield safe


def _json_unescaped(text: str) -> str:
    plain = re.sub(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})", _character, text)
    return plain.replace("\\/", "/").replace('\\"', '"')


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def is_invisible(character: str) -> bool:
    """Tell whether a character shows nothing: a control, a direction, a half of a pair."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"}
