"""What a job API says of a job under way, and how long it asks us to wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from imagegen_app.core.errors import ProviderError, ProviderUnavailable
from imagegen_app.core.types import Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families.submit_poll import failure, read_job
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
        asked(reply, credential, lambda provider: provider.poll("job_1", answer=answer))


def test_a_poll_that_is_told_to_wait_waits(credential: Credential, answer: SpooledAnswer) -> None:
    body = json.dumps({"id": "job_1", "status": "running", "poll_after": 2}).encode()
    reply = http_answer(body, status="202 Accepted", headers=("Retry-After: 120",))

    submission = asked(reply, credential, lambda provider: provider.poll("job_1", answer=answer))

    assert submission.poll_after == 120.0


@pytest.mark.parametrize("status", [409, 425, 429, 500, 503])
def test_every_refusal_says_how_long_to_wait(
    status: int, credential: Credential, answer: SpooledAnswer
) -> None:
    reply = http_answer(b"{}", status=f"{status} No", headers=("Retry-After: 77",))

    for use in (
        lambda provider: provider.submit(REQUEST, answer=answer),
        lambda provider: provider.poll("job_1", answer=answer),
        lambda provider: provider.reconcile(REQUEST, answer=answer),
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
