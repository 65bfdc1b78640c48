from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.pricing import Charge, CostOrigin, CostSource, PriceList, PriceUnknown
from imagegen_app.core.states import FINAL_STATES, JOB_TRANSITIONS, can_transition
from imagegen_app.core.types import (
    Cost,
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


UNITS = {
    "currency": "USD",
    "per_image": [{"amount": "0.05"}],
    "per_unit": {"megapixel": "0.04", "credit": "0.01", "second": "0.001", "step": "0.0001"},
    "checked_on": "2026-11-26",
}
COMPUTED = CostOrigin(CostSource.COMPUTED, date(2026, 11, 26))


def charge_of(data: dict[str, Any], usage: Usage, reported: Cost | None = None) -> Charge:
    result = ProviderResult(images=(ProviderImage(b"x"),), usage=usage, reported_cost=reported)
    return PriceList.from_dict(data).charge(result, size=Size(1000, 500), quality="")


@pytest.mark.parametrize(
    ("usage", "amount"),
    [
        (Usage(images=1), "0.05"),
        (Usage(images=1, megapixels=Decimal("1.5")), "0.06"),
        (Usage(images=1, credits=Decimal(4)), "0.04"),
        (Usage(images=1, seconds=Decimal("1.5")), "0.0015"),
        (Usage(images=1, steps=40), "0.004"),
        (Usage(images=1, seconds=Decimal(2), steps=10), "0.003"),
        # Rounded up, so that nothing is free that costs something.
        (Usage(images=1, seconds=Decimal("0.001")), "0.0001"),
    ],
)
def test_what_an_answer_counts_is_charged_at_the_price_of_its_unit(
    usage: Usage, amount: str
) -> None:
    assert charge_of(UNITS, usage) == Charge(Decimal(amount), "USD", COMPUTED)


def test_units_without_a_price_leave_the_price_of_the_images() -> None:
    usage = Usage(images=1, seconds=Decimal(100), steps=50, credits=Decimal(9))

    assert charge_of(LIST_WITHOUT_UNITS, usage).amount == Decimal("0.05")


LIST_WITHOUT_UNITS = {key: value for key, value in UNITS.items() if key != "per_unit"}


def test_our_price_for_a_credit_goes_before_what_the_adapter_makes_of_it() -> None:
    usage, reported = Usage(images=1, credits=Decimal(4)), Cost(Decimal("0.03"), "USD")

    assert charge_of(UNITS, usage, reported).amount == Decimal("0.04")
    without = charge_of(LIST_WITHOUT_UNITS, usage, reported)
    assert without == Charge(Decimal("0.03"), "USD", CostOrigin(CostSource.REPORTED))


def test_a_cost_in_another_currency_is_computed_from_our_list() -> None:
    reported = Cost(Decimal("0.03"), "EUR")

    assert charge_of(UNITS, Usage(images=1), reported).origin == COMPUTED


def test_units_are_charged_beside_tokens() -> None:
    data = {**UNITS, "per_million_tokens": {"output_image": "30"}}
    usage = Usage(images=1, output_image_tokens=1_000, seconds=Decimal(1))

    assert charge_of(data, usage).amount == Decimal("0.031")


def test_a_list_of_megapixels_alone_estimates_and_charges_by_size() -> None:
    prices = PriceList.from_dict({"currency": "EUR", "per_unit": {"megapixel": "0.04"}})

    estimate = prices.estimate(size=Size(2000, 1000), quality="high", count=3)
    result = ProviderResult(images=(ProviderImage(b"x"),) * 2)
    charge = prices.charge(result, size=Size(2000, 1000), quality="")

    assert estimate == Cost(Decimal("0.24"), "EUR")
    assert charge == Charge(Decimal("0.16"), "EUR", CostOrigin(CostSource.COMPUTED))


def test_a_row_goes_before_the_megapixels_in_an_estimate() -> None:
    prices = PriceList.from_dict({**UNITS, "per_image": [{"max_pixels": 100, "amount": "0.5"}]})

    assert prices.image_price(size=Size(10, 10), quality="").amount == Decimal("0.5")
    assert prices.image_price(size=Size(1000, 500), quality="").amount == Decimal("0.02")


@pytest.mark.parametrize(
    "units", [{"second": "0.1"}, {"minute": "1"}, {"step": 0.1}, {"credit": "-1"}]
)
def test_a_list_of_units_that_gives_no_estimate_or_is_wrong_is_refused(
    units: dict[str, Any],
) -> None:
    with pytest.raises(PriceUnknown):
        PriceList.from_dict({"currency": "USD", "per_unit": units})


@pytest.mark.parametrize("unit", ["minute", "megapixels", ""])
def test_a_price_for_an_unknown_unit_is_refused(unit: str) -> None:
    with pytest.raises(PriceUnknown, match="unknown unit"):
        PriceList.from_dict({**UNITS, "per_unit": {unit: "1"}})


def test_images_on_their_way_are_estimated_where_tokens_of_images_have_a_price() -> None:
    rows = {"currency": "USD", "per_image": [{"amount": "0.01"}]}
    by_image = PriceList.from_dict(rows)
    by_token = PriceList.from_dict({**rows, "per_million_tokens": {"output_image": "30"}})

    estimates = [
        one.estimate(size=Size(10, 10), quality="", count=1, preview_tokens=300)
        for one in (by_image, by_token)
    ]

    assert [one.amount for one in estimates] == [Decimal("0.01"), Decimal("0.019")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"per_image": [{"amount": "-0.1"}]}, "negative figure: “amount”"),
        ({"per_image": [{"amount": "1", "max_pixels": -5}]}, "negative figure: “max_pixels”"),
        ({"per_image": [{"amount": "1", "max_pixels": True}]}, "malformed"),
        ({"per_image": [{"amount": "1", "max_pixels": 1.5}]}, "malformed"),
        ({"per_image": [{"amount": "1", "size": "big"}]}, "malformed"),
        ({"per_image": [{"amount": "1", "size": "8x8", "max_pixels": 64}]}, "not for both"),
        ({"per_image": [{"amount": "1"}, {"amount": "2"}]}, "two prices for the same size"),
        ({"per_image": [{"amount": "1", "currency": "EUR"}]}, "unknown entry: “currency”"),
        ({"per_image": [{"amount": "1"}], "quality": "low"}, "unknown entry: “quality”"),
        ({"per_image": [{"quality": "low"}]}, "malformed"),
        ({"per_image": ["0.1"]}, "malformed"),
        ({"per_image": [{"amount": "NaN"}]}, "malformed"),
        ({"per_image": [{"amount": "1e400"}]}, "malformed"),
        ({"per_unit": {"megapixel": "-1"}}, "negative figure: “megapixel”"),
        ({"per_unit": {"minute": "1"}}, "unknown unit: “minute”"),
        ({"per_unit": {"megapixel": {"minute": "1"}}}, "malformed"),
        ({"per_million_tokens": {"output_video": "1"}}, "unknown kind of tokens"),
        ({"per_unit": {"second": "1"}}, "no price per image"),
        ({"per_unit": {"second": "1"}, "units_per_image": {"step": "4"}}, "not the price"),
        ({"per_unit": {"second": "1"}, "units_per_image": {"minute": "4"}}, "“minute”"),
        ({"per_unit": {"megapixel": "1"}, "units_per_image": {"megapixel": "4"}}, "estimated"),
        ({"per_image": [{"amount": "1"}], "free_per_month": {"euro": "4"}}, "counted in “euro”"),
        ({"per_image": [{"amount": "1"}], "free_per_month": {"image": "0"}}, "above 0"),
        ({"per_image": [{"amount": "1"}], "free_per_month": {"image": "-4"}}, "negative figure"),
        (
            {"per_image": [{"amount": "1"}], "free_per_month": {"image": "4", "credit": "1"}},
            "of one unit",
        ),
        ({"per_image": [{"amount": "1", "operation": "paint"}]}, "unknown operation: “paint”"),
        ({"per_image": [{"amount": "1", "operation": 3}]}, "malformed"),
        (
            {"per_image": [{"amount": a, "operation": "edit"} for a in ("1", "2")]},
            "two prices for the same",
        ),
        ({"per_image": [{"amount": "1"}], "currency": "dollars"}, "three capital letters"),
        ({"per_image": [{"amount": "1"}], "checked_on": "yesterday"}, "malformed"),
        ({"per_image": [{"amount": "1"}], "source": 3}, "malformed"),
    ],
)
def test_a_price_list_that_could_not_be_charged_is_refused(data: dict[str, Any], told: str) -> None:
    with pytest.raises(PriceUnknown) as refused:
        PriceList.from_dict({"currency": "USD"} | data)

    assert told in str(refused.value)


