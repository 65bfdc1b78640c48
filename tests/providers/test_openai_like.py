from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.types import Usage
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.families import openai_like
from imagegen_app.providers.families.openai_like import read_images
from imagegen_app.providers.families.statuses import classify
from imagegen_app.providers.http import Reply

Spooled = Callable[..., SpooledAnswer]

PNG = base64.b64encode(b"\x89PNG image").decode()


def error(**values: Any) -> bytes:
    return json.dumps({"error": {"message": "a canary prompt", **values}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error(type="invalid_request_error", code="invalid_value"), InvalidRequest),
        (400, error(code="unknown_parameter"), InvalidRequest),
        (409, b"{}", InvalidRequest),
        (413, b"", InvalidRequest),
        (415, b"", InvalidRequest),
        (422, b'{"detail": [{"loc": ["size"], "msg": "x"}]}', InvalidRequest),
        (401, error(code="invalid_api_key"), AuthenticationFailed),
        (402, b"", QuotaExhausted),
        (403, error(code="unsupported_country_region_territory"), PermissionDenied),
        (403, error(message="temporarily blocked ... content policy"), PermissionDenied),
        (404, error(code="model_not_found"), NotFound),
        (410, b"", NotFound),
        (307, b"", NotFound),
        (408, b"", OutcomeUnknown),
        (429, error(code="rate_limit_exceeded"), RateLimited),
        (429, error(type="rate_limit_error", code="slow_down"), RateLimited),
        (429, error(code="429", message="No deployments available"), RateLimited),
        (429, error(type="insufficient_quota", code="insufficient_quota"), QuotaExhausted),
        (429, error(code="credit_balance_exhausted"), QuotaExhausted),
        (429, error(code="organization_spend_limit_exceeded"), QuotaExhausted),
        (429, error(code="project_spend_limit_exceeded"), QuotaExhausted),
        (429, error(code="organization_usage_limit_exceeded"), QuotaExhausted),
        (429, error(type="insufficient_quota"), QuotaExhausted),
        (400, error(code="billing_hard_limit_reached"), QuotaExhausted),
        (400, error(type="budget_exceeded"), QuotaExhausted),
        (400, error(code="moderation_blocked"), ContentBlocked),
        (400, error(code="content_policy_violation"), ContentBlocked),
        (400, error(code="contentFilter"), ContentBlocked),
        (403, error(code="content_filter"), ContentBlocked),
        (429, error(code="moderation_blocked", type="insufficient_quota"), ContentBlocked),
        (400, error(message="content_policy_violation in words only"), InvalidRequest),
        (500, error(type="server_error"), OutcomeUnknown),
        (502, b"<html>Bad gateway</html>", OutcomeUnknown),
        (504, b"", OutcomeUnknown),
        (520, b"", OutcomeUnknown),
        (503, error(code="server_is_overloaded"), ProviderUnavailable),
        (503, b"<html>", ProviderUnavailable),
        (500, b'{"error": "text"}', OutcomeUnknown),
        (400, b"[" * 50_000, InvalidRequest),
        (400, b'{"error": [1]}', InvalidRequest),
        (400, b'{"error": {"code": ["x"], "type": 3}}', InvalidRequest),
        (400, b"\xff\x00", InvalidRequest),
    ],
)
def test_a_refusal_is_sorted_by_its_codes_and_then_its_status(
    status: int, body: bytes, expected: type[ProviderError]
) -> None:
    caught = classify(Reply(status, {"x-request-id": "req_1"}, body))

    assert type(caught) is expected
    assert caught.request_id == "req_1"
    assert caught.status == status
    assert "canary" not in str(caught) + caught.detail


def test_a_rate_limit_tells_how_long_to_wait() -> None:
    caught = classify(Reply(429, {"retry-after": "12"}, b""))

    assert isinstance(caught, RateLimited)
    assert caught.retry_after == 12.0


@pytest.mark.parametrize(
    ("details", "stage", "categories"),
    [
        (
            {"moderation_details": {"moderation_stage": "output", "categories": ["sexual"]}},
            "output",
            ("sexual",),
        ),
        (
            {"moderation_details": {"moderation_stage": "input", "categories": ["a/b", 3, "<b>"]}},
            "input",
            ("a/b",),
        ),
        (
            {"message": "rejected. safety_violations=[sexual, violence]."},
            "unknown",
            ("sexual", "violence"),
        ),
        ({"moderation_details": "x", "message": 3}, "unknown", ()),
        ({"moderation_details": {"moderation_stage": ["x"]}}, "unknown", ()),
    ],
)
def test_a_block_keeps_its_stage_and_categories(
    details: dict[str, Any], stage: str, categories: tuple[str, ...]
) -> None:
    caught = classify(Reply(400, {}, error(code="moderation_blocked", **details)))

    assert isinstance(caught, ContentBlocked)
    assert (caught.stage, caught.categories) == (stage, categories)


def test_a_filtered_answer_tells_the_tokens_that_it_is_billed_for(spooled: Spooled) -> None:
    body = {
        "data": [],
        "error": {"code": "moderation_blocked"},
        "usage": {"input_tokens": 20, "output_tokens": 1056},
    }

    with pytest.raises(ContentBlocked) as caught:
        openai_like.read_images(spooled(json.dumps(body).encode()))

    assert caught.value.billed == "yes"
    assert caught.value.counted is not None
    assert caught.value.counted.usage == Usage(input_text_tokens=20, output_image_tokens=1056)


