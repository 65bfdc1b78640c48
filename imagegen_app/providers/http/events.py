"""Read an answer that comes as a stream of events (server-sent events) within limits.

One event of the stream is the answer: its data is kept as if it were the whole body, and is never
held in memory. The others are images on their way, or nothing to us.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Literal

import httpcore

from imagegen_app.core.errors import BadResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    #: Whether an event is the answer, one to be looked at beside it, or of no interest.
    EventKind = Literal["answer", "aside", "other"]

MEDIA_TYPE: Final = "text/event-stream"
#: Lines of one stream, comments and empty ones included: each costs some time.
MAX_LINES: Final = 20_000
#: Data of an event beside the answer; larger ones are dropped.
MAX_ASIDE_BYTES: Final = 16 * 1024 * 1024
#: So much of an event is looked at before its kind is decided.
MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_NAME_BYTES: Final = 200
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class StreamEndedEarly(httpcore.RemoteProtocolError):
    """The stream ended, and its answer had not come."""


class EventReader(ABC):
    """What one call expects of a stream; a subclass knows the events of its API."""

    @abstractmethod
    def kind_of(self, name: str, data: bytes, *, is_whole: bool) -> EventKind:
        """Return what an event is, by its name and its data, or the first 64 KiB of it.

        The name is empty where the stream has none. What is long and nothing known should be the
        answer: it may be what was paid for.
        """

    @abstractmethod
    async def look_at(self, data: bytes) -> None:
        """Take the whole data of an event beside the answer; raises nothing."""


async def answer_in(
    chunks: AsyncIterator[bytes], *, reader: EventReader, limit: int, is_framed: bool
) -> AsyncGenerator[bytes]:
    """Yield the data of the event that is the answer, as it comes; what follows is not read.

    `is_framed` says whether the transport tells a whole body from one that was cut off.

    :raises StreamEndedEarly: if the stream ends before.
    :raises BadResponse: if more than `limit` bytes or `MAX_LINES` lines come before.
    """
    parser = _Parser(reader.kind_of)
    async with aclosing(_parsed(chunks, parser, limit=limit, is_framed=is_framed)) as parsed:
        async for kind, data in parsed:
            if kind == "end":
                return
            if kind == "aside":
                await reader.look_at(data)
            else:
                yield data
    raise StreamEndedEarly


async def _parsed(
    chunks: AsyncIterator[bytes], parser: _Parser, *, limit: int, is_framed: bool
) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield what the parser makes of a stream, to its end."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise BadResponse(detail=f"a stream of more than {limit} bytes")
        for found in parser.feed(chunk):
            yield found
    if is_framed:
        # In a body that is known to be whole, the last event need not be closed by a blank line; where
        # the end of the connection is the end of the body, it may be half an event.
        for found in parser.finish():
            yield found


class _Parser:
    """Cuts bytes into lines and events; yields pieces of the answer, and other events whole."""

    def __init__(self, kind_of: Callable[..., EventKind]) -> None:
        self._kind_of = kind_of
        self._is_after_cr = False
        self._begin_line()
        self._begin_event()
        self._lines = 0
        self._is_first_line = True

    def _begin_line(self) -> None:
        #: What stands before the colon, as long as it is not decided which field this is.
        self._start: bytearray | None = bytearray()
        self._field = b""
        self._skips_space = False
        self._is_empty = True

    def _begin_event(self) -> None:
        self._name = bytearray()
        self._kind: EventKind | None = None
        self._data = bytearray()
        self._has_data = False
        self._is_too_large = False

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield ("answer", piece), ("end", b"") after its last piece, and ("aside", data)."""
        at = 0
        if self._is_after_cr and chunk[:1] == b"\n":
            at = 1
        self._is_after_cr = chunk.endswith(b"\r")
        for found in _LINE_END.finditer(chunk, at):
            if found.start() > at:
                yield from self._in_line(chunk[at : found.start()])
            yield from self._end_line()
            at = found.end()
        if at < len(chunk):
            yield from self._in_line(chunk[at:])

    def finish(self) -> Iterator[tuple[str, bytes]]:
        """Yield what the end of the stream completes."""
        if not self._is_empty:
            yield from self._end_line()
        yield from self._end_event()

    def _in_line(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        self._is_empty = False
        if self._start is not None:
            self._start += piece
            before, colon, after = bytes(self._start).partition(b":")
            if not colon and len(before) <= _MAX_NAME_BYTES:
                return
            self._begin_value(before)
            piece = after
        if self._skips_space and piece:
            self._skips_space = False
            piece = piece.removeprefix(b" ")
        if self._field == b"data":
            yield from self._take(piece)
        elif self._field == b"event" and len(self._name) < _MAX_NAME_BYTES:
            self._name += piece

    def _begin_value(self, name: bytes) -> None:
        if self._is_first_line:
            name = name.removeprefix(b"\xef\xbb\xbf")
        self._start, self._field, self._skips_space = None, name, True
        if name == b"event":
            self._name.clear()
        elif name == b"data":
            if self._has_data:
                # Several lines of data are one text.
                self._data += b"\n"
            self._has_data = True

    def _end_line(self) -> Iterator[tuple[str, bytes]]:
        self._lines += 1
        if self._lines > MAX_LINES:
            raise BadResponse(detail=f"a stream of more than {MAX_LINES} lines")
        if self._is_empty:
            yield from self._end_event()
        elif self._start is not None:
            # A line without a colon is a field without a value.
            self._begin_value(bytes(self._start))
        self._begin_line()
        self._is_first_line = False

    def _take(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        if self._kind == "other" or self._is_too_large:
            return
        self._data += piece
        if self._kind is None and len(self._data) > MAX_HEAD_BYTES:
            self._decide(is_whole=False)
        if self._kind == "answer":
            yield "answer", bytes(self._data)
            self._data.clear()
        elif self._kind == "aside" and len(self._data) > MAX_ASIDE_BYTES:
            self._is_too_large = True
            self._data.clear()

    def _decide(self, *, is_whole: bool) -> None:
        name = self._name.decode("utf-8", errors="replace")
        self._kind = self._kind_of(name, bytes(self._data), is_whole=is_whole)
        if self._kind == "other":
            self._data.clear()

    def _end_event(self) -> Iterator[tuple[str, bytes]]:
        if self._has_data:
            if self._kind is None:
                self._decide(is_whole=True)
            if self._kind == "answer":
                if self._data:
                    yield "answer", bytes(self._data)
                yield "end", b""
            elif self._kind == "aside" and not self._is_too_large:
                yield "aside", bytes(self._data)
        self._begin_event()
