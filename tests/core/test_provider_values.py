"""Whatever a provider names is brought into its range or left out; nothing of it raises."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core import provider_values
from imagegen_app.core.errors import ContentBlocked, OutcomeUnknown, RateLimited
from imagegen_app.core.types import (
    Cost,
    ProviderImage,
    ProviderResult,
    Submission,
    SubmissionStatus,
    Usage,
)

WILD: list[Any] = [
    10**30,
    -1,
    10**10_000,
    math.nan,
    math.inf,
    1e40,
    "9" * 10_000,
    "a\x00b",
    "\ud800",
    [[[]]],
    {"a": 1},
    True,
    Decimal("NaN"),
]


@pytest.mark.parametrize("wild", WILD, ids=range(len(WILD)))
def test_wild_values_of_an_answer_are_left_out_and_named(wild: Any) -> None:
    result = ProviderResult(
        images=(ProviderImage(b"x", seed=wild, revised_prompt=wild, claimed_media_type=wild),),
        usage=Usage(input_text_tokens=wild, images=wild, steps=wild, seconds=wild),
        model_version=wild,
        reported_cost=Cost(wild, "USD"),
        resolved={"size": wild},
    )

    cleaned, ignored = provider_values.clean_result(result)

    assert cleaned.images[0].seed is None
    assert (cleaned.usage.input_text_tokens, cleaned.usage.images) == (0, 0)
    assert {"seed", "input_text_tokens", "images", "steps"} <= set(ignored)
    assert isinstance(cleaned.usage.seconds, Decimal)
    assert 0 <= cleaned.usage.seconds <= provider_values.MAX_UNITS
    for text in (cleaned.model_version, cleaned.images[0].revised_prompt):
        assert "\x00" not in text
        assert text.encode("utf-8") is not None
    assert len(cleaned.model_version) <= 120
    assert cleaned.images[0].data == b"x"


@pytest.mark.parametrize(
    "amount", [Decimal("1e40"), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), "1" * 5000, [1]]
)
def test_a_cost_that_cannot_be_true_is_left_out(amount: Any) -> None:
    result = ProviderResult(images=(), reported_cost=Cost(amount))

    cleaned, ignored = provider_values.clean_result(result)

    assert cleaned.reported_cost is None
    assert ignored == ("cost",)


def test_good_values_stay_as_they_are() -> None:
    result = ProviderResult(
        images=(ProviderImage(b"x", "image/png", 2**63 - 1, "A red\nmug, très 😀"),),
        usage=Usage(1, 2, 3, 1, seconds=Decimal("1.25"), credits=Decimal(4), steps=20),
        model_version="m-1.5",
        reported_cost=Cost(Decimal("0.04"), "EUR"),
        resolved={"quality": "high"},
    )

    assert provider_values.clean_result(result) == (result, ())


@pytest.mark.parametrize("wild", WILD, ids=range(len(WILD)))
def test_wild_values_of_a_call_are_brought_into_their_range(wild: Any) -> None:
    running = Submission(SubmissionStatus.RUNNING)

    cleaned = provider_values.clean_submission(
        replace(running, progress=wild, poll_after=wild, rate_limited_for=wild, request_id=wild)
    )

    for number in (cleaned.progress, cleaned.poll_after, cleaned.rate_limited_for):
        assert number is None or 0 <= number <= provider_values.MAX_SECONDS
    assert isinstance(cleaned.request_id, str)
    assert "\x00" not in cleaned.request_id


@pytest.mark.parametrize("ref", ["a\x00b", "r" * 201, "\ud800"])
def test_a_call_accepted_under_an_unusable_reference_has_an_unknown_outcome(ref: str) -> None:
    with pytest.raises(OutcomeUnknown):
        provider_values.clean_submission(Submission(SubmissionStatus.ACCEPTED, ref=ref))

    assert provider_values.clean_submission(Submission(SubmissionStatus.RUNNING, ref=ref)).ref == ""


def test_the_values_of_an_error_are_cleaned() -> None:
    limited = RateLimited(retry_after=math.nan, request_id="a\x00b", status=10**20)
    blocked = ContentBlocked(categories=("hate\x00", "x" * 500, *(["y"] * 50)))

    provider_values.clean_error(limited)
    provider_values.clean_error(blocked)

    assert (limited.retry_after, limited.request_id, limited.status) == (None, "ab", None)
    assert blocked.categories[0] == "hate"
    assert len(blocked.categories) <= 20
    assert max(map(len, blocked.categories)) <= 60


@pytest.mark.parametrize(
    "document",
    [b"[" * 100_000, b"[" * 200 + b"]" * 200, b'{"a":' * 90 + b"1" + b"}" * 90, b"\xff", b""],
)
def test_a_document_that_is_nested_too_deeply_is_no_json(document: bytes) -> None:
    with pytest.raises(provider_values.InvalidJson):
        provider_values.load_json(document)


def test_a_number_of_ten_thousand_digits_is_left_out_of_its_document() -> None:
    document = b'{"seed": %s, "n": 3, "f": 1e999}' % (b"9" * 10_000)

    assert provider_values.load_json(document) == {"seed": None, "n": 3, "f": math.inf}
