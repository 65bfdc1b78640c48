"""Stand before a server as a bad network or a broken gateway: cut, reset, delay, swallow or refuse."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    pass

#: What is done to a connection: nothing; the server is reached, its answer is not (in whole); the
#: client is reset once the call is through; all is late; nothing ever comes; a gateway says 503.
MODES = ("pass", "lose_answer", "cut_answer", "reset", "delay", "swallow", "unavailable")
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_PIECE = 16 * 1024
_DELAY_SECONDS = 0.4
_SWALLOW_SECONDS = 3.0
#: Of an answer that is cut, so many bytes are passed on: the status and some headers.
_CUT_BYTES = 60


class Proxy:
    """A proxy for bytes on a port of its own, in a thread of its own; a context manager."""

    def __init__(self, target: str, *, seed: int = 0) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._dice = random.Random(seed)  # noqa: S311 - a choice that can be repeated
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._mode, self._share, self._is_due = "pass", 1.0, False
        self._tasks: set[asyncio.Task[None]] = set()
        #: Connections that were disturbed.
        self.disturbed = 0
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self._server = server
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def treat(self, mode: str, *, share: float = 1.0) -> None:
        """Disturb this share of the connections from now on."""
        assert mode in MODES
        self._mode, self._share = mode, share
        # The first one in any case: a failure that nobody meets proves nothing.
        self._is_due = mode != "pass"
        if mode == "unavailable":
            # Connections are kept open, and would carry the next requests through.
            self._loop.call_soon_threadsafe(self._break_off)

    def _break_off(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        is_hit = self._dice.random() < self._share or self._is_due
        self._is_due = False
        mode = self._mode if is_hit else "pass"
        self.disturbed += mode != "pass"
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            if mode == "swallow":
                await asyncio.sleep(_SWALLOW_SECONDS)
            elif mode == "unavailable":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_UNAVAILABLE)
                await writer.drain()
            else:
                await self._carry(reader, writer, mode)
        with contextlib.suppress(OSError):
            writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mode: str
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        until = {"lose_answer": 0, "reset": 0, "cut_answer": _CUT_BYTES}.get(mode)
        late = _DELAY_SECONDS if mode == "delay" else 0.0
        there = asyncio.ensure_future(_pump(reader, far_writer, late=late))
        try:
            await _pump(far_reader, writer, late=late, until=until)
            if mode == "reset":
                _reset(writer)
        finally:
            there.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await there
            far_writer.close()


async def _pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    *,
    late: float = 0.0,
    until: int | None = None,
) -> None:
    """Carry bytes until the source ends, or so many of them were passed on."""
    carried = 0
    while piece := await source.read(_PIECE):
        if late:
            await asyncio.sleep(late)
        if until is not None:
            piece = piece[: max(0, until - carried)]
        carried += len(piece)
        sink.write(piece)
        await sink.drain()
        if until is not None and carried >= until:
            return
    if until is None:
        with contextlib.suppress(OSError, RuntimeError):
            sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
