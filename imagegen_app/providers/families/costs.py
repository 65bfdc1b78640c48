"""Read the cost that an answer names in units of a fixed price, such as credits."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from imagegen_app.core.json_paths import value_at
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
