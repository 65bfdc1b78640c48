"""Decode base64 in every spelling that servers send, piece by piece.

Understood are `data:` URLs (with parameters, percent-encoded, or without base64), JSON's escapes,
line breaks and spaces, missing or surplus padding, and the URL-safe alphabet.
"""

from __future__ import annotations

import binascii
import re
from urllib.parse import unquote_to_bytes

import pybase64

#: A `data:` URL's type and parameters, in bytes.
_MAX_HEADER = 2048
_SCHEME = b"data:"
_WHITESPACE = b" \t\r\n\f\v"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_JSON_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CUT_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{0,3})?\Z")
_CUT_PERCENT = re.compile(rb"%[0-9a-fA-F]?\Z")
_JSON_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"f": b"\f", b"b": b"\b"}
_PLAIN = re.compile(rb"[A-Za-z0-9+/]*")
_GROUP = 4
_ASCII = 128


class NotBase64(Exception):
    """The text is damaged, or no base64 in any spelling."""


class Base64Decoder:
    """Decodes one text; give its pieces to `feed`, then call `finish`."""

    def __init__(self, *, is_json: bool = False) -> None:
        #: Whether the text is as JSON writes it, with backslashes.
        self._is_json = is_json
        self._escape = b""
        #: The beginning, while it is not clear whether it is a `data:` URL.
        self._head: bytes | None = b""
        self._is_base64 = True
        self._percent = b""
        self._carry = b""
        self._is_ended = False

    def feed(self, text: bytes) -> bytes:
        """Take the next piece and return the bytes that are complete.

        :raises NotBase64: if the text cannot be decoded.
        """
        if self._is_json:
            text = self._unescaped(text)
        if self._head is not None:
            text = self._without_header(text, is_end=False)
        return self._decoded(text)

    def finish(self) -> bytes:
        """Return the last bytes.

        :raises NotBase64: if the text is cut off.
        """
        rest = b""
        if self._head is not None:
            rest = self._decoded(self._without_header(b"", is_end=True))
        if self._escape or self._percent:
            raise NotBase64
        if not self._carry:
            return rest
        if len(self._carry) == 1:
            raise NotBase64
        return rest + _strict(self._carry.ljust(_GROUP, b"="))

    def _unescaped(self, text: bytes) -> bytes:
        text = self._escape + text
        self._escape = b""
        # To look for one byte is many times faster than to replace.
        if b"\\" not in text:
            return text
        cut = _CUT_ESCAPE.search(text)
        if cut:
            text, self._escape = text[: cut.start()], text[cut.start() :]
        return _JSON_ESCAPE.sub(_character, text)

    def _without_header(self, text: bytes, *, is_end: bool) -> bytes:
        head = ((self._head or b"") + text).lstrip(_WHITESPACE)
        start = head[: len(_SCHEME)].lower()
        if not _SCHEME.startswith(start):
            self._head = None
            return head
        header, comma, rest = head.partition(b",")
        if start == _SCHEME and comma:
            self._head = None
            self._is_base64 = header.rstrip(_WHITESPACE).lower().endswith(b";base64")
            return rest
        if len(head) > _MAX_HEADER or (is_end and start == _SCHEME):
            raise NotBase64
        self._head = None if is_end else head
        return head if is_end else b""

    def _decoded(self, text: bytes) -> bytes:
        if self._percent or b"%" in text:
            text = self._percent + text
            cut = _CUT_PERCENT.search(text)
            self._percent = cut[0] if cut else b""
            text = unquote_to_bytes(text[: cut.start()] if cut else text)
        if not self._is_base64:
            return text
        if not self._is_ended and b"=" not in text:
            whole = self._carry + text
            end = len(whole) - len(whole) % _GROUP
            try:
                data = pybase64.b64decode(whole[:end], validate=True)
            except (binascii.Error, ValueError):
                # Another spelling, or damaged.
                pass
            else:
                if _PLAIN.fullmatch(whole, end):
                    self._carry = whole[end:]
                    return data
        return self._respelled(text)

    def _respelled(self, text: bytes) -> bytes:
        """Decode a piece of another spelling, or with the padding that ends the text."""
        text, padding, after = text.translate(_STANDARD, _WHITESPACE).partition(b"=")
        if (self._is_ended and text) or after.strip(b"="):
            raise NotBase64
        self._is_ended = self._is_ended or bool(padding)
        whole = self._carry + text
        end = len(whole) - len(whole) % _GROUP
        self._carry = whole[end:]
        return _strict(whole[:end])


def decode(text: str) -> bytes:
    """Decode a whole text.

    :raises NotBase64: if it cannot be decoded.
    """
    decoder = Base64Decoder()
    try:
        return decoder.feed(text.encode("ascii")) + decoder.finish()
    except UnicodeEncodeError:
        raise NotBase64 from None


def _character(escape: re.Match[bytes]) -> bytes:
    name = escape[1]
    if len(name) == 1:
        return _JSON_LETTERS.get(name, name)
    code = int(name[1:], 16)
    if code >= _ASCII:
        raise NotBase64
    return bytes([code])


def _strict(text: bytes) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotBase64 from None