def test_a_price_for_one_size_is_for_that_size_alone() -> None:
    rows = [{"size": "1024x1536", "amount": "0.013"}, {"max_pixels": 1_048_576, "amount": "0.009"}]
    prices = PriceList.from_dict({"currency": "USD", "per_image": rows})

    assert prices.estimate(size=Size(1024, 1536), quality="", count=2).amount == Decimal("0.026")
    assert prices.estimate(size=Size(1024, 1024), quality="", count=1).amount == Decimal("0.009")
    with pytest.raises(PriceUnknown):
        prices.estimate(size=Size(1536, 1024), quality="", count=1)


@pytest.mark.parametrize(
    ("data", "steps", "amount"),
    [
        ({"per_unit": {"second": "0.001"}, "units_per_image": {"second": "7"}}, None, "0.007"),
        ({"per_unit": {"credit": "0.01"}, "units_per_image": {"credit": "6.5"}}, None, "0.065"),
        ({"per_unit": {"step": "0.0001"}, "units_per_image": {"step": 28}}, None, "0.0028"),
        ({"per_unit": {"step": "0.0001"}, "units_per_image": {"step": 28}}, 50, "0.005"),
        (
            {
                "per_unit": {"step": "0.0001", "megapixel": "0.04"},
                "units_per_image": {"step": "10"},
            },
            None,
            "0.041",
        ),
        (
            {
                "per_million_tokens": {"output_image": "30"},
                "units_per_image": {"output_image": "1290"},
            },
            None,
            "0.0387",
        ),
    ],
    ids=["seconds", "credits", "steps", "steps that are asked for", "both", "tokens"],
)
def test_an_image_is_estimated_by_what_it_is_expected_to_take(
    data: dict[str, Any], steps: int | None, amount: str
) -> None:
    prices = PriceList.from_dict({"currency": "USD"} | data)

    found = prices.estimate(size=Size(1000, 1000), quality="", count=1, steps=steps)

    assert found == Cost(Decimal(amount), "USD")


