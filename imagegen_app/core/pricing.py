"""Estimate what a request will cost, and compute what its answer cost.

A price list is stored as JSON on the image model::

    {"currency": "USD",
     "per_image": [{"quality": "low", "max_pixels": 1048576, "amount": "0.011"},
                   {"quality": "low", "size": "1536x1024", "amount": "0.016"},
                   {"operation": "upscale", "amount": "0.02"}, ...],
     "per_million_tokens": {"input_text": "5", "input_image": "8", "output_image": "30"},
     "per_unit": {"megapixel": "0.04", "credit": "0.01"},
     "units_per_image": {"credit": "4"},
     "free_per_month": {"image": "500"},
     "checked_on": "2026-11-26", "source": "https://..."}

The first row of `per_image` that matches counts; without `quality` a row matches every quality,
without `max_pixels` or `size` every size. A row with an `operation` is for that one, and goes before
those that are for all. Where none matches, an image is estimated by its megapixels
and by what it is expected to take of other units and tokens (`units_per_image`), at their prices. This
is also the charge where the provider counts nothing that has a price. `checked_on` is the day on which
somebody last compared the list with the provider's, at `source`. `price_entries` has what can be named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.price_entries import (
    FreeAllowance,
    PriceEntries,
    PriceRow,
    PriceUnknown,
    read_entries,
)
from imagegen_app.core.price_kinds import TOKEN_KINDS, UNIT_KINDS
from imagegen_app.core.states import CostSource
from imagegen_app.core.types import Cost, Operation, ProviderResult, Size, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ESTIMATE",
    "QUANTUM",
    "TOKEN_KINDS",
    "UNBILLED",
    "UNIT_KINDS",
    "Charge",
    "CostOrigin",
    "CostSource",
    "FreeAllowance",
    "PriceList",
    "PriceRow",
    "PriceUnknown",
    "parse_cost",
]

#: Amounts are rounded up to a hundredth of a cent.
QUANTUM = Decimal("0.0001")
DEFAULT_CURRENCY: Final = "USD"
_MILLION = Decimal(1_000_000)
_CACHED = "cached_"


@dataclass(frozen=True, slots=True)
class CostOrigin:
    """Where the cost of a call comes from; without a source there is no cost."""

    source: CostSource | None = None
    #: When the price list was last compared with the provider's; only for computed costs.
    priced_on: date | None = None
    #: Of the unit of the price list's free allowance: before the charge is made, what an allowance can
    #: cover, and after it, what it has covered.
    free_unit_count: Decimal = Decimal(0)

    def charge_beyond(self, amount: Decimal, *, free: Decimal) -> tuple[Decimal, CostOrigin]:
        """Return an amount and its origin where so many units cost nothing; the rest is rounded up."""
        covered = min(self.free_unit_count, max(free, Decimal(0)))
        origin = replace(self, free_unit_count=covered)
        if not covered:
            return amount, origin
        if covered == self.free_unit_count:
            return Decimal(0), replace(origin, source=CostSource.FREE)
        return _round(amount * (self.free_unit_count - covered) / self.free_unit_count), origin


#: The origin of a cost that nobody has counted.
ESTIMATE: Final = CostOrigin(CostSource.ESTIMATED)
#: The origin where nothing was billed.
UNBILLED: Final = CostOrigin()


@dataclass(frozen=True, slots=True)
class Charge:
    """What an answer cost, and where the figure comes from."""

    amount: Decimal
    currency: str
    origin: CostOrigin


def parse_cost(value: object) -> Decimal:
    """Return the cost that a site's own screener or captioner reports, rounded up to `QUANTUM`.

    :raises PriceUnknown: if the value is not a `Decimal` from 0 to a million.
    """
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= _MILLION:
        raise PriceUnknown(gettext_noop("the cost of a call must be a Decimal of at least 0"))
    return value.quantize(QUANTUM, rounding=ROUND_UP)


@dataclass(frozen=True, slots=True)
class PriceList(PriceEntries):
    """The price list of one image model."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PriceList:
        """Read a price list from its stored form.

        :raises PriceUnknown: if it has no price that an image can be estimated by, or is not valid in
            another way; see `read_entries`.
        """
        return cls(**read_entries(data))

    def image_price(
        self,
        *,
        size: Size,
        quality: str,
        operation: Operation | None = None,
        steps: int | None = None,
    ) -> Cost:
        """Return what one image is estimated to cost; `steps` is how many the request asks for.

        Without an operation, only rows for all of them count.

        :raises PriceUnknown: if no row matches, and there is no other price that it can be estimated by.
        """
        for wanted in dict.fromkeys((operation, None)):
            for row in self.per_image:
                if row.operation == wanted and row.matches(size=size, quality=quality):
                    return Cost(row.amount, self.currency)
        units, expected = dict(self.per_unit), dict(self.units_per_image)
        if steps is not None and "step" in units:
            expected["step"] = Decimal(steps)
        if "megapixel" in units:
            expected["megapixel"] = Decimal(size.pixels) / _MILLION
        rates = {name: price / _MILLION for name, price in self._rates().items()} | units
        if expected:
            # A step and a second may both have a price; then an image costs both.
            total = sum((count * rates[name] for name, count in expected.items()), start=Decimal(0))
            return Cost(total, self.currency)
        if any(row.matches(size=size, quality=quality) for row in self.per_image):
            raise PriceUnknown(
                gettext_noop("prices for other operations than “%(operation)s” only"),
                operation=operation or "",
            )
        if not quality:
            raise PriceUnknown(gettext_noop("no price for %(size)s"), size=str(size))
        raise PriceUnknown(
            gettext_noop("no price for %(size)s at quality “%(quality)s”"),
            size=str(size),
            quality=quality,
        )

    def estimate(
        self,
        *,
        size: Size,
        quality: str,
        count: int,
        operation: Operation | None = None,
        steps: int | None = None,
        preview_tokens: int = 0,
    ) -> Cost:
        """Return what `count` images will cost at the price per image.

        `preview_tokens` are those of images on their way, which count as images of the answer where
        these tokens have a price. What the provider gives for nothing is not left out: the whole price
        is what is reserved.

        :raises PriceUnknown: if they have no price.
        """
        unit = self.image_price(size=size, quality=quality, operation=operation, steps=steps)
        previews = preview_tokens * self._rates().get("output_image", Decimal(0)) / _MILLION
        return Cost(_round(unit.amount * count + previews), self.currency)

    def charge(
        self,
        result: ProviderResult,
        *,
        size: Size,
        quality: str,
        operation: Operation | None = None,
    ) -> Charge:
        """Return what an answer cost.

        In this order: the provider's credits at our price for one; the cost that the provider reports
        in our currency; the tokens and units that it counts, at their prices; the price per image.
        Where it counts no tokens of images, or tokens of a kind that has no price, the answer costs the
        greater of tokens and images.

        A cost that the provider reports is what it bills, with all that it gives for nothing; any other
        has the units that a free allowance can cover.

        :raises PriceUnknown: if the price per image is needed and no row matches.
        """
        charge = self._charge(result, size=size, quality=quality, operation=operation)
        if self.free_per_month is None or charge.origin.source is CostSource.REPORTED:
            return charge
        used = dict(_units(result.usage)) | {
            "image": max(len(result.images), result.usage.images),
            "credit": result.usage.credits,
        }
        count = Decimal(used[self.free_per_month.unit])
        return replace(charge, origin=replace(charge.origin, free_unit_count=count))

    def _charge(
        self, result: ProviderResult, *, size: Size, quality: str, operation: Operation | None
    ) -> Charge:
        usage, units = result.usage, dict(self.per_unit)
        if usage.credits and "credit" in units:
            return self._computed(usage.credits * units["credit"])
        if result.reported_cost is not None and result.reported_cost.currency == self.currency:
            amount = _round(result.reported_cost.amount)
            return Charge(amount, self.currency, CostOrigin(CostSource.REPORTED))
        by_unit = sum((n * units[name] for name, n in _units(usage) if name in units), Decimal(0))
        by_tokens = Decimal(0)
        if self.per_million_tokens:
            rates = self._rates()
            counted = _counted(usage)
            total = sum((counted[name] * rates.get(name, 0) for name in counted), start=Decimal(0))
            by_tokens = _round(total / _MILLION)
            # Without tokens of images the counts do not tell what the images cost.
            if usage.output_image_tokens and not self.unpriced_kinds(usage):
                return self._computed(by_tokens + by_unit)
        if by_unit:
            return self._computed(by_unit + by_tokens)
        images = max(len(result.images), usage.images)
        quality = result.resolved.get("quality", "") or quality
        unit = self.image_price(size=size, quality=quality, operation=operation)
        return self._computed(max(_round(unit.amount * images), by_tokens))

    def _computed(self, amount: Decimal) -> Charge:
        origin = CostOrigin(CostSource.COMPUTED, self.checked_on)
        return Charge(_round(amount), self.currency, origin)

    def unpriced_kinds(self, usage: Usage) -> tuple[str, ...]:
        """Return the kinds of tokens that an answer counts and that have no price.

        Empty for a list without any price for tokens.
        """
        if not self.per_million_tokens:
            return ()
        rates = self._rates()
        return tuple(name for name, count in _counted(usage).items() if count and name not in rates)

    def _rates(self) -> dict[str, Decimal]:
        """Return the price of each kind of tokens that has one, also by what it falls back to."""
        own = dict(self.per_million_tokens)
        found = {name: own.get(name, own.get(name.removeprefix(_CACHED))) for name in TOKEN_KINDS}
        return {name: rate for name, rate in found.items() if rate is not None}


def _counted(usage: Usage) -> dict[str, int]:
    """Return the tokens of an answer by their kind."""
    return {name: int(getattr(usage, f"{name}_tokens")) for name in TOKEN_KINDS}


def _units(usage: Usage) -> tuple[tuple[str, Decimal | int], ...]:
    """Return what an answer counts beside tokens and credits, by its unit."""
    return (
        ("megapixel", usage.megapixels),
        ("second", usage.seconds),
        ("step", usage.steps),
    )


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(QUANTUM, rounding=ROUND_UP)


def price_per_image(amount: str, *, currency: str = "") -> dict[str, Any]:
    """Return the price list, as it is stored, of a model whose images all cost the same."""
    return {"currency": currency or DEFAULT_CURRENCY, "per_image": [{"amount": amount}]}
