"""Listen at a websocket, on connections that are made and checked like those of all other calls.

Only the protocol is the library's (`websockets`, without its own networking): what is connected to,
for how long and how much is taken is decided here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from imagegen_app.core.errors import BadResponse, ProviderError, ProviderUnavailable
from imagegen_app.providers.http.failures import FAILURES, translated

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    import httpcore
    import httpx

    from imagegen_app.providers.http.transport import CheckedBackend
    from imagegen_app.providers.http.values import HttpLimits

#: Of one message; larger ones end the connection.
MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
#: Of one connection, and the frames of it: each costs some time.
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_FRAMES: Final = 20_000
_READ_BYTES: Final = 64 * 1024
#: The library would log headers, with the key among them, and messages.
_SILENT: Final = logging.Logger("websocket", level=logging.CRITICAL)  # noqa: LOG001
_PORTS: Final = {"https": 443, "http": 80}


class WebSocket:
    """An open websocket, from which messages are taken one after the other."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, protocol: ClientProtocol) -> None:
        self._stream, self._protocol = stream, protocol
        self._frames: deque[Frame] = deque()
        self._begun: list[Frame] = []
        self._size = self._count = 0

    async def send_text(self, text: str) -> None:
        """Send a message.

        :raises ProviderUnavailable: if the connection has ended.
        """
        try:
            self._protocol.send_text(text.encode())
            await self._flush()
        except (WebSocketException, *FAILURES) as error:
            raise _ended(error) from None

    async def receive(self) -> str | bytes:
        """Wait for the next message: text, or bytes; who calls limits the time.

        :raises ProviderUnavailable: if the connection has ended.
        :raises BadResponse: if more comes than is taken.
        """
        while True:
            while self._frames:
                message = self._message(self._frames.popleft())
                if message is not None:
                    return message
            try:
                await self._read()
            except (WebSocketException, *FAILURES) as error:
                raise _ended(error) from None

    async def open(self, headers: Mapping[str, str]) -> None:
        """Make the handshake.

        :raises InvalidHandshake: if the server has no websocket there, or not for us.
        """
        request = self._protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            await self._read()
            if self._protocol.handshake_exc is not None:
                raise self._protocol.handshake_exc

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            await self._stream.write(data)

    async def _read(self) -> None:
        if self._protocol.state not in {State.CONNECTING, State.OPEN}:
            raise ProviderUnavailable(detail="the websocket was closed")
        data = await self._stream.read(_READ_BYTES)
        self._size += len(data)
        if self._size > MAX_BYTES:
            raise BadResponse(detail=f"a websocket with more than {MAX_BYTES} bytes")
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        # Such as the answer to a ping.
        await self._flush()
        events = self._protocol.events_received()
        self._frames += [event for event in events if isinstance(event, Frame)]

    def _message(self, frame: Frame) -> str | bytes | None:
        """Return the message that a frame completes; None where it completes none."""
        self._count += 1
        if self._count > MAX_FRAMES:
            raise BadResponse(detail=f"a websocket with more than {MAX_FRAMES} frames")
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return None
        self._begun.append(frame)
        if not frame.fin:
            return None
        frames, self._begun = self._begun, []
        data = b"".join(one.data for one in frames)
        if frames[0].opcode is Opcode.TEXT:
            return data.decode("utf-8", errors="replace")
        return data


@asynccontextmanager
async def connected(
    target: httpx.URL,
    *,
    headers: Mapping[str, str],
    backend: CheckedBackend,
    ssl_context: ssl.SSLContext | None,
    limits: HttpLimits,
) -> AsyncIterator[WebSocket]:
    """Connect to a websocket at an address by https or http, and close it after the block.

    No extension is offered, so that nothing that comes is larger than it was sent.

    :raises ProviderUnavailable: if there is none.
    :raises ProviderTimeout: if there is no connection in time.
    """
    secure, port = target.scheme == "https", target.port or _PORTS[target.scheme]
    path, _, query = target.raw_path.decode().partition("?")
    uri = WebSocketURI(secure, target.host, port, path, query)
    protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_SILENT)
    stream: httpcore.AsyncNetworkStream | None = None
    try:
        try:
            async with asyncio.timeout(limits.connect):
                stream = await backend.connect_tcp(target.host, port)
                if ssl_context is not None and secure:
                    stream = await stream.start_tls(ssl_context, server_hostname=target.host)
                socket = WebSocket(stream, protocol)
                await socket.open(headers)
        except InvalidHandshake:
            raise ProviderUnavailable(detail="no websocket there") from None
        except (WebSocketException, *FAILURES) as error:
            raise _ended(error) from None
        yield socket
    finally:
        if stream is not None:
            await stream.aclose()


def _ended(error: Exception) -> ProviderError:
    if isinstance(error, WebSocketException):
        return ProviderUnavailable(detail="the websocket has ended")
    return translated(error, billable=False)