def test_an_answer_is_read_with_its_usage_and_what_auto_became(spooled: Spooled) -> None:
    body = {
        "data": [
            {"b64_json": PNG, "revised_prompt": "r"},
            {"b64_json": "data:image/png;base64," + PNG},
        ],
        "size": "1536x864",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
        "usage": {
            "input_tokens": 60,
            "output_tokens": 1100,
            "input_tokens_details": {"text_tokens": 50, "image_tokens": 10},
            "output_tokens_details": {"image_tokens": 1000, "text_tokens": 100},
        },
    }

    result = read_images(spooled(json.dumps(body).encode(), asked=2, output_format="png"))

    assert [i.data for i in result.images] == [b"\x89PNG image"] * 2
    assert result.images[0].claimed_media_type == "image/webp"
    assert result.images[0].revised_prompt == "r"
    assert (result.usage.input_text_tokens, result.usage.input_image_tokens) == (50, 10)
    assert (result.usage.output_image_tokens, result.usage.images) == (1000, 2)
    assert result.resolved == {
        "size": "1536x864",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
    }


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {"input_tokens": "50", "output_tokens": -1},
        {"output_tokens": True},
        {"input_tokens_details": [], "output_tokens_details": 3},
    ],
)
def test_odd_usage_counts_as_nothing(spooled: Spooled, usage: object) -> None:
    result = read_images(
        spooled(json.dumps({"data": [{"b64_json": PNG}], "usage": usage}).encode())
    )

    assert result.usage.output_image_tokens == 0
    assert result.usage.images == 1


def test_fewer_images_than_asked_are_kept_and_said(spooled: Spooled) -> None:
    result = read_images(spooled(json.dumps({"data": [{"b64_json": PNG}]}).encode(), asked=4))

    assert len(result.images) == 1
    assert result.resolved["count"] == "1 of 4"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html>",
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"data": []}',
        b'{"data": {}}',
        b'{"data": [null]}',
        b'{"data": [{}]}',
        b'{"data": [{"b64_json": ""}]}',
        b'{"data": [{"b64_json": 3}]}',
        b'{"data": [{"b64_json": "AAAAA"}]}',
        b'{"data": [{"b64_json": "A===="}]}',
        b'{"data": [{"b64_json": "AA!AA"}]}',
        b'{"data": [{"b64_json": "\xc3\xa9"}]}',
        b'{"data": [{"b64_json": "data:"}]}',
        b'{"data": [{"url": "https://a/b.png"}]}',
        b'{"error": {"code": "server_error"}}',
        b'{"error": "boom"}',
        b"[" * 100_000,
        b'{"data": [{"b64_json": "AAAA"',
    ],
)
def test_an_answer_that_cannot_be_used_is_a_bad_response(spooled: Spooled, body: bytes) -> None:
    with pytest.raises(BadResponse):
        read_images(spooled(body))


def test_a_block_inside_a_success_is_a_block(spooled: Spooled) -> None:
    with pytest.raises(ContentBlocked):
        read_images(spooled(error(code="moderation_blocked")))


def test_every_kind_of_token_that_an_answer_counts_is_read() -> None:
    found = openai_like.usage_of(
        {
            "input_tokens": 1_500,
            "input_tokens_details": {
                "text_tokens": 1_000,
                "image_tokens": 500,
                "cached_tokens": 700,
                "cached_tokens_details": {"text_tokens": 600, "image_tokens": 100},
            },
            "output_tokens": 21_000,
            "output_tokens_details": {"image_tokens": 1_000, "text_tokens": 20_000},
        },
        images=1,
    )

    assert found == Usage(
        input_text_tokens=400,
        cached_input_text_tokens=600,
        input_image_tokens=400,
        cached_input_image_tokens=100,
        output_image_tokens=1_000,
        output_text_tokens=20_000,
        images=1,
    )


@pytest.mark.parametrize(
    ("details", "text", "cached"),
    [
        # Without details of their own, text is what was cached first.
        ({"text_tokens": 1_000, "image_tokens": 500, "cached_tokens": 700}, 300, 700),
        # More than there were: what cannot be is not subtracted.
        ({"text_tokens": 10, "image_tokens": 0, "cached_tokens": 700}, 0, 10),
    ],
)
def test_cached_tokens_are_part_of_the_inputs(
    details: dict[str, int], text: int, cached: int
) -> None:
    found = openai_like.usage_of({"input_tokens_details": details}, images=1)

    assert (found.input_text_tokens, found.cached_input_text_tokens) == (text, cached)


@pytest.mark.parametrize(
    ("code", "billed"),
    [("moderation_blocked", "yes"), ("server_error", "yes"), ("insufficient_quota", "no")],
)
def test_a_refusal_inside_a_success_was_billed(spooled: Spooled, code: str, billed: str) -> None:
    body = {"error": {"code": code}, "usage": {"output_tokens": 1_000}}

    with pytest.raises(ProviderError) as caught:
        read_images(spooled(json.dumps(body).encode()))

    assert caught.value.billed == billed


def test_a_refusal_instead_of_an_answer_was_not_billed() -> None:
    assert classify(Reply(400, {}, error(code="moderation_blocked"))).billed == "no"


def test_the_part_of_an_output_that_its_details_leave_out_is_images() -> None:
    usage = openai_like.usage_of(
        {"output_tokens": 5000, "output_tokens_details": {"text_tokens": 200}}, images=1
    )

    assert (usage.output_text_tokens, usage.output_image_tokens) == (200, 4800)
