"""Stability against the simulator: every service, its fields, jobs, guides, and what it refuses."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import PermissionDenied, RateLimited, UnsupportedParameter
from imagegen_app.core.types import (
    Call,
    ControlGuide,
    GenerationRequest,
    InputRole,
    Operation,
    Size,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_mask, a_request, an_input, answering, http_answer, raw_server

REQUEST = a_request(model="core", seed=7)
PICTURE = an_input(size=(256, 256))
CONTROL = replace(PICTURE, role=InputRole.CONTROL)
MASK = a_mask((0, 0, 64, 64), size=(256, 256))
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[[Use], Any]


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("stability")


@pytest.fixture
def talk(provider: SimulatorProcess, credential: Credential) -> Talk:
    """Run `use` with an adapter at the simulator."""

    def make(use: Use) -> Any:
        async def run() -> Any:
            async with HttpClient(
                trusted_origins=frozenset({provider.base_url}),
                limits=HttpLimits(connect=60, read=60, total=120),
            ) as http:
                return await use(
                    registry.build(
                        "stability", base_url=provider.base_url, credential=credential, http=http
                    )
                )

        return asyncio.run(run())

    return make


def made(talk: Talk, request: GenerationRequest, answer: SpooledAnswer) -> Any:
    async def use(adapter: Any) -> Any:
        submission = await adapter.submit(request, answer=answer)
        for _ in range(6_000):
            if submission.status is SubmissionStatus.ANSWERED:
                return adapter.read_answer(answer)
            await asyncio.sleep(0.02)
            submission = await adapter.poll(Call(submission.ref), answer=answer)
        raise AssertionError("the job never ended")

    return talk(use)


def altered(operation: Operation, model: str, *inputs: Any, **changes: Any) -> GenerationRequest:
    values = {"operation": operation, "model": model, "inputs": inputs, "size": Size(256, 256)}
    return replace(REQUEST, **{**values, **changes})


@pytest.mark.parametrize(
    ("request_", "path", "size"),
    [
        (REQUEST, "generate/core", (1024, 1024)),
        (replace(REQUEST, size=Size(1344, 768)), "generate/core", (1344, 768)),
        (replace(REQUEST, model="ultra"), "generate/ultra", (1024, 1024)),
        (replace(REQUEST, model="sd3.5-large"), "generate/sd3", (1024, 1024)),
        (altered(Operation.EDIT, "ultra", PICTURE), "generate/ultra", (256, 256)),
        (altered(Operation.EDIT, "sd3.5-medium", PICTURE), "generate/sd3", (256, 256)),
        (altered(Operation.INPAINT, "edit", PICTURE, MASK), "edit/inpaint", (256, 256)),
        (altered(Operation.ERASE, "edit", PICTURE, MASK, prompt=""), "edit/erase", (256, 256)),
        (
            altered(Operation.OUTPAINT, "edit", PICTURE, size=Size(400, 300)),
            "edit/outpaint",
            (400, 300),
        ),
        (
            altered(Operation.CONTROL, "control", CONTROL, parameters={"style_preset": "anime"}),
            "control/structure",
            (256, 256),
        ),
        (
            altered(
                Operation.CONTROL,
                "control",
                replace(CONTROL, guide=ControlGuide("sketch", weight=0.4)),
            ),
            "control/sketch",
            (256, 256),
        ),
        (
            altered(
                Operation.CONTROL, "control", replace(CONTROL, guide=ControlGuide("style", 0.4))
            ),
            "control/style",
            (256, 256),
        ),
        (altered(Operation.UPSCALE, "fast", PICTURE), "upscale/fast", (1024, 1024)),
        (altered(Operation.UPSCALE, "conservative", PICTURE), "upscale/conservative", (512, 512)),
        (altered(Operation.UPSCALE, "creative", PICTURE), "upscale/creative", (512, 512)),
    ],
)
def test_every_service_makes_its_image_by_one_call(  # noqa: PLR0917 - a table
    talk: Talk,
    provider: SimulatorProcess,
    answer: SpooledAnswer,
    request_: GenerationRequest,
    path: str,
    size: tuple[int, int],
) -> None:
    (image,) = made(talk, request_, answer).images

    assert Image.open(io.BytesIO(image.data)).size == size
    posted = [route for route in provider.calls() if route.startswith("POST")]
    assert posted == [f"POST /v2beta/stable-image/{path}"]
    assert provider.bill()["images"] == 1


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, size=Size(1000, 700)),
        replace(REQUEST, count=2),
        replace(REQUEST, parameters={"cfg_scale": 3.0}),
        replace(REQUEST, model="sd3.5-large", output_format="webp"),
        replace(REQUEST, inputs=(PICTURE,)),
        altered(Operation.ERASE, "edit", PICTURE, MASK, negative_prompt="fog"),
        altered(Operation.ERASE, "edit", PICTURE, MASK, parameters={"style_preset": "anime"}),
        altered(Operation.ERASE, "edit", PICTURE, MASK, parameters={"grow_mask": 21}),
        altered(Operation.INPAINT, "edit", PICTURE, MASK, parameters={"search_prompt": "mug"}),
        altered(Operation.INPAINT, "edit", PICTURE, CONTROL, MASK),
        altered(
            Operation.CONTROL, "control", replace(CONTROL, guide=ControlGuide("sketch", end=0.5))
        ),
        altered(Operation.CONTROL, "control", replace(CONTROL, guide=ControlGuide("depth"))),
        altered(Operation.CONTROL, "control", replace(CONTROL, guide=ControlGuide("sketch", 1.5))),
        altered(Operation.UPSCALE, "fast", PICTURE, parameters={"creativity": 0.3}),
        altered(Operation.UPSCALE, "creative", an_input(size=(63, 100))),
        altered(Operation.UPSCALE, "fast", an_input(size=(31, 50))),
        altered(Operation.UPSCALE, "creative", an_input(size=(200, 501))),
        altered(Operation.OUTPAINT, "edit", PICTURE, size=Size(256, 256)),
        altered(Operation.OUTPAINT, "edit", PICTURE, size=Size(5000, 256)),
        replace(REQUEST, seed=0),
        replace(REQUEST, seed=2**32 - 1),
    ],
)
def test_what_a_service_does_not_take_is_refused_before_the_call(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        talk(lambda adapter: adapter.submit(request_, answer=answer))

    assert provider.calls() == {}


@pytest.mark.parametrize(
    ("guide", "said"),
    [
        (ControlGuide("sketch"), b'name="control_strength"\r\n\r\n0.7\r\n'),
        (ControlGuide("structure", 0.5), b'name="control_strength"\r\n\r\n0.35\r\n'),
        (ControlGuide("style"), b'name="fidelity"\r\n\r\n0.5\r\n'),
    ],
)
def test_a_guide_of_usual_weight_counts_as_it_does_where_nothing_is_said(
    credential: Credential, answer: SpooledAnswer, guide: ControlGuide, said: bytes
) -> None:
    request = altered(Operation.CONTROL, "control", replace(CONTROL, guide=guide))

    async def run() -> bytes:
        async with (
            raw_server(answering(http_answer(b"{}"))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter = registry.build(
                "stability", base_url=server.url, credential=credential, http=http
            )
            await adapter.submit(request, answer=answer)
            return server.requests[0]

    assert said in asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "document", "expected", "wait"),
    [
        ("403 Forbidden", b'{"name": "forbidden", "errors": []}', PermissionDenied, None),
        ("429 Slow", b'{"name": "rate_limit_exceeded"}', RateLimited, 60.0),
        ("429 Slow", b"<html>", RateLimited, 60.0),
    ],
)
def test_refusals_are_sorted_by_their_names(  # noqa: PLR0917 - a table
    credential: Credential,
    answer: SpooledAnswer,
    status: str,
    document: bytes,
    expected: type[Exception],
    wait: float | None,
) -> None:
    async def run() -> None:
        async with (
            raw_server(answering(http_answer(document, status=status))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter = registry.build(
                "stability", base_url=server.url, credential=credential, http=http
            )
            await adapter.submit(REQUEST, answer=answer)

    with pytest.raises(expected) as caught:
        asyncio.run(run())

    assert getattr(caught.value, "retry_after", None) == wait


def test_a_seed_that_is_told_is_kept(talk: Talk, answer: SpooledAnswer) -> None:
    assert made(talk, REQUEST, answer).images[0].seed == 7
