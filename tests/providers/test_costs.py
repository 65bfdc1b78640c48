"""Prices that lists name become price lists, whether they are texts or numbers."""

from __future__ import annotations

import pytest

from imagegen_app.core.pricing import PriceList
from imagegen_app.core.types import Size
from imagegen_app.providers.families import costs


@pytest.mark.parametrize("amount", ["0.04", 0.04])
def test_a_price_may_be_a_text_or_a_number(amount: object) -> None:
    price = costs.image_price(amount, source="https://images.example/models", now=0.0)

    cost = PriceList.from_dict(price).image_price(size=Size(8, 8), quality="")
    assert (str(cost.amount), cost.currency) == ("0.04", "USD")


def test_a_small_price_is_written_out() -> None:
    price = costs.image_price(1e-05, source="https://images.example/models", now=0.0)

    assert price["per_image"] == [{"amount": "0.00001"}]


@pytest.mark.parametrize("amount", [None, True, -1, "much", float("nan"), float("inf"), {}, []])
def test_what_is_no_price_makes_no_list(amount: object) -> None:
    assert costs.image_price(amount, source="https://images.example/models", now=0.0) == {}
