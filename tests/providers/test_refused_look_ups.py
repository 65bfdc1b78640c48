"""A refused look-up of a lost call is never taken for its absence: it would be made and billed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.core.errors import NotFound, OutcomeUnknown, ProviderError, ProviderUnavailable
from imagegen_app.core.types import Call, Submission
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_request, http_answer, raw_server

REQUEST = a_request(model="black-forest-labs/flux-2-pro")
OURS = "0190d0a0-0000-7000-8000-000000000001"


def client_of(url: str) -> HttpClient:
    limits = HttpLimits(connect=60, read=60, total=120)
    return HttpClient(trusted_origins=frozenset({url}), limits=limits)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 422, 429, 500])
def test_a_list_of_replicates_that_is_refused_says_nothing_about_the_call(
    start_simulator: Callable[[str], SimulatorProcess],
    credential: Credential,
    answer: SpooledAnswer,
    status: int,
) -> None:
    simulator = start_simulator("replicate")
    remote.forget()

    async def run() -> tuple[str, Submission | None]:
        async with client_of(simulator.base_url) as http:
            adapter = registry.build(
                "replicate",
                base_url=f"{simulator.base_url}/v1",
                credential=credential,
                http=http,
            )
            simulator.fail("disconnect")
            with pytest.raises(OutcomeUnknown):
                await adapter.submit(REQUEST, answer=answer)
            simulator.fail("status", on="lookup", status=status)
            with pytest.raises(ProviderError) as refused:
                await adapter.reconcile(Call(""), REQUEST, answer=answer)
            found = await adapter.reconcile(Call(""), REQUEST, answer=answer)
            return refused.value.code, found

    code, found = asyncio.run(run())

    assert code != NotFound.code
    # Asked again, it was there all the time.
    assert found is not None
    assert found.ref
    assert simulator.bill()["images"] == 1


@pytest.mark.parametrize("path", [f"/history/{OURS}", "/queue", "/history?max_items=256"])
def test_a_part_of_comfyuis_look_up_that_is_refused_says_nothing_about_the_call(
    path: str, answer: SpooledAnswer
) -> None:
    async def handle(request: bytes, writer: Any) -> None:
        is_refused = request.split(b" ")[1] == path.encode()
        empty = b'{"queue_running": [], "queue_pending": []}'
        writer.write(http_answer(empty, status="404 Not Found" if is_refused else "200 OK"))

    async def run() -> None:
        async with raw_server(handle) as server, client_of(server.url) as http:
            adapter = registry.build("comfyui", base_url=server.url, http=http)
            await adapter.poll(Call(OURS), answer=answer)

    with pytest.raises(ProviderUnavailable):
        asyncio.run(run())


@pytest.mark.parametrize("queue", [b"{}", b"[]", b'"welcome"', b'{"queue_running": []}'])
def test_what_is_no_queue_of_comfyuis_says_nothing_about_the_call(
    queue: bytes, answer: SpooledAnswer
) -> None:
    async def handle(request: bytes, writer: Any) -> None:
        is_queue = request.split(b" ")[1] == b"/queue"
        writer.write(http_answer(queue if is_queue else b"{}"))

    async def run() -> None:
        async with raw_server(handle) as server, client_of(server.url) as http:
            adapter = registry.build("comfyui", base_url=server.url, http=http)
            await adapter.poll(Call(OURS), answer=answer)

    with pytest.raises(ProviderUnavailable):
        asyncio.run(run())
