"""Replicate against the simulator: names by the model's schema, pinned versions, lost calls, files."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    NotFound,
    OutcomeUnknown,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    Call,
    ControlGuide,
    InputRole,
    Lora,
    Operation,
    Size,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import submit_poll
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.providers.replicate import Replicate
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_request, an_input, answering, http_answer, raw_server

FLUX = "black-forest-labs/flux-2-pro"
SDXL = "stability-ai/sdxl:7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
IDEOGRAM = "ideogram-ai/ideogram-v3-turbo"
REQUEST = a_request(model=FLUX)
MORE = {
    SDXL: {
        "max_count": 4,
        "supports_negative_prompt": True,
        "max_loras": 2,
        "parameters": {"num_inference_steps": {"kind": "int"}},
        "inputs": {"control": {}},
    },
    FLUX: {"parameters": {"safety_tolerance": {"kind": "int"}}, "max_count": 2},
}
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    remote.forget()
    return start_simulator("replicate")


@pytest.fixture
def talk(provider: SimulatorProcess, credential: Credential) -> Talk:
    """Run `use` with an adapter at the simulator."""

    def make(use: Use, **options: Any) -> Any:
        async def run() -> Any:
            async with HttpClient(
                trusted_origins=frozenset({provider.base_url}),
                limits=HttpLimits(connect=60, read=60, total=120),
            ) as http:
                return await use(
                    registry.build(
                        "replicate",
                        base_url=f"{provider.base_url}/v1",
                        credential=credential,
                        http=http,
                        options={"result_hosts": ["127.0.0.1"], **options},
                        overrides=MORE,
                    )
                )

        return asyncio.run(run())

    return make


async def finished(adapter: Any, submission: Submission, answer: SpooledAnswer) -> Submission:
    call = Call(submission.ref, state=submission.state or {})
    for _ in range(6_000):
        now: Submission = await adapter.poll(call, answer=answer)
        if now.status not in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}:
            return now
        await asyncio.sleep(0.02)
    raise AssertionError("the prediction never ended")


def made(talk: Talk, request: Any, answer: SpooledAnswer, **options: Any) -> Any:
    async def use(adapter: Any) -> Any:
        await finished(adapter, await adapter.submit(request, answer=answer), answer)
        return adapter.read_answer(answer)

    return talk(use, **options)


def test_a_request_is_written_by_the_names_of_the_models_schema(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    request = replace(
        REQUEST,
        operation=Operation.EDIT,
        size=Size(1344, 768),
        seed=7,
        output_format="jpeg",
        parameters={"safety_tolerance": 2},
        inputs=(an_input(size=(64, 64)), an_input(size=(64, 64), role=InputRole.REFERENCE)),
    )

    result = made(talk, request, answer)

    sent = json.loads(answer.read())["input"]
    assert len(sent.pop("input_images")) == 2
    assert sent == {
        "prompt": request.prompt,
        "seed": 7,
        "aspect_ratio": "16:9",
        "output_format": "jpg",
        "safety_tolerance": 2,
    }
    assert [image.seed for image in result.images] == [7]
    assert result.model_version == "hidden"
    assert provider.bill()["images"] == 1


def test_a_pinned_version_is_called_by_its_digest_and_gives_several_images(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    request = replace(
        REQUEST,
        model=SDXL,
        count=3,
        size=Size(512, 768),
        negative_prompt="fog",
        parameters={"num_inference_steps": 30},
    )

    result = made(talk, request, answer)

    sent = json.loads(answer.read())["input"]
    assert (sent["width"], sent["height"], sent["num_outputs"]) == (512, 768, 3)
    assert (sent["negative_prompt"], sent["num_inference_steps"]) == ("fog", 30)
    assert len(result.images) == 3
    # As `metrics.predict_time` of the prediction says.
    assert result.usage.seconds == Decimal("1.5")
    assert SDXL.endswith(f":{result.model_version}")
    assert provider.calls()["POST /v1/predictions"] == 1


def test_a_large_image_is_uploaded_and_a_small_one_goes_along(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    small = an_input(size=(64, 64))
    large = replace(an_input(size=(1024, 1024)), data=_noise(512))
    request = replace(REQUEST, operation=Operation.EDIT, inputs=(small, large))

    made(talk, request, answer)

    first, second = json.loads(answer.read())["input"]["input_images"]
    assert first == small.data_url
    assert second.startswith(f"{provider.base_url}/v1/files/")


def _noise(side: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), 200).convert("RGB").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": Size(1024, 648)},
        {"count": 2},
        {"parameters": {"safety_tolerance": 2, "steps": 30}},
        {"operation": Operation.INPAINT, "inputs": (an_input(), an_input(role=InputRole.MASK))},
        {"model": SDXL, "loras": (Lora("a"),)},
        {
            "model": SDXL,
            "inputs": (replace(an_input(role=InputRole.CONTROL), guide=ControlGuide(weight=0.5)),),
        },
        {"model": SDXL, "operation": Operation.EDIT, "inputs": (an_input(), an_input())},
    ],
    ids=["proportions", "count", "parameter", "mask", "lora", "guide", "two images"],
)
def test_what_the_model_has_no_name_for_is_refused_before_the_call(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, changes: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter):
        talk(lambda adapter: adapter.submit(replace(REQUEST, **changes), answer=answer))

    assert [route for route in provider.calls() if route.startswith("POST")] == []


def test_an_unknown_model_is_not_found_before_the_call(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    request = replace(REQUEST, model="nobody/nothing")

    with pytest.raises(NotFound):
        talk(lambda adapter: adapter.submit(request, answer=answer))


def test_a_models_schema_is_asked_for_once(
    talk: Talk, provider: SimulatorProcess, new_answer: Callable[[], SpooledAnswer]
) -> None:
    async def use(adapter: Any) -> None:
        for _ in range(3):
            await adapter.submit(REQUEST, answer=new_answer())

    talk(use)

    routes = provider.calls()
    assert sum(count for route, count in routes.items() if route.startswith("GET")) == 1


def test_masks_are_refused_where_nobody_knows_what_they_mark() -> None:
    known = registry.capabilities("replicate", IDEOGRAM)
    unknown = registry.capabilities("replicate", "somebody/painter")
    named = registry.capabilities(
        "replicate", "somebody/painter", options={"white_masks": ["somebody/"]}
    )

    assert (known.supports_mask, unknown.supports_mask, named.supports_mask) == (True, False, True)
    assert Operation.INPAINT not in unknown.operations


def test_a_lost_call_without_a_seed_is_found_by_its_own_one(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    other = replace(REQUEST, idempotency_key="another")

    async def use(adapter: Any) -> Any:
        await adapter.submit(other, answer=answer)
        provider.fail("disconnect")
        with pytest.raises(OutcomeUnknown):
            await adapter.submit(REQUEST, answer=answer)
        found = await adapter.reconcile(Call(""), REQUEST, answer=answer)
        missing = replace(REQUEST, idempotency_key="never sent")
        assert await adapter.reconcile(Call(""), missing, answer=answer) is None
        seeded = replace(REQUEST, seed=5)
        assert await adapter.reconcile(Call(""), seeded, answer=answer) is None
        return await finished(adapter, found, answer) if not answer.is_complete else found

    assert talk(use).status is SubmissionStatus.ANSWERED
    assert provider.bill()["images"] == 2


def test_blocked_content_is_told_by_the_words_of_the_error(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    provider.fail("moderation_block")

    with pytest.raises(ContentBlocked) as caught:
        made(talk, REQUEST, answer)

    assert caught.value.is_call_outcome
    assert caught.value.billed == "yes"


@pytest.mark.parametrize("document", [{}, [], {"latest_version": {"openapi_schema": 7}}])
def test_a_model_without_a_schema_is_asked_for_again(
    credential: Credential, answer: SpooledAnswer, document: Any
) -> None:
    async def run() -> None:
        reply = http_answer(json.dumps(document).encode())
        async with (
            raw_server(answering(reply)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter = registry.build(
                "replicate", base_url=server.url, credential=credential, http=http
            )
            await adapter.submit(REQUEST, answer=answer)

    remote.forget()
    with pytest.raises(ProviderUnavailable):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NSFW content detected. Try running it again.", ContentBlocked),
        ("The input or output was flagged as sensitive. (E005)", ContentBlocked),
        ("Your request was rejected as a result of our safety system.", ContentBlocked),
        ("Prompt violates the safety policy", ContentBlocked),
        ("The safety filter has blocked all images", ContentBlocked),
        ("Could not load the weights of the safety checker", BadResponse),
        ("CUDA out of memory in safety_checker", BadResponse),
        ("safety_tolerance was rejected: not a number", BadResponse),
        ("The worker was stopped for safety", BadResponse),
    ],
)
def test_only_words_of_a_refusal_are_blocked_content(text: str, kind: type[Exception]) -> None:
    shape = Replicate.shape
    document = {"id": "p1", "status": "failed", "error": text}

    found = submit_poll.failure(submit_poll.read_job(document, shape=shape), shape=shape)

    assert type(found) is kind
