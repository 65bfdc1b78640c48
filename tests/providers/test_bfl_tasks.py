"""How tasks of Black Forest Labs are polled: states that are blocks, hosts, costs and errors."""

from __future__ import annotations

import asyncio
from decimal import Decimal
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
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.types import (
    Call,
    Cost,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, Reply
from tests.providers.bfl_calls import TASK, of, replied, talked
from tests.providers.conftest import KEY
from tests.providers.samples import (
    http_answer,
)


def test_a_submission_tells_cost_and_where_to_ask(
    answer: SpooledAnswer, credential: Credential
) -> None:
    submission, _ = talked(
        lambda provider: provider.submit(of("flux-2-pro"), answer=answer),
        credential,
        replied(TASK),
    )

    assert submission.status is SubmissionStatus.ACCEPTED
    assert submission.ref == "task-1"
    assert submission.state == {"polling_url": TASK["polling_url"]}
    assert submission.reported_cost == Cost(Decimal("0.04"))


class Recorder(HttpClient):
    """Remembers where it is sent, and whether with a key."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, bool]] = []

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        self.sent.append((url, options["auth"] is not None))
        return Reply(200, {}, b'{"id": "task-1", "status": "Pending"}')


@pytest.mark.parametrize(
    ("told", "asked", "with_key"),
    [
        ("https://api.bfl.ai/v1/get_result?id=task-1", "told", True),
        ("https://api.eu4.bfl.ai/v1/get_result?id=task-1", "told", False),
        ("https://api.bfl.ai.example/v1/get_result?id=task-1", "own", True),
        ("https://evilbfl.ai/v1/get_result?id=task-1", "own", True),
        ("http://api.bfl.ai/v1/get_result?id=task-1", "own", True),
        ("https://api.bfl.ai@example.com/v1/get_result", "own", True),
        ("https://example.com/?.bfl.ai", "own", True),
        ("https://[", "own", True),
        ("", "own", True),
    ],
)
def test_a_poll_goes_to_the_providers_hosts_and_the_key_to_the_accounts(
    answer: SpooledAnswer, monkeypatch: pytest.MonkeyPatch, told: str, asked: str, with_key: bool
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    credential = Credential("test", ("env:TEST_PROVIDER_KEY",), frozenset({"api.bfl.ai"}))
    http = Recorder()
    provider = registry.build("bfl", credential=credential, http=http)

    asyncio.run(provider.poll(Call("task-1", state={"polling_url": told}), answer=answer))

    own = "https://api.bfl.ai/v1/get_result?id=task-1"
    assert http.sent == [(told if asked == "told" else own, with_key)]


class KeyedRecorder(Recorder):
    """Answers nobody without a key."""

    async def send(self, method: str, url: str, **options: Any) -> Reply:
        reply = await super().send(method, url, **options)
        return reply if options["auth"] else Reply(403, {}, b'{"detail": "Not authenticated"}')


def test_a_host_that_wants_a_key_is_left_for_the_accounts_own(
    answer: SpooledAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    credential = Credential("test", ("env:TEST_PROVIDER_KEY",), frozenset({"api.bfl.ai"}))
    http = KeyedRecorder()
    provider = registry.build("bfl", credential=credential, http=http)
    call = Call("task-1", state={"polling_url": TASK["polling_url"]})

    submission = asyncio.run(provider.poll(call, answer=answer))

    assert submission.status is SubmissionStatus.RUNNING
    assert http.sent == [
        (TASK["polling_url"], False),
        ("https://api.bfl.ai/v1/get_result?id=task-1", True),
    ]


def state(status: str, **more: Any) -> dict[str, Any]:
    return {"id": "task-1", "status": status, "result": None, **more}


@pytest.mark.parametrize(
    ("document", "status", "kind", "is_outcome"),
    [
        (state("Request Moderated"), "200 OK", ContentBlocked, True),
        (state("Content Moderated"), "422 Bad", ContentBlocked, True),
        (state("Error"), "200 OK", BadResponse, True),
        (state("Failed"), "422 Bad", BadResponse, True),
        (state("Task not found"), "404 Gone", NotFound, False),
        ({"detail": "busy"}, "404 Gone", NotFound, False),
    ],
)
def test_a_task_that_ends_badly_is_told_by_its_state_whatever_the_status(  # noqa: PLR0917
    answer: SpooledAnswer,
    credential: Credential,
    document: dict[str, Any],
    status: str,
    kind: type[ProviderError],
    is_outcome: bool,
) -> None:
    async def use(provider: Any) -> ProviderError:
        with pytest.raises(kind) as caught:
            await provider.poll(Call("task-1"), answer=answer)
        return caught.value

    error, sent = talked(use, credential, replied(document, status))

    assert error.is_call_outcome is is_outcome
    assert sent[0].startswith(b"GET /v1/get_result?id=task-1 HTTP")


@pytest.mark.parametrize(
    ("word", "stage", "billed"),
    [("Request Moderated", "input", "no"), ("Content Moderated", "output", "yes")],
)
def test_a_block_tells_stage_and_reasons(
    answer: SpooledAnswer, credential: Credential, word: str, stage: str, billed: str
) -> None:
    details = {"Moderation Reasons": ["Violence", 7]}

    async def use(provider: Any) -> ContentBlocked:
        with pytest.raises(ContentBlocked) as caught:
            await provider.poll(Call("task-1"), answer=answer)
        return caught.value

    error, _ = talked(use, credential, replied(state(word, details=details)))

    assert (error.stage, error.billed, error.categories) == (stage, billed, ("Violence",))


@pytest.mark.parametrize("word", ["Pending", "Reasoning", "Generating", "Brewing"])
def test_any_other_state_is_under_way(
    answer: SpooledAnswer, credential: Credential, word: str
) -> None:
    submission, _ = talked(
        lambda provider: provider.poll(Call("task-1"), answer=answer),
        credential,
        replied(state(word, progress=0.25)),
    )

    assert submission.status is SubmissionStatus.RUNNING
    assert (submission.progress, submission.stage) == (0.25, word.lower())


def test_a_result_keeps_seed_prompt_and_the_last_cost(
    answer: SpooledAnswer, credential: Credential
) -> None:
    result = {"sample": "/file", "seed": 42, "prompt": "a blue mug"}

    async def use(provider: Any) -> Any:
        await provider.poll(Call("task-1"), answer=answer)
        return provider.read_answer(answer)

    read, sent = talked(
        use,
        credential,
        replied(state("Ready", cost=4.8) | {"result": result}),
        http_answer(b"bytes of an image"),
    )

    (image,) = read.images
    assert (image.data, image.seed, image.revised_prompt) == (
        b"bytes of an image",
        42,
        "a blue mug",
    )
    assert read.reported_cost == Cost(Decimal("0.048"))
    assert read.usage.credits == Decimal("4.8")
    assert sent[1].startswith(b"GET /file HTTP")


@pytest.mark.parametrize(
    ("answers", "kind", "wait"),
    [
        ([replied({"detail": "Payment"}, "402 Pay")], QuotaExhausted, None),
        ([replied({"detail": "no"}, "403 No"), replied({"credits": 3})], PermissionDenied, None),
        ([replied({"detail": "no"}, "403 No")], AuthenticationFailed, None),
        ([replied({"detail": "slow"}, "429 Slow")], RateLimited, 5.0),
        ([replied({"error": "rate", "retry_after": 9}, "429 Slow")], RateLimited, 9.0),
        ([replied({"retry_after": 9}, "429 Slow", "Retry-After: 3")], RateLimited, 3.0),
        (
            [replied({"detail": [{"loc": ["body", "width"], "type": "x"}]}, "422 Bad")],
            InvalidRequest,
            None,
        ),
    ],
)
def test_an_error_is_sorted_by_its_status(
    answer: SpooledAnswer,
    credential: Credential,
    answers: list[bytes],
    kind: type[ProviderError],
    wait: float | None,
) -> None:
    async def use(provider: Any) -> ProviderError:
        with pytest.raises(kind) as caught:
            await provider.submit(of("flux-2-pro"), answer=answer)
        return caught.value

    error, _ = talked(use, credential, *answers)

    assert type(error) is kind
    assert error.retry_after == wait
    if kind is InvalidRequest:
        assert "(width)" in error.detail
