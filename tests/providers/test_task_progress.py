"""AUTOMATIC1111's web UI is asked about our own call alone, and whatever it says costs nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.types import GenerationRequest, Operation, Size, Submission, SubmissionStatus
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import task_progress
from imagegen_app.providers.http import HttpClient, HttpLimits, Reply
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols.automatic1111 import USER
from tests.providers.samples import a_request, an_input, encoded, http_answer, raw_server

REQUEST = a_request(model="sd_xl_base_1.0", size=Size(512, 512))
PICTURE = encoded(Image.new("RGB", (64, 64), "red"))
MODELS = json.dumps([{"title": "sd_xl_base_1.0", "model_name": REQUEST.model}]).encode()
ANSWER = json.dumps({"images": [base64.b64encode(PICTURE).decode()], "info": ""}).encode()
Build = Callable[..., Any]


@dataclass
class Told:
    """What came of one call while it ran."""

    progress: list[Submission] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)
    images: int = 0
    asked: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ask often, and look the server's models up anew."""
    monkeypatch.setattr(task_progress, "FIRST_SECONDS", 0.02)
    monkeypatch.setattr(task_progress, "EVERY_SECONDS", 0.05)
    remote.forget()
    yield
    remote.forget()


@pytest.fixture
def web_ui(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("automatic1111")


@pytest.fixture
def adapter(web_ui: SimulatorProcess, credential: Credential) -> Build:
    def build(http: HttpClient, base_url: str = "", **options: Any) -> Any:
        return registry.build(
            "automatic1111",
            base_url=base_url or web_ui.base_url,
            credential=credential,
            http=http,
            options={"user": USER, **options},
        )

    return build


async def made(
    provider: Any, answer: SpooledAnswer, request: GenerationRequest, told: Told
) -> None:
    submission = await provider.submit(
        request,
        answer=answer,
        on_progress=told.progress.append,
        on_preview=told.previews.append,
    )
    assert submission.status is SubmissionStatus.ANSWERED
    told.images = len(provider.read_answer(answer).images)


def at(url: str) -> HttpClient:
    limits = HttpLimits(connect=60, read=60, total=120)
    return HttpClient(trusted_origins=frozenset({url}), limits=limits)


def test_how_far_a_call_is_and_what_it_draws_is_told_until_it_ends(
    web_ui: SimulatorProcess, adapter: Build, new_answer: Callable[[], SpooledAnswer]
) -> None:
    web_ui.script(latency=1.0)
    told = Told()

    async def run() -> None:
        async with at(web_ui.base_url) as http:
            await made(adapter(http), new_answer(), REQUEST, told)

    asyncio.run(run())
    asked = web_ui.calls()["POST /internal/progress"]

    shares = [one.progress for one in told.progress]
    assert shares == sorted(shares, key=lambda share: share or 0)
    assert len({share for share in shares if share and 0 < share < 1}) > 1
    assert {one.stage for one in told.progress} == {"running"}
    # The same image is not fetched twice.
    assert 1 < len(told.previews) <= 11
    assert len(set(told.previews)) == len(told.previews)
    assert {Image.open(io.BytesIO(one)).format for one in told.previews} == {"JPEG"}
    assert told.images == 1
    assert web_ui.calls()["POST /internal/progress"] == asked


def test_a_call_that_waits_for_another_one_tells_its_place_and_shows_nothing(
    web_ui: SimulatorProcess, adapter: Build, new_answer: Callable[[], SpooledAnswer]
) -> None:
    web_ui.script(latency=1.5)
    first, second = Told(), Told()
    other = replace(REQUEST, idempotency_key="another")

    async def run() -> None:
        async with at(web_ui.base_url) as http:
            provider = adapter(http)

            async def later() -> None:
                for _ in range(6_000):
                    if first.previews or first.images:
                        break
                    await asyncio.sleep(0.01)
                await made(provider, new_answer(), other, second)

            await asyncio.gather(made(provider, new_answer(), REQUEST, first), later())

    asyncio.run(run())

    waiting = [one for one in second.progress if one.stage == "queued"]
    assert waiting
    assert {one.position for one in waiting} == {1}
    assert second.progress[: len(waiting)] == waiting
    assert first.images == second.images == 1


def talk(
    credential: Credential,
    answer: SpooledAnswer,
    reply: bytes,
    *,
    request: GenerationRequest = REQUEST,
    seconds: float = 0.6,
    **options: Any,
) -> Told:
    """Have a server answer each question about the call with the same bytes."""
    told = Told()

    async def handle(raw: bytes, writer: Any) -> None:
        head, _, body = raw.partition(b"\r\n\r\n")
        path = head.split(b" ")[1]
        if path == b"/internal/progress":
            told.questions.append(json.loads(body))
            writer.write(reply)
        elif path.endswith((b"/sd-models", b"/upscalers")):
            writer.write(
                http_answer(MODELS if b"sd" in path[9:] else b'[{"name": "R-ESRGAN 4x+"}]')
            )
        else:
            told.asked = json.loads(body)
            await asyncio.sleep(seconds)
            writer.write(http_answer(ANSWER))

    async def run() -> None:
        async with raw_server(handle) as server, at(server.url) as http:
            provider: Any = registry.build(
                "automatic1111",
                base_url=server.url,
                credential=credential,
                http=http,
                options={"user": USER, **options},
            )
            await made(provider, answer, request, told)

    asyncio.run(run())
    return told


def active(**changes: Any) -> bytes:
    shown = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    document = {"active": True, "progress": 0.5, "live_preview": shown, "id_live_preview": 3}
    return http_answer(json.dumps(document | changes).encode())


def test_the_question_names_our_call_and_hides_our_key(
    credential: Credential, answer: SpooledAnswer
) -> None:
    told = talk(credential, answer, active())

    assert {one["id_task"] for one in told.questions} == {told.asked["force_task_id"]}
    assert REQUEST.idempotency_key not in json.dumps(told.questions)
    assert [one["id_live_preview"] for one in told.questions][:2] == [-1, 3]
    assert set(told.previews) == {PICTURE}


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"active": "yes"},
        {"active": None, "queued": False, "completed": True},
        {"active": False, "queued": True, "textinfo": "In queue: 2/5"},
    ],
)
def test_what_is_not_ours_is_never_shown(
    credential: Credential, answer: SpooledAnswer, changes: dict[str, Any]
) -> None:
    told = talk(credential, answer, active(**changes))

    assert told.previews == []
    assert [one.progress for one in told.progress if one.progress is not None] == []
    assert {one.position for one in told.progress} <= {2}
    assert told.images == 1


