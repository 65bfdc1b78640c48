"""Estimate what a request will cost, and compute what its answer cost.

A price list is stored as JSON on the image model::

    {"currency": "USD",
     "per_image": [{"quality": "low", "max_pixels": 1048576, "amount": "0.011"}, ...],
     "per_million_tokens": {"input_text": "5", "input_image": "8", "output_image": "30"}}

The first row of `per_image` that matches counts; without `quality` a row matches every quality,
without `max_pixels` every size. This price is the estimate; it is also the charge where the
provider reports no token counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import Cost, ProviderResult, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Amounts are rounded up to a hundredth of a cent.
QUANTUM = Decimal("0.0001")
_MILLION = Decimal(1_000_000)
_TOKENS = ("input_text", "input_image", "output_image")


class PriceUnknown(ValueError):
    """There is no valid price for this request; without a price nothing is sent.

    Front ends translate the text and fill in the values.
    """

    def __init__(self, text: str, **values: object) -> None:
        self.problem = Message(text, values)
        super().__init__(str(self.problem))


def parse_cost(value: object) -> Decimal:
    """Return the cost that a site's own screener or captioner reports, rounded up to `QUANTUM`.

    :raises PriceUnknown: if the value is not a `Decimal` from 0 to a million.
    """
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= _MILLION:
        raise PriceUnknown(gettext_noop("the cost of a call must be a Decimal of at least 0"))
    return value.quantize(QUANTUM, rounding=ROUND_UP)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The price of one image of a quality, up to a size."""

    amount: Decimal
    #: Empty matches every quality.
    quality: str = ""
    #: Width times height, at most; 0 matches every size.
    max_pixels: int = 0


@dataclass(frozen=True, slots=True)
class PriceList:
    """The price list of one image model."""

    currency: str
    per_image: tuple[PriceRow, ...] = ()
    per_million_tokens: tuple[tuple[str, Decimal], ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PriceList:
        """Read a price list from its stored form.

        :raises PriceUnknown: if it is malformed or has no price per image.
        """
        try:
            rows = tuple(
                PriceRow(
                    amount=_money(row["amount"]),
                    quality=str(row.get("quality", "")),
                    max_pixels=int(row.get("max_pixels", 0)),
                )
                for row in data.get("per_image", ())
            )
            tokens = data.get("per_million_tokens", {})
            rates = tuple((name, _money(tokens[name])) for name in _TOKENS if name in tokens)
            currency = str(data["currency"])
        except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError):
            raise PriceUnknown(gettext_noop("the price list is malformed")) from None
        if not rows:
            raise PriceUnknown(gettext_noop("the price list names no price per image"))
        return cls(currency=currency, per_image=rows, per_million_tokens=rates)

    def image_price(self, *, size: Size, quality: str) -> Cost:
        """Return what one image costs.

        :raises PriceUnknown: if no row matches.
        """
        for row in self.per_image:
            if row.quality not in ("", quality):
                continue
            if row.max_pixels and size.pixels > row.max_pixels:
                continue
            return Cost(row.amount, self.currency)
        if not quality:
            raise PriceUnknown(gettext_noop("no price for %(size)s"), size=str(size))
        raise PriceUnknown(
            gettext_noop("no price for %(size)s at quality “%(quality)s”"),
            size=str(size),
            quality=quality,
        )

    def estimate(self, *, size: Size, quality: str, count: int) -> Cost:
        """Return what `count` images will cost at the price per image.

        :raises PriceUnknown: if no row matches.
        """
        unit = self.image_price(size=size, quality=quality)
        return Cost(_round(unit.amount * count), self.currency)

    def charge(self, result: ProviderResult, *, size: Size, quality: str) -> Cost:
        """Return what an answer cost.

        In this order: the cost that the provider reports in our currency, its token counts at the
        prices per token, or the price per image.

        :raises PriceUnknown: if the price per image is needed and no row matches.
        """
        if result.reported_cost is not None and result.reported_cost.currency == self.currency:
            return Cost(_round(result.reported_cost.amount), self.currency)
        usage = result.usage
        if self.per_million_tokens and usage.output_image_tokens:
            counted = {
                "input_text": usage.input_text_tokens,
                "input_image": usage.input_image_tokens,
                "output_image": usage.output_image_tokens,
            }
            total = sum(
                (rate * counted[name] for name, rate in self.per_million_tokens), start=Decimal(0)
            )
            return Cost(_round(total / _MILLION), self.currency)
        images = max(len(result.images), usage.images)
        unit = self.image_price(size=size, quality=result.resolved.get("quality", "") or quality)
        return Cost(_round(unit.amount * images), self.currency)


def _money(value: Any) -> Decimal:
    if isinstance(value, float):
        raise TypeError("money is written as text, not as a float")
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError(value)
    return amount


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(QUANTUM, rounding=ROUND_UP)
