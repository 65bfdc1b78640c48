"""Read JSON whose images are base64 text, piece by piece: no image is ever held as text.

Each long text of the document is decoded into a part of the answer while it is read; a short
marker stands in its place. What is left is small, and parsed as any other JSON.
"""

from __future__ import annotations

import binascii
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import pybase64

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.provider_values import InvalidJson, load_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagegen_app.providers.answers import SpooledAnswer

#: One decoded image, in bytes.
MAX_IMAGE_BYTES = 64 * 1024 * 1024
#: Texts up to this many characters stay in the document.
MAX_TEXT_CHARS = 32 * 1024
#: All that is left of a document without its long texts, in bytes.
MAX_REST = 4 * 1024 * 1024
#: Bytes read at once.
_CHUNK = 48 * 1024


class _Unusable(Exception):
    """The text is not valid base64."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document, and where its long texts went."""

    content: Any
    #: By marker: the part that holds the decoded bytes, or why there is none.
    _taken: dict[str, str] = field(default_factory=dict)
    _answer: SpooledAnswer | None = None

    def image(self, text: object) -> bytes:
        """Return the bytes of a base64 text of the document, with or without a `data:` prefix.

        :raises BadResponse: if it is no text, cut off, no base64, empty or too large.
        """
        if not isinstance(text, str) or not text:
            raise BadResponse(detail="an item without an image")
        part = self._taken.get(text)
        if part is not None and self._answer is not None:
            if not part.startswith("decoded-"):
                raise BadResponse(detail=part)
            return self._answer.read(part=part)
        text = text.partition(",")[2] if text.startswith("data:") else text
        try:
            data = _decoded(text.encode("ascii"))
        except (UnicodeEncodeError, _Unusable):
            raise BadResponse(detail="an image is cut off") from None
        if not data:
            raise BadResponse(detail="an image is empty")
        return data


def load(answer: SpooledAnswer) -> Document:
    """Parse the body of an answer; its long texts become parts named `decoded-<n>`.

    :raises BadResponse: if it is not JSON, or too much of it is no image.
    """
    taken: dict[str, str] = {}
    rest = bytearray()
    name = secrets.token_hex(12)
    with answer.body_path.open("rb") as source:
        for piece in _pieces(source):
            if isinstance(piece, _LongText):
                marker = f"<{name}:{len(taken)}>"
                part = f"decoded-{len(taken)}"
                taken[marker] = piece.decode_to(answer.folder / part) or part
                rest += marker.encode()
            else:
                rest += piece
            if len(rest) > MAX_REST:
                raise BadResponse(detail="an answer with too much text")
    try:
        content = load_json(bytes(rest))
    except InvalidJson:
        raise BadResponse(detail="not JSON") from None
    return Document(content, taken, answer)


class _LongText:
    """A text that is too long to be kept: its characters, still to be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def decode_to(self, path: Path) -> str:
        """Write the decoded bytes; return what is wrong with the text, or nothing.

        The text is read to its end in any case. The part may be made anew from the body at any
        time, so it is not flushed to the disk.
        """
        # A worker that was thought lost may read the same answer at the same time.
        partial = path.with_name(f"{path.name}.{secrets.token_hex(6)}.partial")
        size, carry, error, is_ended = 0, b"", "", False
        with partial.open("wb") as file:
            for n, piece in enumerate(self._pieces):
                if error:
                    continue
                text = carry + _unescaped(_without_prefix(piece) if n == 0 else piece)
                whole = len(text) - len(text) % 4
                carry = text[whole:]
                try:
                    data = b"" if is_ended else _decoded(text[:whole])
                except _Unusable:
                    error = "an image is cut off"
                    continue
                if is_ended and text:
                    error = "an image is cut off"
                    continue
                is_ended = text[:whole].endswith(b"=")
                size += len(data)
                if size > MAX_IMAGE_BYTES:
                    error = "an image is too large"
                    continue
                file.write(data)
        error = error or ("an image is cut off" if carry else "")
        if error:
            partial.unlink(missing_ok=True)
        else:
            partial.rename(path)
        return error


def _pieces(source: BinaryIO) -> Iterator[bytes | _LongText]:
    """Cut a document into what stays and its long texts; each of these must be read to its end."""
    chunks = _chunks(source)
    chunk = next(chunks, b"")
    while chunk:
        quote = chunk.find(b'"')
        if quote < 0:
            yield chunk
            chunk = next(chunks, b"")
            continue
        yield chunk[: quote + 1]
        text = _Text(chunk[quote + 1 :], chunks)
        start = b""
        for piece in text:
            start += piece
            if len(start) > MAX_TEXT_CHARS:
                break
        if len(start) > MAX_TEXT_CHARS:
            yield _LongText(_chained(start, text))
        else:
            yield start
        if not text.is_closed:
            # The document ends inside of a text.
            return
        yield b'"'
        chunk = text.rest or next(chunks, b"")


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    """Read a file in pieces that never end between a backslash and what it escapes."""
    carry = b""
    while read := source.read(_CHUNK):
        chunk = carry + read
        slashes = len(chunk) - len(chunk.rstrip(b"\\"))
        carry = b"\\" if slashes % 2 else b""
        if carry:
            chunk = chunk[:-1]
        if chunk:
            yield chunk
    if carry:
        yield carry


class _Text:
    """The characters between two quotes, as they are written, in pieces."""

    def __init__(self, first: bytes, more: Iterator[bytes]) -> None:
        self._first, self._more = first, more
        self.rest = b""
        self.is_closed = False
        self._pieces = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def _read(self) -> Iterator[bytes]:
        chunk = self._first
        while True:
            end = _closing_quote(chunk)
            if end >= 0:
                self.rest, self.is_closed = chunk[end + 1 :], True
                yield chunk[:end]
                return
            yield chunk
            following = next(self._more, None)
            if following is None:
                return
            chunk = following


def _closing_quote(chunk: bytes) -> int:
    """Return the index of the closing quote, or -1 if the text continues."""
    at, quote = 0, chunk.find(b'"')
    while True:
        slash = chunk.find(b"\\", at, quote if quote >= 0 else len(chunk))
        if slash < 0:
            return quote
        at = slash + 2
        if 0 <= quote < at:
            quote = chunk.find(b'"', at)


def _chained(start: bytes, more: Iterator[bytes] | _Text) -> Iterator[bytes]:
    yield start
    yield from more


def _without_prefix(text: bytes) -> bytes:
    return text.partition(b",")[2] if text.startswith(b"data:") else text


def _unescaped(text: bytes) -> bytes:
    """Undo the one escape that base64 can need; any other makes it no base64."""
    # To look for one byte is many times faster than to replace two.
    return text.replace(b"\\/", b"/") if b"\\" in text else text


def _decoded(text: bytes) -> bytes:
    """Decode whole groups of base64, strictly.

    :raises _Unusable: if it is no base64.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Unusable from None