@pytest.mark.parametrize(
    ("unit", "usage", "count"),
    [
        ("image", Usage(images=2), "2"),
        ("megapixel", Usage(images=2, megapixels=Decimal("2.1")), "2.1"),
        ("credit", Usage(credits=Decimal(8)), "8"),
        ("second", Usage(seconds=Decimal("1.5")), "1.5"),
        ("step", Usage(steps=56), "56"),
    ],
)
def test_an_answer_counts_what_a_free_allowance_can_cover(
    unit: str, usage: Usage, count: str
) -> None:
    data = {"currency": "USD", "per_image": [{"amount": "1"}], "free_per_month": {unit: "100"}}
    result = ProviderResult(images=(ProviderImage(b"x"),), usage=usage)

    charge = PriceList.from_dict(data).charge(result, size=Size(64, 64), quality="")

    assert charge.origin.free_unit_count == Decimal(count)


def test_only_what_goes_beyond_the_free_allowance_is_charged() -> None:
    origin = CostOrigin(CostSource.COMPUTED, date(2026, 11, 26), Decimal(3))
    kept = Decimal("0.1")

    none = origin.charge_beyond(kept, free=Decimal(0))
    some = origin.charge_beyond(kept, free=Decimal(1))
    whole = origin.charge_beyond(kept, free=Decimal(100))

    assert none == (kept, CostOrigin(CostSource.COMPUTED, date(2026, 11, 26)))
    assert (some[0], some[1].free_unit_count) == (Decimal("0.0667"), Decimal(1))
    assert some[1].source is CostSource.COMPUTED
    assert whole == (Decimal(0), CostOrigin(CostSource.FREE, date(2026, 11, 26), Decimal(3)))
