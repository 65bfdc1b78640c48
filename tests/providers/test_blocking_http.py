from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from imagegen_app.core.errors import OutcomeUnknown, ProviderTimeout, ProviderUnavailable
from imagegen_app.providers.http import BlockingClient, Reply
from tests.providers.samples import Handler, RawServer, answering, http_answer, raw_server

Use = Callable[[BlockingClient, RawServer], object]


def talk(handler: Handler, use: Use) -> RawServer:
    """Run `use` in a thread with a client that trusts a server with this handler."""

    async def run() -> RawServer:
        async with raw_server(handler) as server:
            client = BlockingClient(trusted_origins=frozenset({server.url}))
            await asyncio.to_thread(use, client, server)
            return server

    return asyncio.run(run())


async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def test_a_synchronous_caller_gets_the_answer() -> None:
    got: list[Reply] = []

    server = talk(
        answering(http_answer(b'{"a":1}')),
        lambda http, server: got.append(http.send("POST", server.url, body=b"{}", seconds=10)),
    )

    assert got[0].body == b'{"a":1}'
    assert len(server.requests) == 1


def test_a_caller_with_a_running_loop_gets_the_answer() -> None:
    def use(http: BlockingClient, server: RawServer) -> None:
        async def run() -> Reply:
            return http.send("GET", server.url, seconds=10)

        assert asyncio.run(run()).ok

    talk(answering(http_answer(b"{}")), use)


@pytest.mark.parametrize("billable", [False, True])
def test_a_server_that_says_nothing_keeps_nobody_beyond_the_limit(billable: bool) -> None:
    def use(http: BlockingClient, server: RawServer) -> None:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown if billable else ProviderTimeout):
            http.send("POST", server.url, body=b"{}", seconds=0.3, billable=billable)
        assert time.monotonic() - began < 20

    talk(silent, use)


def test_a_name_look_up_that_hangs_keeps_nobody_beyond_the_limit() -> None:
    release = threading.Event()

    async def hanging(host: str, port: int) -> list[str]:
        release.wait(30)
        return []

    began = time.monotonic()
    with pytest.raises(ProviderTimeout):
        BlockingClient(resolver=hanging).send("GET", "https://slow.example/", seconds=0.3)
    took = time.monotonic() - began
    release.set()

    assert took < 20


@pytest.mark.parametrize("status", ["429 Slow", "503 Later"])
def test_a_refused_call_is_made_once_more_and_no_oftener(status: str) -> None:
    got: list[Reply] = []
    refused = http_answer(b"", status=status, headers=("Retry-After: 0",))

    server = talk(
        answering(refused, refused, http_answer(b"{}")),
        lambda http, server: got.append(http.send("GET", server.url, seconds=10, retries=1)),
    )

    assert got[0].status == int(status[:3])
    assert len(server.requests) == 2


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    got: list[Reply] = []
    refused = http_answer(b"", status="429 Slow", headers=("Retry-After: 60",))

    server = talk(
        answering(refused),
        lambda http, server: got.append(http.send("GET", server.url, seconds=5, retries=1)),
    )

    assert got[0].status == 429
    assert len(server.requests) == 1


def test_a_private_address_is_refused_unless_its_origin_is_trusted() -> None:
    with pytest.raises(ProviderUnavailable) as refused:
        BlockingClient().send("GET", "https://127.0.0.1:9/", seconds=5)

    assert refused.value.detail == "address refused"
