"""Read JSON whose images are base64 text, piece by piece: no image is ever held as text.

Each long text of the document is decoded into a part of the answer while it is read; a short
marker stands in its place. What is left is small, and parsed as any other JSON.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers.answers import disk_errors
from imagegen_app.providers.families import base64_text
from imagegen_app.providers.families.base64_text import Base64Decoder, NotBase64

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


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document, and where its long texts went."""

    content: Any
    #: By marker: the part that holds the decoded bytes, or why there is none.
    _taken: dict[str, str] = field(default_factory=dict)
    _answer: SpooledAnswer | None = None

    def image(self, text: object) -> bytes:
        """Return the bytes of a base64 text of the document, in any spelling of `base64_text`.

        :raises BadResponse: if it is no text, cut off, no base64, empty or too large.
        """
        if not isinstance(text, str) or not text:
            raise BadResponse(detail="an item without an image")
        part = self._taken.get(text)
        if part is not None and self._answer is not None:
            if not part.startswith("decoded-"):
                raise BadResponse(detail=part)
            return self._answer.read(part=part)
        try:
            data = base64_text.decode(text)
        except NotBase64:
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


def mentions(answer: SpooledAnswer, *words: bytes) -> bool:
    """Return whether the body of an answer holds one of these words, in any case."""
    overlap, before = max(len(word) for word in words) - 1, b""
    with answer.body_path.open("rb") as source:
        while read := source.read(_CHUNK):
            text = (before + read).lower()
            if any(word in text for word in words):
                return True
            before = text[-overlap:]
    return False


class _LongText:
    """A text that is too long to be kept: its characters, still to be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._error = ""

    def decode_to(self, path: Path) -> str:
        """Write the decoded bytes; return what is wrong with the text, or nothing.

        The text is read to its end in any case. The part may be made anew from the body at any
        time, so it is not flushed to the disk.
        """
        # A worker that was thought lost may read the same answer at the same time.
        partial = path.with_name(f"{path.name}.{secrets.token_hex(6)}.partial")
        try:
            with disk_errors():
                error = self._write_decoded(partial)
                if not error:
                    partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        return error

    def _write_decoded(self, path: Path) -> str:
        decoder, size, error = Base64Decoder(is_json=True), 0, ""
        with path.open("wb") as file:
            for data in self._decoded(decoder):
                size += len(data)
                if size > MAX_IMAGE_BYTES:
                    error = "an image is too large"
                elif not error:
                    file.write(data)
        return error or self._error

    def _decoded(self, decoder: Base64Decoder) -> Iterator[bytes]:
        for piece in self._pieces:
            if self._error:
                continue
            try:
                yield decoder.feed(piece)
            except NotBase64:
                self._error = "an image is cut off"
        if not self._error:
            try:
                yield decoder.finish()
            except NotBase64:
                self._error = "an image is cut off"


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
