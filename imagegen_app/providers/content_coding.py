"""Undo a content coding in bounded pieces, so that a small body cannot become a huge one at once."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from imagegen_app.core.errors import BadResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_PIECE = 256 * 1024
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def decoded(chunks: AsyncIterator[bytes], *, encoding: str) -> AsyncIterator[bytes]:
    """Yield the decoded chunks, each at most 256 KiB where anything had to be decoded.

    We ask for `identity`; some gateways compress nevertheless, and the answer was paid for.

    :raises BadResponse: if the coding is unknown or the bytes are not what it says.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        async for chunk in chunks:
            yield chunk
        return
    if encoding not in _WINDOWS:
        raise BadResponse(detail="unknown content coding")
    machine = zlib.decompressobj(_WINDOWS[encoding])
    try:
        async for chunk in chunks:
            for piece in _pieces(machine, chunk):
                yield piece
    except zlib.error:
        raise BadResponse(detail="broken content coding") from None
    if not machine.eof:
        raise BadResponse(detail="broken content coding")


async def decoded_if_possible(
    chunks: AsyncIterator[bytes], *, encoding: str
) -> AsyncIterator[bytes]:
    """Yield the decoded chunks, and what cannot be decoded as it came: it was paid for.

    Where a coding breaks off in the middle, what came before is yielded.
    """
    encoding = encoding.strip().lower()
    window = _WINDOWS.get(encoding)
    machine = zlib.decompressobj(window) if window else None
    has_begun = False
    async for chunk in chunks:
        if machine is None:
            yield chunk
            continue
        try:
            for piece in _pieces(machine, chunk):
                has_begun = True
                yield piece
        except zlib.error:
            if has_begun:
                return
            machine = None
            yield chunk


def _pieces(machine: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while not machine.eof:
        piece = machine.decompress(chunk, _PIECE)
        chunk = machine.unconsumed_tail
        if piece:
            yield piece
        if not chunk and len(piece) < _PIECE:
            return