@pytest.mark.parametrize(
    ("reply", "most"),
    [
        (http_answer(b"{}", status="404 Not Found"), 1),
        (http_answer(b"{}", status="401 Unauthorized"), 1),
        (http_answer(b"{}", status="500 Error"), 3),
        (http_answer(b"<html>"), 3),
        (http_answer(b"[]"), 3),
        (http_answer(b"{}", status="302 Found", headers=("Location: http://127.0.0.2/",)), 3),
        (http_answer(b"x" * 10, length=1000), 3),
    ],
    ids=["missing", "refused", "failing", "html", "list", "redirect", "cut"],
)
def test_a_server_that_does_not_tell_is_asked_a_few_times_at_most(
    credential: Credential, answer: SpooledAnswer, reply: bytes, most: int
) -> None:
    told = talk(credential, answer, reply)

    assert 1 <= len(told.questions) <= most
    assert (told.progress, told.previews, told.images) == ([], [], 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"progress": "half", "live_preview": 7},
        {"progress": None, "live_preview": "data:image/png;base64,%%%"},
        {"progress": float("inf"), "live_preview": ""},
        {"progress": True, "live_preview": None, "id_live_preview": "x"},
    ],
)
def test_odd_values_are_left_out(
    credential: Credential, answer: SpooledAnswer, changes: dict[str, Any]
) -> None:
    told = talk(credential, answer, active(**changes))

    assert {one.progress for one in told.progress} == {None}
    assert told.previews == []
    assert told.images == 1


class Deaf:
    """Answers although it is cancelled, as what is awaited inside of a call may do."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, *_: object, **__: object) -> Reply:
        self.asked += 1
        if self.asked > 3:
            # So that a test that fails ends.
            return Reply(404, {})
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.5)
        return Reply(200, {}, body=b'{"active": true, "progress": 0.5}')


def test_the_questions_end_with_the_call_though_a_cancellation_is_lost() -> None:
    deaf: Any = Deaf()
    told: list[Submission] = []

    async def run() -> None:
        async with asyncio.timeout(60):
            async with task_progress.watched(
                deaf, "task(1)", on_progress=told.append, on_preview=None
            ):
                await asyncio.sleep(0.2)

    asyncio.run(run())

    assert (deaf.asked, told) == (1, [])


def test_nothing_is_asked_where_the_account_says_so_or_the_call_has_no_id(
    credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    larger = replace(
        REQUEST, operation=Operation.UPSCALE, inputs=(an_input(size=(64, 64)),), prompt=""
    )

    told = [
        talk(credential, new_answer(), active(), seconds=0.2, asks_progress=False),
        talk(credential, new_answer(), active(), seconds=0.2, request=larger),
    ]

    assert [(one.questions, one.images) for one in told] == [([], 1)] * 2
    assert not any("force_task_id" in one.asked for one in told)
