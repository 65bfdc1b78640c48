"""Of a stream of events one is the answer, however the bytes are cut; the rest is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from imagegen_app.core.errors import BadResponse
from imagegen_app.providers.http import events
from imagegen_app.providers.http.events import EventReader, StreamEndedEarly, answer_in

PARTS = [
    b": a comment",
    b"event: aside\ndata: one",
    b"data:two\nevent:aside\nid: 7\nretry: 10",
    b"event: ping",
    b"event: unknown\ndata: {}",
    b"event: answer\ndata: first line\ndata: second: line",
    b"event: aside\ndata: too late",
]
STREAM = b"\n\n".join(PARTS) + b"\n\n"


class Reader(EventReader):
    """Goes by the names alone."""

    def __init__(self) -> None:
        self.asides: list[bytes] = []
        self.asked: list[tuple[str, int, bool]] = []

    def kind_of(self, name: str, data: bytes, *, is_whole: bool) -> Any:
        self.asked.append((name, len(data), is_whole))
        return name if name in {"answer", "aside"} else "other"

    async def look_at(self, data: bytes) -> None:
        self.asides.append(data)


def read(
    stream: bytes, *, size: int = 1 << 16, limit: int = 1 << 24, is_framed: bool = True
) -> tuple[bytes, Reader]:
    """Read a stream in chunks of one size; return the answer."""
    reader = Reader()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    async def run() -> bytes:
        pieces = answer_in(chunks(), reader=reader, limit=limit, is_framed=is_framed)
        return b"".join([piece async for piece in pieces])

    return asyncio.run(run()), reader


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_may_end_and_be_cut_anywhere(size: int, end: bytes) -> None:
    answer, reader = read(STREAM.replace(b"\n", end), size=size)

    assert answer == b"first line\nsecond: line"
    assert reader.asides == [b"one", b"two"]


def test_a_byte_order_mark_and_a_missing_last_blank_line_are_no_matter() -> None:
    assert read(b"\xef\xbb\xbfevent: answer\ndata: x")[0] == b"x"
    assert read(b"event: answer\ndata: x\n")[0] == b"x"
    assert read(b"event: answer\r\ndata: x\r\n\r")[0] == b"x"


def test_an_event_that_may_be_half_of_one_is_dropped() -> None:
    assert read(STREAM, is_framed=False)[0] == b"first line\nsecond: line"
    for unclosed in (b"event: answer\ndata: x", b"event: answer\ndata: x\n"):
        with pytest.raises(StreamEndedEarly):
            read(unclosed, is_framed=False)


def test_an_answer_of_any_length_passes_through_in_pieces() -> None:
    long = bytes(range(32, 127)) * 20_000
    answer, reader = read(b"event: answer\ndata: " + long + b"\n\n")

    assert answer == long
    # It is decided upon before the whole of it has come.
    ((name, seen, is_whole),) = reader.asked
    assert (name, is_whole) == ("answer", False)
    assert events.MAX_HEAD_BYTES < seen < len(long)


@pytest.mark.parametrize(
    "stream",
    [b"", b"\n\n", b"event: answer\n\n", b"event: ping\ndata: 1\n\n", b"data: [DONE]\n\n", b": x"],
)
def test_a_stream_without_an_answer_ended_too_early(stream: bytes) -> None:
    with pytest.raises(StreamEndedEarly):
        read(stream)


def test_an_event_beside_the_answer_that_is_too_large_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_ASIDE_BYTES", 100_000)
    large = b"event: aside\ndata: " + b"x" * 100_001 + b"\n\n"

    answer, reader = read(large + STREAM)

    assert answer == b"first line\nsecond: line"
    assert reader.asides == [b"one", b"two"]


def test_more_bytes_than_allowed_are_refused_whatever_they_are() -> None:
    for stream in (b": " + b"x" * 5000, b"event: other\ndata: " + b"x" * 5000):
        with pytest.raises(BadResponse) as refused:
            read(stream, size=100, limit=4000)
        assert refused.value.detail == "a stream of more than 4000 bytes"


def test_more_lines_than_anybody_needs_are_refused() -> None:
    for line in (b"\n", b":\n", b"data\n"):
        with pytest.raises(BadResponse) as refused:
            read(line * (events.MAX_LINES + 1))
        assert "lines" in refused.value.detail


def test_lines_that_are_no_fields_are_passed_over() -> None:
    odd = b"\0" * 3000 + b"\nno colon\n" + b"e" * 500 + b": x\nevent\ndata\n\n"

    assert read(odd + STREAM)[0] == b"first line\nsecond: line"
