"""However a stream of OpenAI's ends, its image is kept or its outcome told; errors go by their code."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AnswerCutOff,
    AnswerTimedOut,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    OutcomeUnknown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from tests.providers.openai_events import COMPLETED, LARGE, answered, event, partial

BREAK = b""
PICTURE = base64.b64decode(LARGE)


@pytest.mark.parametrize(
    "pieces",
    [
        (partial(0), partial(1), COMPLETED),
        (COMPLETED, partial(1), b"data: [DONE]\n\n"),
        (b": waiting\n\n", event("image_generation.in_progress"), partial(0) + COMPLETED),
        # Without names beside the data.
        tuple(one.split(b"\n", 1)[1] for one in (partial(0), COMPLETED)),
        (COMPLETED[:-2],),
    ],
    ids=["usual", "early", "others", "nameless", "unclosed"],
)
def test_the_finished_image_is_kept_wherever_it_comes(
    credential: Credential, new_answer: Callable[[], SpooledAnswer], pieces: tuple[bytes, ...]
) -> None:
    shown, error = answered(credential, new_answer, *pieces)

    assert error is None
    assert shown.result is not None
    assert shown.result.images[0].data == PICTURE
    assert shown.result.usage.output_image_tokens == 7
    assert shown.submission.request_id == "req_1"
    assert set(shown.previews) <= {PICTURE}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((partial(0), BREAK), AnswerCutOff),
        ((partial(0), COMPLETED[:-2000], BREAK), AnswerCutOff),
        ((partial(0), partial(1)), AnswerCutOff),
        ((b"data: [DONE]\n\n",), AnswerCutOff),
        ((partial(0), 0.6), AnswerTimedOut),
    ],
    ids=["cut", "cut-in-the-last", "without-the-last", "nothing", "silent"],
)
def test_a_stream_without_its_end_leaves_the_outcome_unknown(
    credential: Credential,
    new_answer: Callable[[], SpooledAnswer],
    pieces: tuple[bytes | float, ...],
    expected: type[ProviderError],
) -> None:
    shown, error = answered(credential, new_answer, *pieces, limits={"read": 0.3})

    assert error is not None
    assert (type(error), error.billed) == (expected, "unknown")
    assert (error.status, error.request_id) == (200, "req_1")
    assert list(shown.answer.parts()) == []
    assert not shown.answer.is_complete


@pytest.mark.parametrize("missing", [0, 1, 2000, len(LARGE)])
def test_where_the_connection_ends_the_body_an_unclosed_event_is_not_the_answer(
    credential: Credential, new_answer: Callable[[], SpooledAnswer], missing: int
) -> None:
    """Nothing else tells a whole event from one that was cut off: half an image is billed, too."""
    last = COMPLETED[: len(COMPLETED) - missing]

    shown, error = answered(credential, new_answer, partial(0), last, is_framed=False)

    assert (error is None) is (missing == 0)
    assert (shown.result is None) is (missing != 0)
    if error is not None:
        assert (type(error), error.billed) == (AnswerCutOff, "unknown")
        assert list(shown.answer.parts()) == []


@pytest.mark.parametrize(
    ("code", "kind", "after", "expected"),
    [
        ("rate_limit_exceeded", "requests", 0, (RateLimited, "no")),
        ("rate_limit_exceeded", "requests", 1, (OutcomeUnknown, "unknown")),
        ("insufficient_quota", "insufficient_quota", 0, (QuotaExhausted, "no")),
        ("", "invalid_request_error", 0, (InvalidRequest, "no")),
        ("server_error", "server_error", 0, (OutcomeUnknown, "unknown")),
        ("server_error", "server_error", 1, (OutcomeUnknown, "unknown")),
        ("moderation_blocked", "image_generation_user_error", 0, (ContentBlocked, "yes")),
        ("moderation_blocked", "image_generation_user_error", 1, (ContentBlocked, "yes")),
    ],
)
def test_an_error_in_the_stream_is_sorted_by_its_code(  # noqa: PLR0917 - a table's columns
    credential: Credential,
    new_answer: Callable[[], SpooledAnswer],
    code: str,
    kind: str,
    after: int,
    expected: tuple[type[ProviderError], str],
) -> None:
    said = {"message": "a canary-colour mug", "type": kind, "code": code or None}
    last = f"data: {json.dumps({'error': said})}\n\n".encode()

    shown, error = answered(credential, new_answer, *[partial(n) for n in range(after)], last)

    assert error is not None
    assert (type(error), error.billed) == expected
    assert (error.status, error.request_id) == (200, "req_1")
    assert "in the stream" in error.detail
    assert "canary" not in error.detail + str(error)
    assert list(shown.answer.parts()) == []


@pytest.mark.parametrize(
    ("name", "said", "after", "expected"),
    [
        ("error", {"type": "error", "code": "moderation_blocked"}, 1, (ContentBlocked, "yes")),
        ("", {"type": "error", "code": "moderation_blocked"}, 0, (ContentBlocked, "yes")),
        ("error", {"code": "insufficient_quota"}, 0, (QuotaExhausted, "no")),
        ("error", {"type": "rate_limit_error", "error": None}, 0, (RateLimited, "no")),
        ("error", {"type": "error", "code": "rate_limit_exceeded"}, 1, (OutcomeUnknown, "unknown")),
        ("error", {"type": "error", "code": None}, 0, (OutcomeUnknown, "unknown")),
    ],
)
def test_an_error_that_is_not_wrapped_in_an_object_is_sorted_by_its_code_too(  # noqa: PLR0917 - a table's columns
    credential: Credential,
    new_answer: Callable[[], SpooledAnswer],
    name: str,
    said: dict[str, Any],
    after: int,
    expected: tuple[type[ProviderError], str],
) -> None:
    data = json.dumps({**said, "message": "a canary-colour mug"})
    last = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
    pieces = [partial(n) for n in range(after)]

    shown, error = answered(credential, new_answer, *pieces, last.encode(), b": more\n\n")

    assert error is not None
    assert (type(error), error.billed) == expected
    assert "in the stream" in error.detail
    assert "canary" not in error.detail + str(error)
    assert list(shown.answer.parts()) == []


def test_a_prompt_that_is_refused_in_the_stream_is_not_billed(
    credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    said = {"code": "moderation_blocked", "moderation_details": {"moderation_stage": "input"}}

    _shown, error = answered(
        credential, new_answer, event("error", error=said, usage={"output_tokens": 3})
    )

    assert isinstance(error, ContentBlocked)
    assert (error.billed, error.stage, error.counted) == ("no", "input", None)


def test_what_was_counted_of_a_blocked_image_is_told(
    credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    said = {"code": "moderation_blocked", "moderation_details": {"moderation_stage": "output"}}

    _shown, error = answered(
        credential, new_answer, event("error", error=said, usage={"output_tokens": 3})
    )

    assert error is not None
    assert error.counted is not None
    assert error.counted.usage.output_image_tokens == 3


@pytest.mark.parametrize("text", ["", "no base64 !", 7, None])
def test_an_image_on_its_way_that_cannot_be_read_costs_the_call_nothing(
    credential: Credential, new_answer: Callable[[], SpooledAnswer], text: Any
) -> None:
    broken = b"event: image_generation.partial_image\ndata: {]\n\n"

    shown, error = answered(credential, new_answer, broken, partial(0, text), COMPLETED)

    assert error is None
    assert shown.previews == []
    assert shown.result is not None


def test_a_server_that_does_not_stream_is_read_as_ever(
    credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    body = json.dumps({"data": [{"b64_json": LARGE}]}).encode()

    shown, error = answered(credential, new_answer, body, kind="application/json")

    assert error is None
    assert shown.result is not None
    assert shown.result.images[0].data == PICTURE


def test_an_unfinished_image_is_never_taken_for_the_answer(
    credential: Credential, spooled: Callable[..., SpooledAnswer]
) -> None:
    kept = spooled(partial(0).split(b"data: ")[1], asked=1)
    provider = registry.build(
        "openai", credential=credential, http=HttpClient(), base_url="https://127.0.0.1"
    )

    with pytest.raises(BadResponse) as refused:
        provider.read_answer(kept)

    assert refused.value.detail == "only an unfinished image came"


def test_a_stream_is_given_time_while_the_image_is_generated(
    credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    slow = {"slow_grace": 0.05, "slow_window": 0.05, "least_rate": 1e9, "read": 3.0}

    shown, error = answered(
        credential, new_answer, partial(0), 0.4, partial(1), 0.4, COMPLETED, limits=slow
    )

    assert error is None
    assert len(shown.previews) == 2
