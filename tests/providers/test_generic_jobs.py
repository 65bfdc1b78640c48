"""The generic job protocol against the simulator, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.types import Call, Operation, Size, SubmissionStatus
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.providers.families.submit_poll import read_job
from imagegen_app.providers.generic_jobs import encoded
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_request, an_input, answering, http_answer, raw_server

REQUEST = a_request(model="generic-1", size=Size(256, 192), seed=5, count=2)
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture
def talk(client: Callable[..., HttpClient], build: Callable[..., Any]) -> Talk:
    """Run `use` with a built adapter."""

    def make(use: Use, **options: Any) -> Any:
        async def run() -> Any:
            async with client() as http:
                return await use(build("generic_jobs", http, **options))

        return asyncio.run(run())

    return make


async def finished(provider: Any, ref: str, answer: SpooledAnswer) -> Any:
    for _ in range(6_000):
        submission = await provider.poll(Call(ref), answer=answer)
        if submission.status not in {SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING}:
            return submission
        await asyncio.sleep(0.02)
    raise AssertionError("the job never ended")


@pytest.mark.parametrize("output", ["url", "b64_json"])
def test_a_job_is_taken_on_polled_and_fetched(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer, output: str
) -> None:
    simulator.script(job_output=output)

    async def use(provider: Any) -> Any:
        submission = await provider.submit(REQUEST, answer=answer)
        assert submission.status is SubmissionStatus.ACCEPTED
        assert not answer.is_complete
        assert (await finished(provider, submission.ref, answer)).progress == 1.0
        return provider.read_answer(answer)

    result = talk(use)

    assert [Image.open(io.BytesIO(i.data)).size for i in result.images] == [(256, 192)] * 2
    assert [i.seed for i in result.images] == [5, 6]
    assert result.model_version == "generic-1-simulated"
    assert answer.is_complete


def test_a_running_job_says_so(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    simulator.script(job_seconds=30)

    async def use(provider: Any) -> Any:
        ref = (await provider.submit(REQUEST, answer=answer)).ref
        submission = await provider.poll(Call(ref), answer=answer)
        cancelled = await provider.cancel(Call(ref))
        return submission, cancelled, await provider.poll(Call(ref), answer=answer)

    submission, cancelled, after = talk(use)

    assert submission.status is SubmissionStatus.RUNNING
    assert (submission.progress, submission.poll_after) == (0.5, 0.5)
    assert cancelled == "cancelled"
    assert not after.is_unbilled
    assert after.status is SubmissionStatus.CANCELLED


def test_the_same_key_and_body_is_the_same_job_billed_once(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> list[str]:
        return [(await provider.submit(REQUEST, answer=answer)).ref for _ in range(3)]

    refs = talk(use)

    assert len(set(refs)) == 1
    assert simulator.bill()["images"] == 2
    assert simulator.bill()["entries"][0]["key"] == REQUEST.idempotency_key


def test_the_same_key_with_another_body_is_refused(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> None:
        await provider.submit(REQUEST, answer=answer)
        await provider.submit(replace(REQUEST, prompt="other"), answer=answer)

    with pytest.raises(InvalidRequest):
        talk(use)

    assert simulator.bill()["images"] == 2


def test_a_lost_answer_is_found_again_at_no_cost(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    simulator.fail("disconnect")

    async def use(provider: Any) -> Any:
        with pytest.raises(OutcomeUnknown):
            await provider.submit(REQUEST, answer=answer)
        submission = await provider.reconcile(Call(""), REQUEST, answer=answer)
        return await finished(provider, submission.ref, answer)

    assert talk(use).status is SubmissionStatus.ANSWERED
    assert simulator.bill()["images"] == 2


def test_a_call_that_never_arrived_is_known_not_to_have(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    simulator.fail("disconnect_early")

    async def use(provider: Any) -> None:
        with pytest.raises(OutcomeUnknown):
            await provider.submit(REQUEST, answer=answer)
        with pytest.raises(NotFound):
            await provider.reconcile(Call(""), REQUEST, answer=answer)

    talk(use)

    assert simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    ("kind", "fault", "expected"),
    [
        ("status", {"status": 429}, RateLimited),
        ("status", {"status": 500}, OutcomeUnknown),
        ("status", {"status": 503}, ProviderUnavailable),
        ("quota", {}, QuotaExhausted),
        ("moderation_block", {}, ContentBlocked),
        ("html", {}, OutcomeUnknown),
        ("not_json", {}, OutcomeUnknown),
    ],
)
def test_a_submit_that_fails_says_how(  # noqa: PLR0917 - a table
    talk: Talk,
    simulator: SimulatorProcess,
    answer: SpooledAnswer,
    kind: str,
    fault: dict[str, Any],
    expected: type[ProviderError],
) -> None:
    simulator.fail(kind, **fault)

    with pytest.raises(expected) as caught:
        talk(lambda provider: provider.submit(REQUEST, answer=answer))

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("content_blocked", ContentBlocked),
        ("quota_exhausted", QuotaExhausted),
        ("rate_limited", RateLimited),
        ("overloaded", ProviderUnavailable),
        ("invalid_request", InvalidRequest),
        ("something_else", BadResponse),
    ],
)
def test_a_job_that_failed_says_how(
    talk: Talk,
    simulator: SimulatorProcess,
    answer: SpooledAnswer,
    code: str,
    expected: type[ProviderError],
) -> None:
    simulator.fail("job_failed", code=code)

    async def use(provider: Any) -> None:
        await finished(provider, (await provider.submit(REQUEST, answer=answer)).ref, answer)

    with pytest.raises(expected):
        talk(use)


@pytest.mark.parametrize("kind", ["html", "not_json", "disconnect_early", "status"])
def test_a_poll_that_goes_wrong_is_only_asked_again(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer, kind: str
) -> None:
    async def use(provider: Any) -> Any:
        ref = (await provider.submit(REQUEST, answer=answer)).ref
        simulator.fail(kind, on="poll")
        with pytest.raises(ProviderUnavailable):
            await provider.poll(Call(ref), answer=answer)
        return await finished(provider, ref, answer)

    assert talk(use).status is SubmissionStatus.ANSWERED


def test_a_fetch_that_broke_is_resumed_where_it_stopped(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> None:
        ref = (await provider.submit(REQUEST, answer=answer)).ref
        await asyncio.sleep(0.2)
        simulator.script(
            faults=[
                {"kind": "html", "on": "cancel"},
                {"kind": "status", "status": 503, "on": "file"},
            ]
        )
        with pytest.raises(ProviderUnavailable):
            await finished(provider, ref, answer)
        assert not answer.is_complete
        await finished(provider, ref, answer)

    talk(use)

    assert len(list(answer.parts())) == 3
    assert simulator.calls()["GET /files/{name}"] == 3


def test_a_job_that_is_done_cannot_be_cancelled(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> Any:
        ref = (await provider.submit(REQUEST, answer=answer)).ref
        await finished(provider, ref, answer)
        return await provider.cancel(Call(ref)), await provider.cancel(Call("job_unknown"))

    assert talk(use) == ("too_late", "too_late")


def test_an_odd_reference_stays_inside_its_path(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    with pytest.raises(NotFound):
        talk(lambda provider: provider.poll(Call("../models?x=1"), answer=answer))


def test_the_body_is_the_same_bytes_each_time() -> None:
    request = replace(REQUEST, operation=Operation.EDIT, inputs=(an_input(size=(64, 64)),))

    assert encoded(request) == encoded(replace(request))
    assert json.loads(encoded(request))["inputs"][0]["role"] == "image"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        3,
        {},
        {"id": "a"},
        {"id": "a", "status": ""},
        {"id": "a", "status": ["queued"]},
        {"id": 3, "status": "queued"},
        {"id": "a/../b", "status": "queued"},
        {"id": "", "status": "queued"},
        {"id": "x" * 300, "status": "queued"},
    ],
)
def test_what_is_no_job_is_a_bad_response(document: object) -> None:
    with pytest.raises(BadResponse):
        read_job(document)


@pytest.mark.parametrize(
    ("given", "read"),
    [(2, 1.0), (-1, 0.0), (True, None), ("x", None), (float("nan"), None), (0.25, 0.25)],
)
def test_progress_is_read_within_its_bounds(given: object, read: float | None) -> None:
    assert read_job({"id": "a", "status": "running", "progress": given}).progress == read


def test_a_genuine_webhook_names_the_job_and_nothing_else(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    """The simulator calls back over a real socket when the job is done."""

    async def use(provider: Any) -> Any:
        async with raw_server(answering(http_answer(b"", status="204 Taken"))) as inbox:
            request = replace(REQUEST, webhook_url=f"{inbox.url}/hook?t=token")
            ref = (await provider.submit(request, answer=answer)).ref
            for _ in range(6_000):
                if inbox.requests:
                    break
                await asyncio.sleep(0.02)
            head, _, body = inbox.requests[0].partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        headers = dict(lines)
        notice = await provider.verify_webhook(headers, body)
        assert await provider.verify_webhook(headers, body) == notice
        with pytest.raises(AuthenticationFailed):
            await provider.verify_webhook(headers, body + b" ")
        return ref, notice, head

    ref, notice, head = talk(use)

    assert (notice.ref, notice.status) == (ref, "succeeded")
    assert notice.delivery_id.startswith("msg_")
    assert head.startswith(b"POST /hook?t=token ")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": null}', b'{"data": {"id": "a"}}', b"[" * 60_000, b"\xff"]
)
def test_a_signed_webhook_with_rubbish_inside_is_refused(
    talk: Talk, simulator: SimulatorProcess, body: bytes
) -> None:
    headers = standard_webhooks.sign(
        delivery_id="m", timestamp=1000, body=body, secret=Secret(simulator.webhook_secret)
    )

    async def use(provider: Any) -> None:
        with pytest.raises(AuthenticationFailed):
            await provider.verify_webhook(headers, body)

    talk(use, clock=lambda: 1000.0)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "302 Found"])
def test_a_look_up_that_fails_does_not_say_that_the_call_never_came(
    answer: SpooledAnswer, credential: Credential, status: str
) -> None:
    async def run() -> Any:
        async with (
            raw_server(answering(http_answer(b"{}", status=status))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter = registry.build(
                "generic_jobs", base_url=server.url, http=http, credential=credential
            )
            await adapter.reconcile(Call(""), REQUEST, answer=answer)

    with pytest.raises(ProviderUnavailable):
        asyncio.run(run())
