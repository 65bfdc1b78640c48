"""A websocket is reached, limited and closed as every other call is."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    InvalidRequest,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import Auth, HttpClient, HttpLimits, WebSocket, websocket
from tests.providers.certificates import certificate
from tests.providers.conftest import KEY
from tests.providers.samples import answering, http_answer, raw_server

Speak = Callable[[ServerConnection], Awaitable[None]]
Listen = Callable[[WebSocket], Awaitable[Any]]


@asynccontextmanager
async def speaking(speak: Speak) -> AsyncIterator[str]:
    async with serve(speak, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"


def at(url: str, **limits: Any) -> HttpClient:
    return HttpClient(
        trusted_origins=frozenset({url}), limits=HttpLimits(**{"connect": 60, "read": 60, **limits})
    )


def heard(speak: Speak, listen: Listen, *, auth: Auth | None = None) -> Any:
    """Return what `listen` makes of a websocket at which `speak` speaks."""

    async def run() -> Any:
        async with (
            asyncio.timeout(10),
            speaking(speak) as url,
            at(url) as http,
            http.websocket(url + "/ws?clientId=a%20b", auth=auth) as socket,
        ):
            return await listen(socket)

    return asyncio.run(run())


async def one(socket: WebSocket) -> str | bytes:
    return await socket.receive()


def test_messages_come_whole_and_in_turn_and_what_is_sent_arrives() -> None:
    async def speak(server: ServerConnection) -> None:
        await server.send(["in ", "pieces"])
        await server.send(b"\x00\x01")
        await server.send("got " + str(await server.recv()))

    async def listen(socket: WebSocket) -> Any:
        await socket.send_text("hello")
        return [await socket.receive() for _ in range(3)]

    assert heard(speak, listen) == ["in pieces", b"\x00\x01", "got hello"]


def test_the_key_goes_along_and_no_compression_is_offered_and_nothing_is_logged(
    credential: Credential, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []

    async def speak(server: ServerConnection) -> None:
        assert server.request is not None
        asked.append((server.request.path, server.request.headers))
        await server.send("said in confidence")

    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    assert heard(speak, one, auth=Auth(credential)) == "said in confidence"

    [(path, headers)] = asked
    assert path == "/ws?clientId=a%20b"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert "Sec-WebSocket-Extensions" not in headers
    assert KEY not in caplog.text
    assert "in confidence" not in caplog.text


def test_a_key_for_another_host_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    elsewhere = Credential("test", ("env:TEST_PROVIDER_KEY",), frozenset({"api.example.com"}))

    async def speak(server: ServerConnection) -> None:
        await server.send("hello")

    with pytest.raises(AuthenticationFailed):
        heard(speak, one, auth=Auth(elsewhere))


def test_a_ping_is_answered_while_somebody_listens() -> None:
    async def speak(server: ServerConnection) -> None:
        await (await server.ping())
        await server.send("answered")

    assert heard(speak, one) == "answered"


@pytest.mark.parametrize("name", ["MAX_BYTES", "MAX_FRAMES"])
def test_more_than_is_taken_ends_the_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, name, 50)

    async def speak(server: ServerConnection) -> None:
        for _ in range(200):
            await server.send("x")

    async def listen(socket: WebSocket) -> None:
        for _ in range(200):
            await socket.receive()

    with pytest.raises(BadResponse):
        heard(speak, listen)


def test_a_message_that_is_too_large_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_MESSAGE_BYTES", 1000)

    async def speak(server: ServerConnection) -> None:
        # Larger as a whole only.
        await server.send(["x" * 600, "y" * 600])
        await server.wait_closed()

    with pytest.raises(ProviderUnavailable):
        heard(speak, one)


def test_a_connection_that_is_closed_or_breaks_ends_the_listening() -> None:
    async def close(server: ServerConnection) -> None:
        await server.close()

    async def break_off(server: ServerConnection) -> None:
        server.transport.abort()

    for speak in (close, break_off):
        with pytest.raises(ProviderUnavailable):
            heard(speak, one)


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b"{}"),
        http_answer(b"", status="404 Not Found"),
        http_answer(b"", status="302 Found", headers=("Location: http://127.0.0.2/",)),
        http_answer(b"", status="101 Switching", headers=("Upgrade: websocket",)),
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    ],
    ids=["page", "missing", "redirect", "unproven", "garbage", "headers"],
)
def test_a_server_without_a_websocket_is_unavailable(answer: bytes) -> None:
    async def run() -> int:
        async with raw_server(answering(answer)) as server, at(server.url) as http:
            with pytest.raises(ProviderUnavailable):
                async with http.websocket(server.url + "/ws"):
                    pass
            return server.connections

    assert asyncio.run(run()) == 1


def test_a_server_that_says_nothing_is_waited_for_as_long_as_for_a_connection() -> None:
    async def silent(_: bytes, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def run() -> None:
        async with raw_server(silent) as server, at(server.url, connect=0.2) as http:
            async with asyncio.timeout(2):
                async with http.websocket(server.url + "/ws"):
                    pass

    with pytest.raises(ProviderTimeout):
        asyncio.run(run())


def test_the_certificate_must_carry_the_name_and_the_key_goes_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    server_side = certificate(tmp_path, "a.test")
    client_side = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    asked: list[str] = []

    async def speak(server: ServerConnection) -> None:
        assert server.request is not None
        asked.append(f"{server.request.headers['Host']} {server.request.headers['Authorization']}")
        await server.send("hello")

    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run() -> list[str]:
        async with serve(speak, "127.0.0.1", 0, ssl=server_side) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            good, evil = f"https://a.test:{port}", f"https://evil.test:{port}"
            trusted = frozenset({good, evil})
            hosts = frozenset({f"a.test:{port}", f"evil.test:{port}"})
            key = Auth(Credential("test", ("env:TEST_PROVIDER_KEY",), hosts))
            async with HttpClient(
                trusted_origins=trusted, resolver=resolver, ssl_context=client_side
            ) as http:
                async with http.websocket(good + "/ws", auth=key) as socket:
                    said = str(await socket.receive())
                with pytest.raises(ProviderUnavailable) as refused:
                    async with http.websocket(evil + "/ws", auth=key):
                        pass
        return [said, refused.value.detail]

    assert asyncio.run(run()) == ["hello", "no connection"]
    assert len(asked) == 1
    assert asked[0].startswith("a.test:")
    assert asked[0].endswith(KEY)


def test_plain_http_and_inner_addresses_are_for_trusted_origins_only() -> None:
    async def inner(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run(url: str) -> None:
        async with HttpClient(resolver=inner) as http, http.websocket(url):
            pass

    for url in ("http://example.com/ws", "https://example.com/ws"):
        with pytest.raises(ProviderUnavailable) as refused:
            asyncio.run(run(url))
        assert refused.value.detail == "address refused"
    with pytest.raises(InvalidRequest):
        asyncio.run(run("ws://example.com/ws"))
