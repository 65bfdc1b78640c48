"""Read JSON whose images are base64 text, piece by piece: no image is ever held as text.

Each long text of the document is decoded while it is read, into memory up to a limit and then into
a part of the answer; a short marker stands in its place. What is left is small, and parsed as any other
JSON.
"""

from __future__ import annotations

import io
import itertools
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers.answers import disk_errors
from imagegen_app.providers.families import base64_text
from imagegen_app.providers.families.base64_text import Base64Decoder, NotBase64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from imagegen_app.providers.answers import SpooledAnswer

#: One decoded image, in bytes.
MAX_IMAGE_BYTES = 64 * 1024 * 1024
#: Texts up to this many characters stay in the document.
MAX_TEXT_CHARS = 32 * 1024
#: All that is left of a document without its long texts, in bytes.
MAX_REST = 4 * 1024 * 1024
#: Decoded bytes of one document that stay in memory; of more, files are made.
MAX_KEPT_BYTES = 4 * 1024 * 1024
#: Bytes read at once.
_CHUNK = 48 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document, and where its long texts went."""

    content: Any
    #: By marker: the decoded bytes, the part that holds them, or why there are none.
    _taken: Mapping[str, bytes | str | BadResponse] = field(default_factory=dict, repr=False)
    _answer: SpooledAnswer | None = None

    def image(self, text: object) -> bytes:
        """Return the bytes of a base64 text of the document, in any spelling of `base64_text`.

        :raises BadResponse: if it is no text, cut off, no base64, empty or too large.
        """
        if not isinstance(text, str) or not text:
            raise BadResponse(detail="an item without an image")
        taken = self._taken.get(text)
        if isinstance(taken, bytes):
            return taken
        if isinstance(taken, BadResponse):
            raise BadResponse(detail=taken.detail)
        if taken is not None and self._answer is not None:
            return self._answer.read(part=taken)
        try:
            data = base64_text.decode(text)
        except NotBase64:
            raise BadResponse(detail="an image is cut off") from None
        if not data:
            raise BadResponse(detail="an image is empty")
        return data


def load(answer: SpooledAnswer) -> Document:
    """Parse the body of an answer; large ones of its long texts become parts named `decoded-<n>`.

    :raises BadResponse: if it is not JSON, or too much of it is no image.
    """
    taken: dict[str, bytes | str | BadResponse] = {}
    room = MAX_KEPT_BYTES
    rest = bytearray()
    name = secrets.token_hex(12)
    with answer.body_path.open("rb") as source:
        for piece in _pieces(source):
            if isinstance(piece, _LongText):
                marker = f"<{name}:{len(taken)}>"
                part = f"decoded-{len(taken)}"
                # Of four characters three bytes are left.
                most = (answer.body_path.stat().st_size * 3) // 4
                try:
                    found = taken[marker] = piece.decode(answer.folder / part, room=min(room, most))
                except BadResponse as error:
                    taken[marker] = error
                else:
                    room -= len(found) if isinstance(found, bytes) else 0
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
    # The words begin with a quote, which base64 has none of: most of the text is skipped.
    wanted = re.compile(b"|".join(re.escape(word) for word in words), re.IGNORECASE)
    with answer.body_path.open("rb") as source:
        while read := source.read(_CHUNK):
            text = before + read
            if wanted.search(text):
                return True
            before = text[-overlap:]
    return False


class _LongText:
    """A text that is too long to be kept: its characters, still to be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._error = ""
        self._size = 0

    def decode(self, path: Path, *, room: int) -> bytes | str:
        """Return the decoded bytes, or the name of the file for more than `room` bytes of them.

        :raises BadResponse: if it is no base64, or too large.
        :raises AnswerNotKept: if the disk is full or fails.

        The text is read to its end in any case. The file may be made anew from the body at any
        time, so it is not flushed to the disk.
        """
        # A worker that was thought lost may read the same answer at the same time.
        partial = path.with_name(f"{path.name}.{secrets.token_hex(6)}.partial")
        decoded = self._decoded(Base64Decoder(is_json=True))
        small, rest = self._first(decoded, room=room)
        try:
            with disk_errors():
                if rest is not None:
                    with partial.open("wb") as file:
                        file.write(small)
                        self._size = len(small)
                        file.writelines(self._within_cap(itertools.chain([rest], decoded)))
                if self._error:
                    raise BadResponse(detail=self._error)
                if rest is None:
                    return small
                partial.rename(path)
        finally:
            if rest is not None:
                partial.unlink(missing_ok=True)
        return path.name

    def _first(self, decoded: Iterator[bytes], *, room: int) -> tuple[bytes, bytes | None]:
        """Return the bytes that fit into `room`, and the piece that does not."""
        kept, rest = io.BytesIO(), None
        # In one go: growing step by step would take more than is needed.
        kept.seek(room)
        kept.write(b"\0")
        kept.seek(0)
        for data in decoded:
            if kept.tell() + len(data) > min(room, MAX_IMAGE_BYTES):
                rest = data
                break
            kept.write(data)
        kept.truncate()
        return kept.getvalue(), rest

    def _within_cap(self, decoded: Iterable[bytes]) -> Iterator[bytes]:
        for data in decoded:
            self._size += len(data)
            if self._size > MAX_IMAGE_BYTES:
                self._error = "an image is too large"
            else:
                yield data

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
