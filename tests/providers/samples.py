"""Small things that the provider tests are made of."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from imagegen_app.core.types import (
    GenerationRequest,
    ImageInput,
    InputRole,
    Operation,
    Size,
)

REQUEST = GenerationRequest(
    operation=Operation.GENERATE,
    model="gpt-image-2.6-flare",
    prompt="a canary-colour mug on a wooden table",
    size=Size(1024, 1024),
    end_user="h:5d41402abc4b2a76",
    idempotency_key="0190d0a0-0000-7000-8000-000000000001",
)


def a_request(**changes: Any) -> GenerationRequest:
    return replace(REQUEST, **changes)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def an_input(
    *,
    role: InputRole = InputRole.IMAGE,
    size: tuple[int, int] = (1024, 1024),
    image: Image.Image | None = None,
) -> ImageInput:
    if image is None:
        return _usual_input(role, size)
    return _input_of(image, role=role)


@functools.cache
def _usual_input(role: InputRole, size: tuple[int, int]) -> ImageInput:
    """Encode each once: most of them are made while tests are collected, in each process."""
    image = Image.new("L", size, 0) if role is InputRole.MASK else gradient(size)
    return _input_of(image, role=role)


def _input_of(image: Image.Image, *, role: InputRole) -> ImageInput:
    data = encoded(image)
    return ImageInput(
        role=role,
        media_type="image/png",
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        data=data,
    )


def gradient(size: tuple[int, int]) -> Image.Image:
    band = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (band, band.transpose(Image.Transpose.ROTATE_180), band))


def a_mask(box: tuple[int, int, int, int], *, size: tuple[int, int] = (1024, 1024)) -> ImageInput:
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return an_input(role=InputRole.MASK, image=mask)


@dataclass(slots=True)
class RawServer:
    """A TCP server that counts its connections and answers what it is told to."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_server(handler: Handler, *, ssl: Any = None) -> AsyncIterator[RawServer]:
    """Call the handler with the head and body of each request on each connection."""
    state = RawServer()

    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, asyncio.CancelledError, asyncio.LimitOverrunError
        ):
            while True:
                state.requests.append(request := await read_request(reader))
                await handler(request, writer)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # One more turn of the loop lets the aborted transports close their sockets.
        await asyncio.sleep(0.01)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head + await reader.readexactly(length)


def http_answer(
    body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = (), length: int | None = None
) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {length or len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answering(*answers: bytes) -> Handler:
    """Return a handler that gives the answers in turn, the last one again and again."""
    left = list(answers)

    async def handle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return handle
