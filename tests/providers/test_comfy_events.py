"""ComfyUI's websocket tells and shows our own call alone, and whatever it does costs nothing."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.types import Call, Size, Submission, SubmissionStatus
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import comfy_events
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_request

REQUEST = a_request(model="text-to-image", size=Size(512, 512))
OTHER = replace(REQUEST, idempotency_key="0190d0a0-0000-7000-8000-000000000002")
UNDER_WAY = {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}
Build = Callable[[], SpooledAnswer]


@dataclass
class Told:
    """What came of one call while it ran."""

    progress: list[Submission] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)
    polls: list[Submission] = field(default_factory=list)
    images: int = 0

    @property
    def shades(self) -> list[int]:
        """How light the images on their way were, each."""
        pixels = [Image.open(io.BytesIO(one)).getpixel((5, 5)) for one in self.previews]
        return [pixel[0] for pixel in pixels if isinstance(pixel, tuple)]


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tell often, and know of no server yet."""
    monkeypatch.setattr(comfy_events, "TELL_SECONDS", 0.01)
    monkeypatch.setattr(comfy_events, "QUIET_SECONDS", 0.3)
    remote.forget()
    comfy_events.forget()
    yield
    comfy_events.forget()


@pytest.fixture
def comfyui(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("comfyui")


def adapter_at(url: str, http: HttpClient, **options: Any) -> Any:
    return registry.build("comfyui", base_url=url, http=http, options=options)


def client_of(url: str) -> HttpClient:
    limits = HttpLimits(connect=60, read=60, total=120)
    return HttpClient(trusted_origins=frozenset({url}), limits=limits)


async def made(adapter: Any, answer: SpooledAnswer, told: Told, request: Any = REQUEST) -> None:
    """Run a call as a worker does: with the hooks, and its state kept from poll to poll."""
    hooks = {"on_progress": told.progress.append, "on_preview": told.previews.append}
    now = await adapter.submit(request, answer=answer, **hooks)
    call = Call(now.ref, model=request.model, state=now.state)
    while now.status in UNDER_WAY:
        await asyncio.sleep(0.05)
        now = await adapter.poll(call, answer=answer, **hooks)
        told.polls.append(now)
        call = replace(call, state=call.state if now.state is None else now.state)
    assert now.status is SubmissionStatus.ANSWERED
    told.images = len(adapter.read_answer(answer).images)


def run(comfyui: SimulatorProcess, answer: SpooledAnswer, **options: Any) -> Told:
    told = Told()

    async def work() -> None:
        async with client_of(comfyui.base_url) as http:
            await made(adapter_at(comfyui.base_url, http, **options), answer, told)

    asyncio.run(work())
    return told


def test_how_far_a_call_is_and_what_it_draws_is_told_until_it_ends(
    comfyui: SimulatorProcess, answer: SpooledAnswer
) -> None:
    comfyui.script(job_seconds=1.2)

    told = run(comfyui, answer)

    shares = [one.progress or 0.0 for one in told.progress]
    assert shares == sorted(shares)
    # Of a busy machine not each tenth is seen.
    assert len(set(shares)) > 1
    assert {(one.stage, one.status) for one in told.progress} == {
        ("running", SubmissionStatus.RUNNING)
    }
    assert 1 < len(told.previews) <= 11
    assert told.shades == sorted(set(told.shades))
    assert told.images == 1
    assert comfyui.calls()["WS /ws"] >= 1


def test_a_call_that_is_listened_to_over_many_polls_shows_no_tenth_twice(
    comfyui: SimulatorProcess, answer: SpooledAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy_events, "LISTEN_SECONDS", 0.1)
    comfyui.script(job_seconds=1.5)

    told = run(comfyui, answer)

    # On a busy machine each listening takes longer, and there are fewer.
    assert comfyui.calls()["WS /ws"] > 1
    assert 1 < len(told.previews) <= 11
    assert told.shades == sorted(set(told.shades))
    # Between two listenings nobody waits.
    assert {one.poll_after for one in told.polls[:-1]} == {0.0}


def test_another_call_is_never_told_or_shown(comfyui: SimulatorProcess, new_answer: Build) -> None:
    comfyui.script(job_seconds=0.8)
    first, second = Told(), Told()

    async def work() -> None:
        async with client_of(comfyui.base_url) as http:
            adapter = adapter_at(comfyui.base_url, http)

            async def later() -> None:
                await asyncio.sleep(0.2)
                await made(adapter, new_answer(), second, OTHER)

            await asyncio.gather(made(adapter, new_answer(), first), later())

    asyncio.run(work())

    assert first.images == second.images == 1
    assert first.previews
    # While it waits, the first one runs: the server tells it to another client.
    # Each image on its way has its call's own comment, however far it is.
    assert not set(first.previews) & set(second.previews)
    assert all(Image.open(io.BytesIO(one)).info.get("comment") for one in first.previews)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 404},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 502},
        {"kind": "oversize_message"},
        {"kind": "garbage_messages"},
        {"kind": "other_call"},
        {"kind": "silence"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_a_websocket_that_goes_wrong_costs_the_call_nothing_and_shows_nothing(
    comfyui: SimulatorProcess, answer: SpooledAnswer, fault: dict[str, Any]
) -> None:
    comfyui.script(job_seconds=0.6, fault={**fault, "on": "websocket", "times": None})
    begun = time.monotonic()

    told = run(comfyui, answer)

    assert comfyui.calls()["WS /ws"] >= 1
    assert (told.progress, told.previews, told.images) == ([], [], 1)
    # Nobody waits for a websocket: the call is found at its end as if there were none.
    assert time.monotonic() - begun < 4
    assert comfyui.bill()["images"] == 1


def test_a_connection_that_breaks_shows_what_had_come_and_the_call_goes_on(
    comfyui: SimulatorProcess, answer: SpooledAnswer
) -> None:
    comfyui.script(job_seconds=0.8, fault={"kind": "disconnect", "on": "websocket"})

    told = run(comfyui, answer)

    assert told.previews
    assert told.images == 1
    assert comfyui.calls()["WS /ws"] >= 2


def test_a_server_without_a_websocket_is_asked_once_and_then_left_alone(
    comfyui: SimulatorProcess, new_answer: Build
) -> None:
    refused = {"kind": "status", "status": 404, "on": "websocket", "times": None}
    comfyui.script(job_seconds=0.3, fault=refused)
    now, told = [1_000.0], Told()

    async def work() -> None:
        async with client_of(comfyui.base_url) as http:
            adapter = registry.build(
                "comfyui", base_url=comfyui.base_url, http=http, clock=lambda: now[0]
            )
            for number in range(3):
                request = replace(REQUEST, idempotency_key=f"call-{number}")
                if number == 2:
                    now[0] += comfy_events.DEAF_SECONDS + 1
                await made(adapter, new_answer(), told, request)

    asyncio.run(work())

    assert comfyui.calls()["WS /ws"] == 2
    # Without it the usual pace holds.
    assert {one.poll_after for one in told.polls} == {None}


def test_nobody_listens_where_the_account_says_so_or_nobody_waits(
    comfyui: SimulatorProcess, new_answer: Build
) -> None:
    comfyui.script(job_seconds=0.3)
    told = run(comfyui, new_answer(), asks_progress=False)

    async def unseen() -> None:
        async with client_of(comfyui.base_url) as http:
            adapter = adapter_at(comfyui.base_url, http)
            now = await adapter.submit(OTHER, answer=(place := new_answer()))
            call = Call(now.ref, model=OTHER.model, state=now.state)
            for _ in range(100):
                if (await adapter.poll(call, answer=place)).status not in UNDER_WAY:
                    return
                await asyncio.sleep(0.05)

    asyncio.run(unseen())

    assert (told.progress, told.previews, told.images) == ([], [], 1)
    assert "WS /ws" not in comfyui.calls()


def test_an_old_server_shows_images_that_name_no_call_while_ours_runs() -> None:
    told: list[bytes] = []
    heard = comfy_events.Heard()
    listener = comfy_events._Listener("ours", heard, on_progress=None, on_preview=told.append)
    image = b"\x00\x00\x00\x01\x00\x00\x00\x01"

    listener._show(image + b"of whom?")
    listener._take('{"type": "progress", "data": {"prompt_id": "ours", "value": 1, "max": 10}}')
    listener._show(image + b"ours")
    listener._take('{"type": "executing", "data": {"prompt_id": "theirs", "node": "4"}}')
    listener._take('{"type": "progress", "data": {"prompt_id": "theirs", "value": 9, "max": 10}}')
    listener._show(image + b"theirs")

    assert told == [b"ours"]
    assert heard.tenth == 1
