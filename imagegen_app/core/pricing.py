"""Estimate what a request will cost, and compute what its answer cost.

A price list is stored as JSON on the image model::

    {"currency": "USD",
     "per_image": [{"quality": "low", "max_pixels": 1048576, "amount": "0.011"}, ...],
     "per_million_tokens": {"input_text": "5", "input_image": "8", "output_image": "30"},
     "checked_on": "2026-11-26"}

The first row of `per_image` that matches counts; without `quality` a row matches every quality,
without `max_pixels` every size. This price is the estimate; it is also the charge where the
provider reports no token counts. `TOKEN_KINDS` has the kinds of tokens that can have a price;
`checked_on` is the day on which somebody last compared the list with the provider's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import Cost, ProviderResult, Size, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Amounts are rounded up to a hundredth of a cent.
QUANTUM = Decimal("0.0001")
_MILLION = Decimal(1_000_000)
#: The kinds of tokens that can have a price, with what counts as each of them.
TOKEN_KINDS: dict[str, str] = {
    "input_text": "Prompts.",
    "cached_input_text": "Prompts that the provider has cached; without a price, as other prompts.",
    "input_image": "Images handed in.",
    "cached_input_image": "Such images that the provider has cached; without a price, as others.",
    "output_image": "Images of the answer.",
    "output_text": "Texts of the answer, such as a plan that the model writes before it draws.",
}
_CACHED = "cached_"
#: The entries of a price list, and of its rows.
_ENTRIES: Final = frozenset(
    {
        "currency",
        "per_image",
        "per_million_tokens",
        "checked_on",
        "amount",
        "quality",
        "max_pixels",
    }
)
_MAX_KIND_CHARS = 40


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
    #: When somebody last compared the list with the provider's; None if that is not known.
    checked_on: date | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PriceList:
        """Read a price list from its stored form.

        :raises PriceUnknown: if it is malformed, has no price per image, a price for an unknown kind
            of tokens, or any other entry, which would be ignored.
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
            rates = tuple((str(name), _money(price)) for name, price in tokens.items())
            currency = str(data["currency"])
            checked = data.get("checked_on", "")
            checked_on = None if checked == "" else date.fromisoformat(checked)
        except (KeyError, TypeError, ValueError, InvalidOperation, AttributeError):
            raise PriceUnknown(gettext_noop("the price list is malformed")) from None
        if not rows:
            raise PriceUnknown(gettext_noop("the price list names no price per image"))
        for name in (*data, *(key for row in data["per_image"] for key in row)):
            if name not in _ENTRIES:
                raise PriceUnknown(
                    gettext_noop("the price list has an unknown entry: “%(name)s”"),
                    name=str(name)[:_MAX_KIND_CHARS],
                )
        for name, _price in rates:
            if name not in TOKEN_KINDS:
                # Left out, it would never be charged.
                raise PriceUnknown(
                    gettext_noop("the price list names an unknown kind of tokens: “%(kind)s”"),
                    kind=name[:_MAX_KIND_CHARS],
                )
        return cls(
            currency=currency, per_image=rows, per_million_tokens=rates, checked_on=checked_on
        )

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
        prices per token, or the price per image. Where it counts no tokens of images, or tokens of a
        kind that has no price, the answer costs the greater of both.

        :raises PriceUnknown: if the price per image is needed and no row matches.
        """
        if result.reported_cost is not None and result.reported_cost.currency == self.currency:
            return Cost(_round(result.reported_cost.amount), self.currency)
        usage = result.usage
        by_tokens = Decimal(0)
        if self.per_million_tokens:
            rates = self._rates()
            counted = _counted(usage)
            total = sum((counted[name] * rates.get(name, 0) for name in counted), start=Decimal(0))
            by_tokens = _round(total / _MILLION)
            # Without tokens of images the counts do not tell what the images cost.
            if usage.output_image_tokens and not self.unpriced_kinds(usage):
                return Cost(by_tokens, self.currency)
        images = max(len(result.images), usage.images)
        unit = self.image_price(size=size, quality=result.resolved.get("quality", "") or quality)
        return Cost(max(_round(unit.amount * images), by_tokens), self.currency)

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


def _money(value: Any) -> Decimal:
    if isinstance(value, float):
        raise TypeError("money is written as text, not as a float")
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError(value)
    return amount


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(QUANTUM, rounding=ROUND_UP)
