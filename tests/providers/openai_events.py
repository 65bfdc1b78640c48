"""Streams of OpenAI's events as the tests of its adapter want them, from a server of their own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.types import ProviderResult
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from tests.providers.samples import Handler, a_request, encoded, raw_server

#: A PNG as text, longer than what is looked at before an event's kind is decided.
LARGE = base64.b64encode(encoded(Image.effect_noise((320, 320), 90).convert("RGB"))).decode()


@dataclass
class Shown:
    """What came of one call."""

    answer: SpooledAnswer
    previews: list[bytes] = field(default_factory=list)
    submission: Any = None
    result: ProviderResult | None = None


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def partial(n: int, text: str = LARGE) -> bytes:
    return event("image_generation.partial_image", partial_image_index=n, b64_json=text)


COMPLETED = event("image_generation.completed", b64_json=LARGE, usage={"output_tokens": 7})


def answered(
    credential: Credential,
    new_answer: Callable[[], SpooledAnswer],
    *pieces: bytes | float,
    kind: str = "text/event-stream; charset=utf-8",
    limits: dict[str, float] | None = None,
    is_framed: bool = True,
) -> tuple[Shown, ProviderError | None]:
    """Have a server send pieces, with pauses where they are numbers, and return what came of it.

    Without framing, the end of the connection is the end of the body.
    """
    shown = Shown(new_answer())

    async def send(_: bytes, writer: Any) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nx-request-id: req_1\r\n"
        writer.write(
            head.encode() + (b"Transfer-Encoding: chunked\r\n\r\n" if is_framed else b"\r\n")
        )
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif piece:
                writer.write(
                    f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if is_framed else piece
                )
            else:
                writer.transport.abort()
                return
            await writer.drain()
        if is_framed:
            writer.write(b"0\r\n\r\n")
        else:
            writer.write_eof()

    handler: Handler = send

    async def run() -> ProviderError | None:
        values: dict[str, Any] = {"connect": 5, "read": 5, "total": 10, **(limits or {})}
        async with raw_server(handler) as server:
            trusted = frozenset({server.url})
            async with HttpClient(trusted_origins=trusted, limits=HttpLimits(**values)) as http:
                provider: Any = registry.build(
                    "openai",
                    base_url=server.url,
                    credential=credential,
                    http=http,
                    options={"partial_images": 2},
                )
                try:
                    shown.submission = await provider.submit(
                        a_request(), answer=shown.answer, on_preview=shown.previews.append
                    )
                    shown.result = provider.read_answer(shown.answer)
                except ProviderError as error:
                    return error
        return None

    return shown, asyncio.run(run())
