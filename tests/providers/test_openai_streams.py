"""OpenAI's streamed answers: previews on the way, and at the end what an answer at once gives."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AnswerCutOff,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    OutcomeUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.types import GenerationRequest, Operation
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.openai_events import Shown
from tests.providers.samples import a_mask, a_request, an_input


@pytest.fixture
def stream(
    client: Callable[..., HttpClient],
    build: Callable[..., Any],
    new_answer: Callable[[], SpooledAnswer],
) -> Callable[..., Shown]:
    """Submit a request to the simulator as the worker does, and read its answer."""

    def make(request: GenerationRequest, *, partial_images: int = 2, is_seen: bool = True) -> Shown:
        shown = Shown(new_answer())

        async def run() -> None:
            async with client() as http:
                provider = build("openai", http, options={"partial_images": partial_images})
                hook = shown.previews.append if is_seen else None
                shown.submission = await provider.submit(
                    request, answer=shown.answer, on_preview=hook
                )
                shown.result = provider.read_answer(shown.answer)

        asyncio.run(run())
        return shown

    return make


def posted(simulator: SimulatorProcess) -> int:
    return sum(count for route, count in simulator.calls().items() if route.startswith("POST"))


@pytest.mark.parametrize(
    "request_",
    [
        a_request(quality="low", output_format="webp"),
        a_request(operation=Operation.EDIT, inputs=(an_input(),)),
        a_request(
            operation=Operation.INPAINT,
            inputs=(an_input(), a_mask((0, 0, 512, 512))),
        ),
    ],
    ids=["generate", "edit", "inpaint"],
)
def test_a_stream_ends_with_what_an_answer_at_once_gives(
    stream: Callable[..., Shown], simulator: SimulatorProcess, request_: GenerationRequest
) -> None:
    streamed, at_once = stream(request_), stream(request_, partial_images=0)

    assert [Image.open(io.BytesIO(one)).size for one in streamed.previews] == [(1024, 1024)] * 2
    assert at_once.previews == []
    ours, theirs = streamed.result, at_once.result
    assert ours is not None
    assert theirs is not None
    assert ours.usage == theirs.usage
    assert ours.usage.output_image_tokens > 0
    assert ours.resolved == theirs.resolved
    assert ours.images[0].claimed_media_type == theirs.images[0].claimed_media_type
    formats = [Image.open(io.BytesIO(one.images[0].data)).format for one in (ours, theirs)]
    assert formats[0] == formats[1]
    assert ours.images[0].data not in streamed.previews
    assert streamed.submission.request_id.startswith("req_")
    assert streamed.submission.status == at_once.submission.status
    # What is kept is the finished event alone, with its note.
    kept = json.loads(streamed.answer.read())
    assert kept["type"].endswith(".completed")
    assert kept.keys() >= {"b64_json", "usage"}
    notes = [one.answer.metadata() for one in (streamed, at_once)]
    assert notes[0].keys() == notes[1].keys()
    assert len(notes[0]["sha256"]) == 64
    assert simulator.bill()["images"] == 2


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        (a_request(), {"partial_images": 0}),
        (a_request(), {"is_seen": False}),
        (a_request(count=2), {}),
    ],
    ids=["option", "nobody", "several"],
)
def test_nothing_is_streamed_where_nobody_would_see_it(
    stream: Callable[..., Shown], request_: GenerationRequest, options: dict[str, Any]
) -> None:
    shown = stream(request_, **options)

    assert shown.previews == []
    assert "data" in json.loads(shown.answer.read())


def test_images_that_were_made_and_then_blocked_are_billed(
    stream: Callable[..., Shown], simulator: SimulatorProcess
) -> None:
    simulator.fail("output_block")

    with pytest.raises(ContentBlocked) as blocked:
        stream(a_request())

    assert (blocked.value.billed, blocked.value.stage) == ("yes", "output")
    assert blocked.value.categories == ("sexual",)
    assert blocked.value.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("kind", "fault", "expected"),
    [
        ("status", {"status": 400}, InvalidRequest),
        ("status", {"status": 429, "retry_after": "7"}, RateLimited),
        ("quota", {}, QuotaExhausted),
        ("moderation_block", {}, ContentBlocked),
        ("disconnect", {}, OutcomeUnknown),
        ("half_answer", {}, AnswerCutOff),
        ("truncated_base64", {}, BadResponse),
        ("svg", {}, None),
    ],
)
def test_failures_are_those_of_an_answer_at_once(
    stream: Callable[..., Shown],
    simulator: SimulatorProcess,
    kind: str,
    fault: dict[str, Any],
    expected: type[ProviderError] | None,
) -> None:
    caught = []
    for partial_images in (2, 0):
        simulator.reset()
        simulator.fail(kind, **fault)
        try:
            stream(a_request(), partial_images=partial_images)
        except ProviderError as error:
            caught.append((type(error), error.billed, error.retry_after))

    assert [one[0] for one in caught] == ([expected] * 2 if expected else [])
    assert caught[:1] == caught[1:]
