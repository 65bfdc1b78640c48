"""Read and write connections for the HTTP client, with few steps for each of an answer's pieces.

An answer has megabytes and comes in pieces of some kilobytes. httpcore's own streams are built on
anyio, whose scopes and events cost more for each piece than the piece itself.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable
from typing import Any

import httpcore

#: What is read from a socket at once; larger pieces are slower, since the allocator then asks the
#: system for memory each time and gives it back.
_READ_BYTES = 96 * 1024
#: So much may wait to be taken before the other side is held up.
_MAX_WAITING_BYTES = 512 * 1024
_of_thread = threading.local()


def _shared_buffer() -> memoryview:
    """Return this thread's buffer: it is filled and emptied again in one step of the event loop.

    As a view: TLS fills it in parts, by its slices, and those of a `bytearray` would be copies.
    """
    buffer: memoryview | None = getattr(_of_thread, "buffer", None)
    if buffer is None:
        buffer = _of_thread.buffer = memoryview(bytearray(_READ_BYTES))
    return buffer


class _Receiver(asyncio.BufferedProtocol):
    """Takes what arrives, and tells when something can be written."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.is_ended = False
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # it is one for streams

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return _shared_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._pieces.append(bytes(_shared_buffer()[:nbytes]))
        self._size += nbytes
        if self._size > _MAX_WAITING_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        self.is_ended = True
        self._arrived.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_ended, self.failure = True, exc
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    @property
    def has_news(self) -> bool:
        """Whether something arrived that nobody has taken, or the other side has ended."""
        return bool(self._pieces) or self.is_ended

    async def take(self) -> bytes:
        """Return what has arrived; empty at the end."""
        if not self.has_news:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._pieces:
            if self.failure is not None:
                raise self.failure
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if self._size > _MAX_WAITING_BYTES and self._transport is not None:
            self._transport.resume_reading()
        self._pieces, self._size = [], 0
        return data

    async def wait_until_written(self) -> None:
        """Wait until the other side has taken most of what was written."""
        await self._writable.wait()
        if self.failure is not None:
            raise self.failure


class SocketStream(httpcore.AsyncNetworkStream):
    """A connection of an event loop of asyncio."""

    def __init__(self, transport: asyncio.Transport, receiver: _Receiver) -> None:
        self._transport, self._receiver = transport, receiver

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the base class's signature)
    ) -> bytes:
        del max_bytes
        if self._receiver.has_news:
            timeout = None
        try:
            async with asyncio.timeout(timeout):
                return await self._receiver.take()
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError:
            raise httpcore.ReadError from None

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109  (the base class's signature)
    ) -> None:
        if not buffer:
            return
        self._transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._receiver.wait_until_written()
        except TimeoutError:
            raise httpcore.WriteTimeout from None
        except OSError:
            raise httpcore.WriteError from None

    async def aclose(self) -> None:
        # At once: nobody waits for what is still unsent, or for the other side's farewell in TLS.
        self._transport.abort()
        # It is closed in the loop's next step, which may be its last.
        await asyncio.sleep(0)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (the base class's signature)
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        receiver = _Receiver()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._transport, receiver, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError:
            self._transport.abort()
            raise httpcore.ConnectTimeout from None
        except (OSError, ssl.SSLError):
            self._transport.abort()
            raise httpcore.ConnectError from None
        if transport is None:
            raise httpcore.ConnectError
        return SocketStream(transport, receiver)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._receiver.has_news
        return self._transport.get_extra_info(info)


async def connect(
    host: str, port: int, *, local: str | None, options: Iterable[Any] | None
) -> SocketStream:
    """Connect to an address; the caller limits the time.

    :raises httpcore.ConnectError: if nobody answers there.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, receiver = await loop.create_connection(
            _Receiver, host, port, local_addr=None if local is None else (local, 0)
        )
    except OSError:
        raise httpcore.ConnectError from None
    for option in options or ():
        transport.get_extra_info("socket").setsockopt(*option)
    return SocketStream(transport, receiver)
