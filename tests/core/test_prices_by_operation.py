"""A row of a price list can be for one operation, and then goes before those for all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.types import Operation, ProviderImage, ProviderResult, Size


@pytest.mark.parametrize(
    ("operation", "quality", "amount"),
    [
        (Operation.GENERATE, "", "0.05"),
        (Operation.GENERATE, "high", "0.09"),
        (Operation.EDIT, "", "0.04"),
        # The row for the operation goes before the one for its quality.
        (Operation.EDIT, "high", "0.04"),
        (None, "", "0.05"),
    ],
)
def test_an_operation_can_have_a_price_of_its_own(
    operation: Operation | None, quality: str, amount: str
) -> None:
    rows = [
        {"quality": "high", "amount": "0.09"},
        {"amount": "0.05"},
        {"operation": "edit", "amount": "0.04"},
    ]
    prices = PriceList.from_dict({"currency": "USD", "per_image": rows})
    about: Any = {"size": Size(64, 64), "quality": quality, "operation": operation}
    two = ProviderResult(images=(ProviderImage(b"x"), ProviderImage(b"y")))

    estimate = prices.estimate(count=2, **about)
    charge = prices.charge(two, **about)

    assert estimate.amount == charge.amount == 2 * Decimal(amount)


def test_a_list_for_one_operation_has_no_price_for_another() -> None:
    rows = [{"operation": "upscale", "amount": "0.02"}]
    prices = PriceList.from_dict({"currency": "USD", "per_image": rows})

    with pytest.raises(PriceUnknown, match="other operations than “edit” only"):
        prices.estimate(size=Size(64, 64), quality="", count=1, operation=Operation.EDIT)
