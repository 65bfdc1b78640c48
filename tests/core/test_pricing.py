from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.states import FINAL_STATES, JOB_TRANSITIONS, can_transition
from imagegen_app.core.types import (
    ProviderImage,
    ProviderResult,
    Size,
    Usage,
)

LIST = {
    "currency": "USD",
    "per_image": [{"quality": "low", "max_pixels": 1_048_576, "amount": "0.02"}],
    "per_million_tokens": {"input_text": "5", "output_image": "30"},
}


@pytest.mark.parametrize(
    "data",
    [{}, {"currency": "USD"}, {"currency": "USD", "per_image": [{"amount": 0.1}]},
     {"currency": "USD", "per_image": [{"amount": "-1"}]}],
)  # fmt: skip
def test_a_malformed_price_list_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(PriceUnknown):
        PriceList.from_dict(data)


@pytest.mark.parametrize(("size", "quality"), [(Size(2048, 2048), "low"), (Size(64, 64), "high")])
def test_a_request_that_matches_no_row_has_no_price(size: Size, quality: str) -> None:
    with pytest.raises(PriceUnknown):
        PriceList.from_dict(LIST).estimate(size=size, quality=quality, count=1)


def test_token_counts_take_precedence_over_the_price_per_image() -> None:
    usage = Usage(input_text_tokens=50, output_image_tokens=1100, images=1)
    result = ProviderResult(images=(ProviderImage(b"x"),), usage=usage)

    cost = PriceList.from_dict(LIST).charge(result, size=Size(64, 64), quality="low")

    assert cost.amount == Decimal("0.0333")


TOKENS = {
    "input_text": "5",
    "cached_input_text": "1.25",
    "input_image": "8",
    "cached_input_image": "2",
    "output_image": "30",
    "output_text": "10",
}


def charged(usage: Usage, **tokens: str) -> Decimal:
    prices = PriceList.from_dict({**LIST, "per_million_tokens": tokens})
    result = ProviderResult(images=(ProviderImage(b"x"),), usage=usage)
    return prices.charge(result, size=Size(64, 64), quality="low").amount


def test_every_kind_of_token_is_charged_at_its_price() -> None:
    usage = Usage(
        input_text_tokens=1_000,
        cached_input_text_tokens=2_000,
        input_image_tokens=300,
        cached_input_image_tokens=400,
        output_image_tokens=1_000,
        output_text_tokens=20_000,
        images=1,
    )

    assert charged(usage, **TOKENS) == Decimal("0.2407")


@pytest.mark.parametrize("kind", ["output_video", "input_texts", "total"])
def test_a_price_for_an_unknown_kind_of_token_is_refused(kind: str) -> None:
    with pytest.raises(PriceUnknown, match=kind):
        PriceList.from_dict({**LIST, "per_million_tokens": {"output_image": "30", kind: "1"}})


def test_cached_tokens_without_a_price_of_their_own_cost_what_others_do() -> None:
    usage = Usage(cached_input_text_tokens=10_000, output_image_tokens=1_000, images=1)

    assert charged(usage, input_text="5", output_image="30") == Decimal("0.08")


@pytest.mark.parametrize(("images", "amount"), [(1_000, "0.03"), (10, "0.02")])
def test_an_answer_with_a_kind_that_has_no_price_costs_no_less_than_its_images(
    images: int, amount: str
) -> None:
    usage = Usage(output_image_tokens=images, output_text_tokens=20_000, images=1)
    prices = PriceList.from_dict(LIST)

    assert charged(usage, output_image="30") == Decimal(amount)
    assert prices.unpriced_kinds(usage) == ("output_text",)


def test_a_price_list_says_when_it_was_last_checked() -> None:
    assert PriceList.from_dict(LIST).checked_on is None
    assert PriceList.from_dict({**LIST, "checked_on": "2026-11-26"}).checked_on == date(
        2026, 11, 26
    )


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", 20261126, None])
def test_a_day_of_checking_that_is_none_is_refused(day: object) -> None:
    with pytest.raises(PriceUnknown):
        PriceList.from_dict({**LIST, "checked_on": day})


def test_final_states_have_no_transitions() -> None:
    assert {"succeeded", "failed", "blocked", "cancelled", "expired"} == FINAL_STATES
    assert not any(can_transition(end, state) for end in FINAL_STATES for state in JOB_TRANSITIONS)


@pytest.mark.parametrize(
    "price_list",
    [
        {"currency": "USD", "per_image": [{"amount": "1"}], "note": "negotiated"},
        {"currency": "USD", "per_image": [{"amount": "1", "reason": "by contract"}]},
        {"currency": "USD", "per_image": [{"amount": "1"}], "per_second": "0.2"},
    ],
)
def test_an_entry_that_would_be_ignored_is_refused(price_list: dict[str, Any]) -> None:
    with pytest.raises(PriceUnknown) as refusal:
        PriceList.from_dict(price_list)

    assert "unknown entry" in refusal.value.problem.text


def test_tokens_of_texts_are_charged_where_no_image_token_is_counted() -> None:
    prices = PriceList.from_dict(
        {
            "currency": "USD",
            "per_image": [{"amount": "0.011"}],
            "per_million_tokens": {"output_text": "40", "output_image": "40"},
        }
    )
    usage = Usage(output_text_tokens=100_000, images=1)
    result = ProviderResult(images=(), usage=usage)

    charged = prices.charge(result, size=Size(64, 64), quality="")

    assert charged.amount == Decimal("4.0000")
