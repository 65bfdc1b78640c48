"""Read what an answer says that it cost in units of a fixed price, and what a list says of prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from imagegen_app.core.json_paths import value_at
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.provider_values import clean_number
from imagegen_app.core.types import Cost

#: More of them are not believed.
MAX_UNITS: Final = 1e6


def units_at(document: object, path: str) -> Decimal | None:
    """Return the units that an answer counts at a path; None where it counts none."""
    units = clean_number(value_at(document, path), low=0.0, high=MAX_UNITS)
    return None if units is None else Decimal(str(units))


def cost_at(document: object, path: str, *, units_a_dollar: int) -> Cost | None:
    """Return what the units at a path cost; None where an answer counts none."""
    units = units_at(document, path)
    return None if units is None else Cost(units / units_a_dollar, "USD")


def image_price(amount: object, *, source: str, now: float) -> dict[str, Any]:
    """Return a price list of one price per image in US dollars; empty if the amount is none."""
    if isinstance(amount, int | float) and not isinstance(amount, bool):
        # Written with an exponent, a small one would be none.
        amount = f"{Decimal(str(amount)):f}"
    price: dict[str, Any] = {
        "currency": "USD",
        "per_image": [{"amount": amount}],
        "checked_on": datetime.fromtimestamp(now, UTC).date().isoformat(),
        "source": source,
    }
    try:
        PriceList.from_dict(price)
    except PriceUnknown:
        return {}
    return price
