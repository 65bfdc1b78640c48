"""Speak ASGI: read a request, send a reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came."""

    method: str
    #: Without the escapes of the address.
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: The caller's address, by which its connection can be found.
    client: tuple[str, int] | None = None
    #: This server's address as the caller named it.
    origin: str = ""
    #: The port that it came to.
    port: int = 0
    #: The path as it was sent, with its escapes: what a signature is about.
    raw_path: str = ""

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object.

        :raises ValueError: if it is none.
        """
        document = json.loads(self.body or b"{}")
        if not isinstance(document, dict):
            raise ValueError("not an object")  # noqa: TRY004  (one error for all bad bodies)
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Break the connection: before the first byte, or in the middle of the body.
    cut: str = ""
    #: Seconds for which nothing comes in the middle of the body.
    stall: float = 0.0
    #: After how many bytes of the body nothing comes for `pause` seconds, such as between events.
    pauses_after: tuple[int, ...] = ()
    pause: float = 0.0


def reply(document: object, *, status: int = 200, **headers: str) -> Answer:
    """Return a JSON answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return Answer(status, json.dumps(document).encode(), headers=named)


def error(status: int, code: str, *, kind: str = "", message: str = "", **headers: str) -> Answer:
    """Return an error as OpenAI writes it."""
    body = {
        "message": message or f"simulated {status}",
        "type": kind or "invalid_request_error",
        "param": None,
        "code": code or None,
    }
    return reply({"error": body}, status=status, **headers)


class Socket:
    """A websocket, seen from the server."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send

    async def accept(self) -> None:
        """Take the connection."""
        await self._send({"type": "websocket.accept"})

    async def refuse(self, status: int) -> None:
        """Answer the handshake with a status instead of taking the connection."""
        start = "websocket.http.response.start"
        await self._send({"type": start, "status": status, "headers": []})
        await self._send({"type": "websocket.http.response.body", "body": b""})

    async def receive_text(self) -> str | None:
        """Return the next message; None once the other side has gone."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return None
            if message.get("text") is not None:
                return str(message["text"])

    async def send_text(self, text: str) -> None:
        """Send a message of text."""
        await self._send({"type": "websocket.send", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a message of bytes."""
        await self._send({"type": "websocket.send", "bytes": data})


async def read_call(scope: Scope, receive: Receive) -> Call:
    """Read a whole request.

    :raises ValueError: if the body is too large or the caller went away.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ValueError("the caller went away")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise ValueError("body too large")
        if not message.get("more_body"):
            break
    return call_of(scope, body=bytes(body))


def call_of(scope: Scope, *, body: bytes = b"") -> Call:
    """Return a request as its scope and its body have it; the handshake of a websocket is a GET."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return Call(
        method=scope.get("method", "GET"),
        path=scope["path"],
        query={name: values[0] for name, values in query.items()},
        headers=headers,
        body=body,
        client=tuple(scope["client"]) if scope.get("client") else None,
        raw_path=scope["raw_path"].decode("latin-1"),
        port=(scope.get("server") or ("", 0))[1] or 0,
        origin=f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}",
    )


async def send_answer(answer: Answer, send: Send, *, request_id: str) -> None:
    """Send an answer; one that is cut in the middle announces more than it sends."""
    headers = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        "x-request-id": request_id,
        **answer.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    middle = len(answer.body) // 2
    if not answer.cut and not answer.stall:
        begun = 0
        for end in answer.pauses_after if answer.pause else ():
            piece = answer.body[begun:end]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(answer.pause)
            begun = end
        await send({"type": "http.response.body", "body": answer.body[begun:]})
        return
    await send({"type": "http.response.body", "body": answer.body[:middle], "more_body": True})
    if answer.stall:
        await asyncio.sleep(answer.stall)
        await send({"type": "http.response.body", "body": answer.body[middle:]})
