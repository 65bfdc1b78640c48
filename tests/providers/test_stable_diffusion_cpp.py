"""stable-diffusion.cpp's own jobs: place and cancel, what is looked up before, and lost jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    Call,
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols.stable_diffusion_cpp import server_document
from tests.providers.samples import (
    Handler,
    RawServer,
    a_mask,
    a_request,
    an_input,
    http_answer,
    raw_server,
)

SIZE = (512, 512)
REQUEST = a_request(model="sd_xl_base_1.0", size=Size(*SIZE), end_user="")
OTHER = "0190d0a0-0000-7000-8000-000000000002"
STATE = {"seed": 1, "model": "sd_xl_base_1.0.safetensors"}
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    remote.forget()
    return start_simulator("stable_diffusion_cpp_jobs")


async def talking(url: str, use: Use, *, path: str = "", **options: Any) -> Any:
    async with HttpClient(
        trusted_origins=frozenset({url}), limits=HttpLimits(connect=60, read=60, total=120)
    ) as http:
        return await use(
            registry.build("stable_diffusion_cpp", base_url=url + path, http=http, options=options)
        )


@pytest.fixture
def talk(provider: SimulatorProcess) -> Talk:
    """Run `use` with an adapter at the simulator, without a key."""

    def run(use: Use, **options: Any) -> Any:
        return asyncio.run(talking(provider.base_url, use, path="/sd-cpp", **options))

    return run


def call_of(submission: Submission) -> Call:
    return Call(submission.ref, model=REQUEST.model, state=submission.state or STATE)


async def finished(adapter: Any, submission: Submission, answer: SpooledAnswer) -> Submission:
    for _ in range(6_000):
        now: Submission = await adapter.poll(call_of(submission), answer=answer)
        if now.status not in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}:
            return now
        await asyncio.sleep(0.02)
    raise AssertionError("the call never ended")


def at_server(*answers: bytes, use: Use, **options: Any) -> tuple[Any, RawServer]:
    """Run `use` at a server that describes itself, and gives the answers to all else in turn."""
    described = http_answer(json.dumps(server_document()).encode())
    left = list(answers)

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        is_look = request.startswith(b"GET /sdcpp/v1/capabilities")
        writer.write(described if is_look else left.pop(0))

    return _run(handle, use, **options)


def _run(handler: Handler, use: Use, **options: Any) -> tuple[Any, RawServer]:
    async def run() -> tuple[Any, RawServer]:
        async with raw_server(handler) as server:
            return await talking(server.url, use, **options), server

    remote.forget()
    return asyncio.run(run())


def said(status: str, document: Any) -> bytes:
    return http_answer(json.dumps(document).encode(), status=status)


ACCEPTED = said("202 Accepted", {"id": "job_1", "kind": "img_gen", "status": "queued"})


def sent_by(request: GenerationRequest, answer: SpooledAnswer, **options: Any) -> Any:
    """Return the document that is sent for a request."""

    async def use(adapter: Any) -> Any:
        return await adapter.submit(request, answer=answer)

    _, server = at_server(ACCEPTED, use=use, **options)
    return json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])


def test_a_waiting_job_tells_its_place_and_is_cancelled_at_no_cost(
    talk: Talk, provider: SimulatorProcess, new_answer: Callable[[], SpooledAnswer]
) -> None:
    provider.script(hold_jobs=True)
    later = a_request(model=REQUEST.model, size=REQUEST.size, idempotency_key=OTHER)

    async def use(adapter: Any) -> Any:
        first = await adapter.submit(REQUEST, answer=new_answer())
        second = await adapter.submit(later, answer=new_answer())
        running = await adapter.poll(call_of(first), answer=new_answer())
        waiting = await adapter.poll(call_of(second), answer=new_answer())
        outcomes = [await adapter.cancel(call_of(one)) for one in (first, second)]
        cancelled = await adapter.poll(call_of(second), answer=new_answer())
        provider.script(hold_jobs=False)
        ended = await finished(adapter, first, new_answer())
        too_late = await adapter.cancel(call_of(first))
        return running, waiting, outcomes, cancelled, ended, too_late

    running, waiting, outcomes, cancelled, ended, too_late = talk(use)

    assert (running.status, running.stage) == (SubmissionStatus.RUNNING, "generating")
    assert (waiting.status, waiting.position) == (SubmissionStatus.ACCEPTED, 1)
    # What is being drawn cannot be stopped; what waits costs nothing.
    assert outcomes == ["not_offered", "cancelled_free"]
    assert (cancelled.status, cancelled.is_unbilled) == (SubmissionStatus.CANCELLED, True)
    assert (ended.status, too_late) == (SubmissionStatus.ANSWERED, "too_late")
    assert provider.bill()["images"] == 1


def test_a_result_tells_its_seed_and_the_model_that_was_loaded(
    talk: Talk, answer: SpooledAnswer
) -> None:
    async def use(adapter: Any) -> Any:
        submission = await adapter.submit(REQUEST, answer=answer)
        await finished(adapter, submission, answer)
        return submission, adapter.read_answer(answer)

    submission, result = talk(use)

    assert submission.state["seed"] == result.images[0].seed is not None
    assert result.model_version == "sd_xl_base_1.0.safetensors"


def test_parameters_go_where_the_server_looks_for_them(answer: SpooledAnswer) -> None:
    parameters = {
        "steps": 28,
        "guidance": 6.5,
        "distilled_guidance": 3.5,
        "sampler": "euler_a",
        "scheduler": "karras",
        "clip_skip": 2,
    }
    request = a_request(
        model="sd_xl_base_1.0.safetensors",
        size=Size(512, 768),
        negative_prompt="fog",
        seed=7,
        count=2,
        parameters=parameters,
        loras=(Lora("mugs", 0.8),),
    )

    assert sent_by(request, answer) == {
        "prompt": request.prompt,
        "negative_prompt": "fog",
        "width": 512,
        "height": 768,
        "seed": 7,
        "batch_count": 2,
        "output_format": "png",
        "embed_image_metadata": False,
        "lora": [{"path": "studio/mugs.safetensors", "multiplier": 0.8}],
        "clip_skip": 2,
        "sample_params": {
            "sample_steps": 28,
            "sample_method": "euler_a",
            "scheduler": "karras",
            "guidance": {"txt_cfg": 6.5, "distilled_guidance": 3.5},
        },
    }


def test_a_model_that_looks_at_images_gets_them_as_references(answer: SpooledAnswer) -> None:
    images = (an_input(size=SIZE), an_input(size=SIZE, role=InputRole.REFERENCE))
    edit = a_request(model=REQUEST.model, operation=Operation.EDIT, size=Size(*SIZE), inputs=images)
    inpaint = a_request(
        model=REQUEST.model,
        operation=Operation.INPAINT,
        size=Size(*SIZE),
        inputs=(*images, a_mask((0, 0, 128, 128), size=SIZE)),
    )
    texts = [one.base64_text for one in images]

    looked_at = sent_by(edit, answer, images="reference")
    changed = sent_by(inpaint, answer, images="reference")

    assert (looked_at.get("init_image"), looked_at["ref_images"]) == (None, texts)
    assert (changed["init_image"], changed["ref_images"]) == (texts[0], texts[1:])
    assert changed["mask_image"]


def test_a_model_that_starts_from_an_image_takes_one(answer: SpooledAnswer) -> None:
    image = an_input(size=SIZE)
    common: Any = {"model": REQUEST.model, "operation": Operation.EDIT, "size": Size(*SIZE)}

    sent = sent_by(a_request(**common, inputs=(image,), parameters={"strength": 0.4}), answer)

    assert (sent["init_image"], sent["strength"]) == (image.base64_text, 0.4)
    assert "ref_images" not in sent
    with pytest.raises(UnsupportedParameter):
        sent_by(a_request(**common, inputs=(image, image)), answer)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"model": "another"}, "model"),
        ({"parameters": {"sampler": "no-such"}}, "sampler"),
        ({"parameters": {"scheduler": "no-such"}}, "scheduler"),
        ({"loras": (Lora("no-such", 1.0),)}, "loras"),
    ],
)
def test_what_the_server_has_not_is_refused_by_name_before_the_call(
    talk: Talk,
    provider: SimulatorProcess,
    answer: SpooledAnswer,
    changes: dict[str, Any],
    part: str,
) -> None:
    async def use(adapter: Any) -> None:
        request = a_request(**{"model": REQUEST.model, "size": REQUEST.size} | changes)
        await adapter.submit(request, answer=answer)

    with pytest.raises(UnsupportedParameter) as refused:
        talk(use)

    assert refused.value.detail.startswith(f"{part}: the server ")
    assert provider.bill()["entries"] == []


@pytest.mark.parametrize(
    ("status", "text"), [("404 Not Found", "job not found"), ("410 Gone", "job expired")]
)
def test_a_job_that_the_server_has_lost_is_made_again(
    answer: SpooledAnswer, status: str, text: str
) -> None:
    async def use(adapter: Any) -> Any:
        with pytest.raises(ProviderUnavailable) as lost:
            await adapter.poll(Call("job_1", state=STATE), answer=answer)
        # Without our own state, nothing says that the job was ever there.
        with pytest.raises(NotFound) as unknown:
            await adapter.poll(Call("job_1"), answer=answer)
        return lost.value, unknown.value

    gone = said(status, {"error": text})
    (lost, unknown), _ = at_server(gone, gone, use=use)

    assert (lost.is_call_outcome, lost.billed, lost.detail) == (True, "no", text)
    assert not unknown.is_call_outcome


def test_a_proxy_that_does_not_know_the_way_loses_no_job(answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        with pytest.raises(NotFound) as refused:
            await adapter.poll(Call("job_1", state=STATE), answer=answer)
        return refused.value

    error, _ = at_server(http_answer(b"<h1>Not Found</h1>", status="404 Not Found"), use=use)

    assert not error.is_call_outcome


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        ("429 Too Many Requests", {"error": "job queue is full"}, "rate_limited"),
        ("400 Bad Request", {"error": "invalid generation parameters"}, "invalid_request"),
        ("500 Error", {"error": "server_error", "message": "canary"}, "provider_unavailable"),
        ("500 Error", {"error": "canary"}, "outcome_unknown"),
    ],
)
def test_a_refusal_is_told_apart_by_what_it_says(
    answer: SpooledAnswer, status: str, document: Any, kind: str
) -> None:
    async def use(adapter: Any) -> Any:
        with pytest.raises(ProviderError) as refused:
            await adapter.submit(REQUEST, answer=answer)
        return refused.value

    error, _ = at_server(said(status, document), use=use)

    assert error.code == kind
    assert "canary" not in f"{error} {error.detail}"


def test_a_job_that_failed_may_be_tried_again_and_costs_nothing(answer: SpooledAnswer) -> None:
    failed: dict[str, Any] = {"id": "job_1", "status": "failed", "result": None}
    failed |= {"error": {"code": "generation_failed", "message": "canary"}}

    async def use(adapter: Any) -> Any:
        with pytest.raises(ProviderUnavailable) as refused:
            await adapter.poll(Call("job_1", state=STATE), answer=answer)
        return refused.value

    error, _ = at_server(said("200 OK", failed), use=use)

    assert (error.is_call_outcome, error.billed) == (True, "no")


def test_nothing_is_sent_while_the_server_does_not_say_what_it_has(answer: SpooledAnswer) -> None:
    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        del request
        writer.write(http_answer(b"loading", status="503 Service Unavailable"))

    async def use(adapter: Any) -> None:
        with pytest.raises(ProviderUnavailable):
            await adapter.submit(REQUEST, answer=answer)

    _, server = _run(handle, use)

    assert [request.split(b" ", 1)[0] for request in server.requests] == [b"GET"]


def test_it_declares_no_way_to_find_a_lost_call() -> None:
    declared = registry.describe("stable_diffusion_cpp")

    assert declared.recovery == frozenset()
    assert not declared.webhook_kind
    with pytest.raises(ValueError, match="base URL"):
        registry.build("stable_diffusion_cpp")


def test_a_lost_call_is_an_unknown_outcome(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    provider.fail("disconnect")

    async def use(adapter: Any) -> Any:
        with pytest.raises(OutcomeUnknown):
            await adapter.submit(REQUEST, answer=answer)
        return await adapter.reconcile(Call(""), REQUEST, answer=answer)

    assert talk(use) is None


def test_an_image_in_webp_is_refused_before_the_call(answer: SpooledAnswer) -> None:
    with pytest.raises(InvalidRequest):
        sent_by(a_request(model=REQUEST.model, size=REQUEST.size, output_format="webp"), answer)
