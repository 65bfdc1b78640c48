"""ComfyUI against the simulator: ids, the queue, old servers, cancelling, refusals by name."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    BadResponse,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import Call, InputRole, Operation, Size, Submission, SubmissionStatus
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import comfy_calls, comfy_examples
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import (
    Handler,
    RawServer,
    a_mask,
    a_request,
    an_input,
    http_answer,
    raw_server,
)

OURS = "0190d0a0-0000-7000-8000-000000000001"
OTHER = "0190d0a0-0000-7000-8000-000000000002"
REQUEST = a_request(model="text-to-image", size=Size(512, 512))
TEXT: Any = comfy_examples.WORKFLOWS["text-to-image"]
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    remote.forget()
    return start_simulator("comfyui")


async def talking(url: str, use: Use, **options: Any) -> Any:
    async with HttpClient(
        trusted_origins=frozenset({url}), limits=HttpLimits(connect=60, read=60, total=120)
    ) as http:
        return await use(registry.build("comfyui", base_url=url, http=http, options=options))


@pytest.fixture
def talk(provider: SimulatorProcess) -> Talk:
    """Run `use` with an adapter at the simulator, without a key."""

    def run(use: Use, **options: Any) -> Any:
        return asyncio.run(talking(provider.base_url, use, **options))

    return run


async def finished(adapter: Any, submission: Submission, answer: SpooledAnswer) -> Submission:
    call = Call(submission.ref, model="text-to-image", state=submission.state or {})
    for _ in range(6_000):
        now: Submission = await adapter.poll(call, answer=answer)
        if now.status not in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}:
            return now
        await asyncio.sleep(0.02)
    raise AssertionError("the call never ended")


def test_a_call_has_our_id_and_tells_its_seed_and_workflow(
    talk: Talk, answer: SpooledAnswer
) -> None:
    async def use(adapter: Any) -> Any:
        submission = await adapter.submit(REQUEST, answer=answer)
        ended = await finished(adapter, submission, answer)
        return submission, ended, adapter.read_answer(answer)

    submission, ended, result = talk(use)

    assert submission.ref == ended.ref == OURS
    assert submission.state["seed"] == result.images[0].seed
    assert result.model_version == submission.state["graph"]
    assert result.model_version.startswith("sha256:")
    # The history repeats the whole graph with the prompt: neither is kept with the answer.
    assert b"canary" not in answer.read()


def test_the_same_call_is_not_run_again(
    talk: Talk, provider: SimulatorProcess, new_answer: Callable[[], SpooledAnswer]
) -> None:
    provider.script(hold_jobs=True)

    async def use(adapter: Any) -> Any:
        await adapter.submit(REQUEST, answer=new_answer())
        waiting = await adapter.submit(REQUEST, answer=new_answer())
        provider.script(hold_jobs=False)
        await finished(adapter, waiting, new_answer())
        return waiting, await adapter.submit(REQUEST, answer=new_answer())

    waiting, ended = talk(use)

    assert waiting.status in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}
    assert (ended.status, ended.ref) == (SubmissionStatus.ANSWERED, OURS)
    assert ended.state["seed"] is not None
    assert len(provider.bill()["entries"]) == 1


def test_a_lost_call_is_polled_by_our_id_and_one_that_never_came_is_not_found(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(adapter: Any) -> Any:
        provider.fail("disconnect_early")
        with pytest.raises(OutcomeUnknown):
            await adapter.submit(REQUEST, answer=answer)
        with pytest.raises(NotFound):
            await adapter.poll(Call(OURS), answer=answer)
        provider.fail("disconnect")
        with pytest.raises(OutcomeUnknown):
            await adapter.submit(REQUEST, answer=answer)
        return await finished(adapter, Submission(SubmissionStatus.RUNNING, ref=OURS), answer)

    assert talk(use).status is SubmissionStatus.ANSWERED
    assert len(provider.bill()["entries"]) == 1


def test_a_waiting_call_tells_its_place_and_is_taken_out_of_the_queue_alone(
    talk: Talk, provider: SimulatorProcess, new_answer: Callable[[], SpooledAnswer]
) -> None:
    provider.script(hold_jobs=True)
    second = a_request(model="text-to-image", size=Size(512, 512), idempotency_key=OTHER)

    async def use(adapter: Any) -> Any:
        first = await adapter.submit(REQUEST, answer=new_answer())
        await adapter.submit(second, answer=new_answer())
        place = await adapter.poll(Call(OTHER), answer=new_answer())
        outcome = await adapter.cancel(Call(OTHER))
        with pytest.raises(NotFound):
            await adapter.poll(Call(OTHER), answer=new_answer())
        provider.script(hold_jobs=False)
        return place, outcome, await finished(adapter, first, new_answer())

    place, outcome, ended = talk(use)

    assert (place.status, place.position) == (SubmissionStatus.ACCEPTED, 1)
    assert outcome == "cancelled_free"
    assert ended.status is SubmissionStatus.ANSWERED
    assert "POST /interrupt" not in provider.calls()


def test_a_running_call_is_interrupted_by_its_id(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    provider.script(hold_jobs=True)

    async def use(adapter: Any) -> Any:
        submission = await adapter.submit(REQUEST, answer=answer)
        outcome = await adapter.cancel(Call(OURS))
        return outcome, await finished(adapter, submission, answer)

    outcome, ended = talk(use)

    assert (outcome, ended.status) == ("requested", SubmissionStatus.CANCELLED)


def test_inputs_are_uploaded_and_a_mask_is_transparent_where_the_image_changes(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer
) -> None:
    size = (512, 512)
    request = a_request(
        model="inpaint",
        operation=Operation.INPAINT,
        size=Size(*size),
        inputs=(an_input(size=size), a_mask((0, 0, 100, 50), size=size)),
        parameters={"strength": 0.75},
    )

    async def use(adapter: Any) -> Any:
        return await finished(adapter, await adapter.submit(request, answer=answer), answer)

    assert talk(use).status is SubmissionStatus.ANSWERED
    image, mask = provider.received()
    assert image.role == InputRole.IMAGE
    alpha = Image.open(io.BytesIO(mask.data)).getchannel("A")
    assert (alpha.getpixel((10, 10)), alpha.getpixel((200, 200))) == (0, 255)


@pytest.mark.parametrize(
    ("workflow", "reason"),
    [
        (None, "workflow: the account has none for this model"),
        ({**TEXT, "slots": {}}, "workflow: prompt: generate needs a slot of this name"),
        (
            {**TEXT, "graph": {**TEXT["graph"], "9": {"class_type": "RunShell", "inputs": {}}}},
            "workflow: the server has no node RunShell",
        ),
    ],
)
def test_a_wrong_workflow_is_refused_by_name_before_the_call(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, workflow: Any, reason: str
) -> None:
    async def use(adapter: Any) -> None:
        await adapter.submit(REQUEST, answer=answer)

    with pytest.raises(UnsupportedParameter) as refused:
        talk(use, workflows={"text-to-image": workflow} if workflow else {})

    assert refused.value.detail == reason
    assert not [call for call in provider.calls() if call.startswith("POST")]


def test_a_server_tells_what_a_workflow_can_choose_and_what_does_not_fit(talk: Talk) -> None:
    async def use(adapter: Any) -> Any:
        return [await adapter.describe_model(name) for name in ("text-to-image", "other", "none")]

    broken = {**TEXT, "graph": {**TEXT["graph"], "9": {"class_type": "RunShell", "inputs": {}}}}
    good, other, missing = talk(use, workflows={"text-to-image": TEXT, "other": broken})

    assert (good.is_known, good.problems) == (True, ())
    assert good.capabilities.parameters["sampler"].choices == (
        "euler",
        "euler_ancestral",
        "dpmpp_2m",
    )
    assert good.capabilities.parameters["steps"].high == 10_000
    assert [str(one) for one in other.problems] == ["the server has no node RunShell"]
    assert other.capabilities is None
    assert [str(one) for one in missing.problems] == ["the account has no workflow of this name"]


def test_an_input_that_the_server_refuses_is_named(talk: Talk, answer: SpooledAnswer) -> None:
    changed = {**REQUEST.parameters, "sampler": "no-such-sampler"}

    async def use(adapter: Any) -> None:
        request = a_request(model="text-to-image", size=Size(512, 512), parameters=changed)
        await adapter.submit(request, answer=answer)

    with pytest.raises(InvalidRequest) as refused:
        talk(use)

    assert "value_not_in_list (4.sampler_name)" in refused.value.detail


def an_old_server(history: Any, *, queue: Any = None, version: Any = None) -> Handler:
    """Answer as a server that gives calls ids of its own, and tells no version."""
    documents: dict[bytes, Any] = {
        b"GET /history/": {},
        b"GET /history?": history,
        b"GET /queue": queue or {"queue_running": [], "queue_pending": []},
        b"GET /system_stats": {"system": {"comfyui_version": version} if version else {}},
        b"POST /prompt": {"prompt_id": OTHER, "number": 1, "node_errors": {}},
    }

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        kind = request.split(b" HTTP", 1)[0].rpartition(b"/")[2].decode()
        described: Any = {kind: {"input": {}}}
        found = next((d for start, d in documents.items() if request.startswith(start)), described)
        writer.write(http_answer(json.dumps(found).encode()))

    return handle


def at_server(handler: Handler, use: Use) -> tuple[Any, RawServer]:
    async def run() -> tuple[Any, RawServer]:
        async with raw_server(handler) as server:
            return await talking(server.url, use), server

    remote.forget()
    return asyncio.run(run())


def test_an_old_servers_own_id_is_the_reference(answer: SpooledAnswer) -> None:
    async def use(adapter: Any) -> Any:
        return await adapter.submit(REQUEST, answer=answer)

    submission, server = at_server(an_old_server({}), use)

    assert submission.ref == OTHER
    sent = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    assert sent["prompt_id"] == OURS
    assert sent["extra_data"] == {"extra_pnginfo": {"imagegen": {"job": OURS}}}


def test_a_call_lost_at_an_old_server_is_found_by_our_mark(answer: SpooledAnswer) -> None:
    graph = {"2": {"inputs": {"text": "somebody else's"}}}
    running = [[1, OTHER, graph, comfy_calls.marked(OURS), []]]

    async def use(adapter: Any) -> Any:
        return await adapter.poll(Call(OURS), answer=answer)

    found, _ = at_server(an_old_server({}, queue={"queue_running": running}), use)

    assert (found.status, found.ref) == (SubmissionStatus.RUNNING, OTHER)


@pytest.mark.parametrize(
    ("version", "sends", "outcome"),
    [
        (None, False, "not_offered"),
        ("0.3.40", False, "not_offered"),
        ("0.3.64", True, "requested"),
        ("1.2", True, "requested"),
    ],
)
def test_only_servers_that_know_the_id_are_sent_an_interrupt(
    version: str | None, sends: bool, outcome: str
) -> None:
    running = {"queue_running": [[1, OURS, {}, {}, []]], "queue_pending": []}

    async def use(adapter: Any) -> Any:
        return await adapter.cancel(Call(OURS))

    said, server = at_server(an_old_server({}, queue=running, version=version), use)
    interrupts = [one for one in server.requests if one.startswith(b"POST /interrupt")]

    assert said == outcome
    assert bool(interrupts) is sends
    assert all(json.loads(i.partition(b"\r\n\r\n")[2]) == {"prompt_id": OURS} for i in interrupts)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("torch.OutOfMemoryError", ProviderUnavailable), ("ValueError", BadResponse)],
)
def test_a_node_that_fails_is_named_without_its_words(
    answer: SpooledAnswer, kind: str, error: type[Exception]
) -> None:
    problem = {
        "node_type": "KSampler",
        "exception_type": kind,
        "exception_message": "/opt/someone/models canary",
        "traceback": ["/opt/someone/nodes.py"],
    }
    status = {"status_str": "error", "messages": [["execution_error", problem]]}
    history = {OURS: {"prompt": [1, OURS, {}, {}, []], "status": status}}

    async def use(adapter: Any) -> Any:
        with pytest.raises(error) as failed:
            await adapter.poll(Call(OURS), answer=answer)
        return failed.value

    failed, _ = at_server(an_old_server(history), use)

    assert failed.is_call_outcome
    assert "KSampler" in failed.detail
    assert "someone" not in failed.detail


def test_previews_are_no_results_and_named_nodes_are() -> None:
    images = [{"filename": "a b.png", "subfolder": "x", "type": "temp"}]
    saved = [{"filename": "c.png", "subfolder": "", "type": "output"}]
    entry = {
        "prompt": [1, OURS, {}, {}, []],
        "outputs": {"8": {"images": images}, "9": {"images": saved}, "10": {"images": "odd"}},
        "status": {"status_str": "success", "messages": []},
    }

    every = comfy_calls.in_history({OURS: entry}, OURS)
    named = comfy_calls.in_history({OURS: entry}, OURS, nodes=["8"])

    assert every is not None
    assert named is not None
    assert every["output"] == ["/view?filename=c.png&subfolder=&type=output"]
    assert named["output"] == ["/view?filename=a+b.png&subfolder=x&type=temp"]


def test_an_ended_call_of_an_old_server_is_found_by_our_mark_alone() -> None:
    ended = {"outputs": {}, "status": {"status_str": "success", "messages": []}}
    history = {
        "theirs": {**ended, "prompt": [1, "theirs", {}, comfy_calls.marked("another job"), []]},
        OTHER: {**ended, "prompt": [2, OTHER, {}, comfy_calls.marked(OURS), []]},
    }

    found = comfy_calls.in_history(history, OURS)

    assert found is not None
    assert found["prompt_id"] == OTHER
