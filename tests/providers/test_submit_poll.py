"""What a job API says of a job under way, and how long it asks us to wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.core.types import Call, Size, SubmissionStatus
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families.submit_poll import failure, longer, read_job, under_way
from imagegen_app.providers.http import HttpClient
from tests.providers.samples import a_request, answering, http_answer, raw_server

REQUEST = a_request(model="generic-1", size=Size(256, 192), seed=5, count=2)
Use = Callable[[Any], Awaitable[Any]]


def asked(answers: bytes, credential: Credential, use: Use) -> Any:
    """Run `use` with an adapter at a server that answers so."""

    async def run() -> Any:
        async with (
            raw_server(answering(answers)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            return await use(
                registry.build(
                    "generic_jobs", base_url=server.url, credential=credential, http=http
                )
            )

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("gestating", "running"),
        ("done", "running"),
        ("IN_QUEUE", "running"),
        ("paused by operator", "running"),
        ("Succeeded", "succeeded"),
        ("FAILED", "failed"),
        ("canceled", "cancelled"),
        ("cancelled", "cancelled"),
        (" queued ", "queued"),
    ],
)
def test_only_the_words_of_an_end_are_matched_and_all_others_mean_running(
    word: str, status: str
) -> None:
    assert read_job({"id": "a", "status": word}).status == status


@pytest.mark.parametrize("document", [[], {}, {"id": "a"}, {"id": "a", "status": 7}, {"id": ""}])
def test_a_poll_that_shows_no_job_is_only_asked_again(
    document: object, credential: Credential, answer: SpooledAnswer
) -> None:
    reply = http_answer(json.dumps(document).encode())

    with pytest.raises(ProviderUnavailable):
        asked(reply, credential, lambda provider: provider.poll(Call("job_1"), answer=answer))


def test_a_poll_that_is_told_to_wait_waits(credential: Credential, answer: SpooledAnswer) -> None:
    body = json.dumps({"id": "job_1", "status": "running", "poll_after": 2}).encode()
    reply = http_answer(body, status="202 Accepted", headers=("Retry-After: 120",))

    submission = asked(
        reply, credential, lambda provider: provider.poll(Call("job_1"), answer=answer)
    )

    assert submission.poll_after == 120.0


@pytest.mark.parametrize("status", [409, 425, 429, 500, 503])
def test_every_refusal_says_how_long_to_wait(
    status: int, credential: Credential, answer: SpooledAnswer
) -> None:
    reply = http_answer(b"{}", status=f"{status} No", headers=("Retry-After: 77",))

    for use in (
        lambda provider: provider.submit(REQUEST, answer=answer),
        lambda provider: provider.poll(Call("job_1"), answer=answer),
        lambda provider: provider.reconcile(Call(""), REQUEST, answer=answer),
    ):
        with pytest.raises(ProviderError) as caught:
            asked(reply, credential, use)
        assert caught.value.retry_after == 77.0


@pytest.mark.parametrize(
    ("said", "billed"), [(True, "yes"), (False, "no"), (None, "no"), ("true", "no"), (1, "no")]
)
def test_a_failed_job_was_billed_if_it_says_so(said: object, billed: str) -> None:
    document = {
        "id": "job-1",
        "status": "failed",
        "error": {"code": "content_blocked"},
        "billed": said,
    }

    assert failure(read_job(document)).billed == billed


def test_a_job_is_read_with_all_that_it_says() -> None:
    document = {
        "id": "job_1.a:b-C",
        "status": "succeeded",
        "progress": 0.5,
        "poll_after": 7,
        "output": [{"url": "https://images.example/1"}],
        "usage": {"images": 1},
        "error": {"code": "rate_limited"},
        "model_version": "v9",
        "billed": False,
    }

    job = read_job(document)

    assert (job.ref, job.status, job.progress, job.poll_after) == (
        "job_1.a:b-C",
        "succeeded",
        0.5,
        7.0,
    )
    assert job.output == ({"url": "https://images.example/1"},)
    assert (job.usage, job.error) == ({"images": 1}, {"code": "rate_limited"})
    assert (job.model_version, job.is_free, job.is_billed) == ("v9", True, False)


def test_what_is_of_another_type_counts_as_nothing() -> None:
    document: dict[str, Any] = {
        "id": "a",
        "status": "running",
        "output": None,
        "usage": [],
        "model_version": 3,
    }

    job = read_job(document)

    assert (job.output, job.usage, job.error, job.model_version) == ((), {}, {}, "")
    assert (job.progress, job.poll_after, job.is_free, job.is_billed) == (None, None, False, False)


@pytest.mark.parametrize(("named", "waits"), [(0.1, 0.5), (5, 5.0), (900, 900.0), (5000, 900.0)])
def test_polls_are_neither_hasty_nor_forgotten(named: float, waits: float) -> None:
    assert read_job({"id": "a", "status": "running", "poll_after": named}).poll_after == waits


@pytest.mark.parametrize("ref", ["a b", "a/b", "x" * 201, "", None])
def test_a_reference_of_another_form_is_no_job(ref: object) -> None:
    with pytest.raises(BadResponse) as caught:
        read_job({"id": ref, "status": "running"}, request_id="r-1")

    assert caught.value.detail == "no job in the answer"
    assert caught.value.request_id == "r-1"


def test_something_else_than_a_job_is_refused_with_its_request() -> None:
    with pytest.raises(BadResponse) as caught:
        read_job([], request_id="r-1")

    assert caught.value.request_id == "r-1"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("queued", SubmissionStatus.ACCEPTED),
        ("cancelled", SubmissionStatus.CANCELLED),
        ("running", SubmissionStatus.RUNNING),
    ],
)
def test_a_job_under_way_says_how_far_it_is(status: str, said: SubmissionStatus) -> None:
    document = {"id": "a", "status": status, "progress": 0.25, "poll_after": 3, "billed": False}

    found = under_way(read_job(document), request_id="r-1", retry_after=2.0)

    assert (found.status, found.ref, found.request_id) == (said, "a", "r-1")
    assert (found.progress, found.poll_after, found.is_unbilled) == (0.25, 3.0, True)


@pytest.mark.parametrize(
    ("one", "other", "longest"),
    [(None, None, None), (1.0, None, 1.0), (None, 2.0, 2.0), (3.0, 2.0, 3.0), (0.0, None, 0.0)],
)
def test_the_longer_wait_counts(
    one: float | None, other: float | None, longest: float | None
) -> None:
    assert longer(one, other) == longest


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("authentication_failed", AuthenticationFailed),
        ("invalid_request", InvalidRequest),
        ("not_found", NotFound),
        ("permission_denied", PermissionDenied),
        ("provider_unavailable", ProviderUnavailable),
        ("rate_limited", RateLimited),
        ("overloaded", ProviderUnavailable),
        ("content_blocked", ContentBlocked),
        ("another", BadResponse),
        (7, BadResponse),
    ],
)
def test_a_failed_job_is_sorted_by_its_code(code: object, kind: type[ProviderError]) -> None:
    job = read_job({"id": "a", "status": "failed", "error": {"code": code}})

    with pytest.raises(ProviderError) as caught:
        under_way(job, request_id="r-1")

    assert type(caught.value) is kind
    assert caught.value.is_call_outcome
    assert caught.value.request_id == "r-1"
