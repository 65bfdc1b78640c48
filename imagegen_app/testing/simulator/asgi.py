"""Speak ASGI: read a request, send a reply."""

from __future__ import annotations

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
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: The caller's address, by which its connection can be found.
    client: tuple[str, int] | None = None
    #: This server's address as the caller named it.
    origin: str = ""

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
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return Call(
        method=scope["method"],
        path=scope["path"],
        query={name: values[0] for name, values in query.items()},
        headers=headers,
        body=bytes(body),
        client=tuple(scope["client"]) if scope.get("client") else None,
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
    half = answer.body[: len(answer.body) // 2]
    await send(
        {
            "type": "http.response.body",
            "body": half if answer.cut else answer.body,
            "more_body": bool(answer.cut),
        }
    )
