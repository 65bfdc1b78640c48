"""Connections of the HTTP client: what arrives, what is held up, and each way to fail."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpcore
import pytest

from imagegen_app.providers.http import HttpClient, streams
from imagegen_app.providers.http.streams import SocketStream
from tests.providers.certificates import certificate
from tests.providers.samples import http_answer, raw_server

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Use = Callable[[SocketStream], Awaitable[None]]


def talk(serve: Serve, use: Use) -> None:
    """Connect to a server that does as `serve`, and do as `use`."""

    async def run() -> None:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with suppress(ConnectionError):
                    await serve(reader, writer)
            finally:
                writer.transport.abort() if serve is silent else writer.close()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        stream = await streams.connect("127.0.0.1", port, local=None, options=None)
        try:
            await use(stream)
        finally:
            await stream.aclose()
            server.close()

    asyncio.run(run())


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read nothing and say nothing."""
    await asyncio.sleep(60)


def test_what_arrives_is_read_in_order_to_the_end() -> None:
    sent = bytes(range(256)) * 20_000

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()

    async def use(stream: SocketStream) -> None:
        read = b""
        while piece := await stream.read(1, 5):
            read += piece
        assert read == sent
        assert await stream.read(1, 5) == b""

    talk(serve, use)


def test_an_answer_that_nobody_reads_is_held_up_and_then_goes_on() -> None:
    sent = 64 * 1024 * 1024
    written: list[int] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(64):
            writer.write(bytes(sent // 64))
            await writer.drain()
            written.append(sent // 64)
        writer.close()

    async def use(stream: SocketStream) -> None:
        await asyncio.sleep(0.5)
        held_up = sum(written)
        read = 0
        while piece := await stream.read(1, 10):
            read += len(piece)
        # The kernel's buffers take some megabytes; the rest waits at the other side.
        assert held_up < sent // 2
        assert read == sent

    talk(serve, use)


def test_silence_times_out() -> None:
    async def use(stream: SocketStream) -> None:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, 0.05)

    talk(silent, use)


def test_a_peer_that_takes_nothing_times_out() -> None:
    async def use(stream: SocketStream) -> None:
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(bytes(64 * 1024 * 1024), 0.05)

    talk(silent, use)


def test_a_reset_connection_cannot_be_read_or_written() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        # Closing with this option resets.
        plain = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def use(stream: SocketStream) -> None:
        await stream.write(b"ping", 5)
        with pytest.raises(httpcore.ReadError):
            await stream.read(1, 5)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"more", 5)

    talk(serve, use)


def test_a_connection_that_the_server_closed_is_seen_without_reading() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.close()

    async def use(stream: SocketStream) -> None:
        assert stream.get_extra_info("is_readable") is False
        await stream.write(b"ping", 5)
        await asyncio.sleep(0.2)
        assert stream.get_extra_info("is_readable") is True

    talk(serve, use)


def test_nobody_at_the_address_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(httpcore.ConnectError):
        asyncio.run(streams.connect("127.0.0.1", port, local=None, options=None))


def test_a_server_that_speaks_no_tls_is_a_failed_connection() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def use(stream: SocketStream) -> None:
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5)

    talk(serve, use)


def test_tls_that_never_answers_times_out() -> None:
    async def use(stream: SocketStream) -> None:
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), "localhost", 0.1)

    talk(silent, use)


def test_what_comes_in_many_records_of_tls_at_once_arrives_as_it_was_sent(tmp_path: Path) -> None:
    server_side = certificate(tmp_path, "a.test")
    client_side = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    body = os.urandom(900_000)

    async def resolver(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async def in_pieces(_: bytes, writer: asyncio.StreamWriter) -> None:
        # Each write is a record of its own; several of them wait when the other side reads.
        answer = http_answer(body)
        for n in range(0, len(answer), 5000):
            writer.write(answer[n : n + 5000])

    async def run() -> bytes:
        async with raw_server(in_pieces, ssl=server_side) as server:
            url = f"https://a.test:{server.port}"
            async with HttpClient(
                trusted_origins=frozenset({url}), resolver=resolver, ssl_context=client_side
            ) as http:
                return (await http.send("GET", url)).body

    assert asyncio.run(run()) == body
