from __future__ import annotations

from decimal import Decimal

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


def test_final_states_have_no_transitions() -> None:
    assert {"succeeded", "failed", "blocked", "cancelled", "expired"} == FINAL_STATES
    assert not any(can_transition(end, state) for end in FINAL_STATES for state in JOB_TRANSITIONS)
