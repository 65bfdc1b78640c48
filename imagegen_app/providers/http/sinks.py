"""Take the bodies of answers: into memory, or into a part of an answer on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import BadResponse
from imagegen_app.providers.content_coding import decoded, decoded_if_possible
from imagegen_app.providers.http import events

if TYPE_CHECKING:
    from imagegen_app.providers.answers import SpooledAnswer

#: Takes the chunks of a body and the answer's headers; returns what to keep, and its digest.
Sink = Callable[[AsyncIterator[bytes], Mapping[str, str]], Any]


def is_event_stream(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer comes as events, with long silences between them."""
    kind = headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == events.MEDIA_TYPE


def _is_framed(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer ends by its own framing, and not with its connection."""
    codings = headers.get("transfer-encoding", "").lower().split(",")
    return "content-length" in headers or codings[-1].strip() == "chunked"


def collector(limit: int) -> Sink:
    """Return what takes a body into memory.

    What it does raises `BadResponse` if the body is larger, or cannot be decoded.
    """

    async def collect(
        chunks: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> tuple[bytes, str]:
        body = bytearray()
        async for chunk in decoded(chunks, encoding=headers.get("content-encoding", "")):
            body += chunk
            if len(body) > limit:
                raise BadResponse(detail=f"answer larger than {limit} bytes")
        return bytes(body), ""

    return collect


def spooler(
    answer: SpooledAnswer, *, limit: int, part: str, reader: events.EventReader | None = None
) -> Sink:
    """Return what takes a body into a part of an answer; of a stream, `reader` tells which event.

    Bytes that were paid for stay, whether they can be decoded now or after an upgrade.
    """

    async def spool(chunks: AsyncIterator[bytes], headers: Mapping[str, str]) -> tuple[bytes, str]:
        pieces = decoded_if_possible(chunks, encoding=headers.get("content-encoding", ""))
        if reader is not None and is_event_stream(headers):
            pieces = events.answer_in(
                pieces, reader=reader, limit=limit, is_framed=_is_framed(headers)
            )
        return b"", await answer.write(pieces, limit=limit, part=part)

    return spool
