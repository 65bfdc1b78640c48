"""Read the entries of a price list, and refuse what could not be charged as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.price_kinds import ESTIMATED_KINDS, FREE_KINDS, TOKEN_KINDS, UNIT_KINDS
from imagegen_app.core.types import Operation, Size

#: Rows of one list: more are a mistake, and slow to look through.
MAX_ROWS: Final = 500
_ENTRIES: Final = frozenset(
    {
        "currency",
        "per_image",
        "per_million_tokens",
        "per_unit",
        "units_per_image",
        "free_per_month",
        "checked_on",
        "source",
    }
)
_ROW_ENTRIES: Final = frozenset({"amount", "operation", "quality", "size", "max_pixels"})
_MAX_KIND_CHARS = 40
_MAX_SOURCE_CHARS = 300
_MAX_FIGURE = Decimal(10**9)
_CURRENCY = re.compile(r"[A-Z]{3}")


class PriceUnknown(ValueError):
    """There is no valid price for this request; without a price nothing is sent.

    Front ends translate the text and fill in the values.
    """

    def __init__(self, text: str, **values: object) -> None:
        self.problem = Message(text, values)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The price of one image of an operation and a quality, of one size or up to a size."""

    amount: Decimal
    #: Empty matches every quality.
    quality: str = ""
    #: Width times height, at most; 0 matches every size.
    max_pixels: int = 0
    #: The only size that matches; None for `max_pixels`.
    size: Size | None = None
    #: None matches every operation; a row for one goes before those for all.
    operation: Operation | None = None

    def matches(self, *, size: Size, quality: str) -> bool:
        """Tell whether it is the price of an image of this size and quality, for its operation."""
        if self.quality not in {"", quality}:
            return False
        if self.size is not None:
            return size == self.size
        return not self.max_pixels or size.pixels <= self.max_pixels


@dataclass(frozen=True, slots=True)
class FreeAllowance:
    """What a provider gives for nothing in each calendar month."""

    #: One of `FREE_KINDS`.
    unit: str
    #: How many of them; above 0.
    count: Decimal


@dataclass(frozen=True, slots=True)
class PriceEntries:
    """What stands in a price list."""

    currency: str
    per_image: tuple[PriceRow, ...] = ()
    per_million_tokens: tuple[tuple[str, Decimal], ...] = ()
    #: By a key of `UNIT_KINDS`.
    per_unit: tuple[tuple[str, Decimal], ...] = ()
    #: When somebody last compared the list with the provider's; None if that is not known.
    checked_on: date | None = None
    #: What an image is estimated to take, by one of `ESTIMATED_KINDS`.
    units_per_image: tuple[tuple[str, Decimal], ...] = ()
    #: None where the provider gives nothing for nothing.
    free_per_month: FreeAllowance | None = None
    #: Where the prices are from: an address, or a few words.
    source: str = ""


def read_entries(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `PriceEntries` by name, read from the stored form of a price list.

    :raises PriceUnknown: if it is malformed, has a negative figure, a price for an unknown kind of
        tokens or unit, contradicts itself, or has any other entry, which would be ignored.
    """
    _require_names(data, _ENTRIES)
    rows = _rows(data.get("per_image", ()))
    tokens = _figures(data.get("per_million_tokens", {}))
    units = _figures(data.get("per_unit", {}))
    # Left out, they would never be charged.
    _require_known(
        gettext_noop("the price list names an unknown kind of tokens: “%(kind)s”"),
        tokens,
        TOKEN_KINDS,
    )
    _require_known(
        gettext_noop("the price list names an unknown unit: “%(kind)s”"), units, UNIT_KINDS
    )
    expected = _figures(data.get("units_per_image", {}))
    _require_known(
        gettext_noop("an image cannot be estimated to take “%(kind)s”"), expected, ESTIMATED_KINDS
    )
    priced = {name for name, _price in (*tokens, *units)}
    for name, _count in expected:
        if name not in priced:
            raise PriceUnknown(
                gettext_noop(
                    "the price list says how many “%(kind)s” an image takes, not the price"
                ),
                kind=name,
            )
    if not rows and "megapixel" not in priced and not expected:
        raise PriceUnknown(gettext_noop("the price list names no price per image"))
    return {
        "currency": _currency(data.get("currency")),
        "per_image": rows,
        "per_million_tokens": tokens,
        "per_unit": units,
        "units_per_image": expected,
        "free_per_month": _allowance(data.get("free_per_month")),
        "checked_on": _day(data.get("checked_on", "")),
        "source": _source(data.get("source", "")),
    }


def _malformed() -> PriceUnknown:
    return PriceUnknown(gettext_noop("the price list is malformed"))


def _require_names(data: object, known: frozenset[str]) -> None:
    if not isinstance(data, Mapping):
        raise _malformed()
    for name in data:
        if name not in known:
            raise PriceUnknown(
                gettext_noop("the price list has an unknown entry: “%(name)s”"),
                name=str(name)[:_MAX_KIND_CHARS],
            )


def _rows(given: object) -> tuple[PriceRow, ...]:
    if not isinstance(given, list | tuple) or len(given) > MAX_ROWS:
        raise _malformed()
    found: dict[tuple[object, ...], PriceRow] = {}
    for entry in given:
        row = _row(entry)
        place = (row.operation, row.quality, row.max_pixels, row.size)
        if found.setdefault(place, row) is not row:
            raise PriceUnknown(
                gettext_noop("the price list has two prices for the same size and quality")
            )
    return tuple(found.values())


def _row(entry: object) -> PriceRow:
    _require_names(entry, _ROW_ENTRIES)
    given: Mapping[str, Any] = entry  # type: ignore[assignment]  # it is a mapping
    if "amount" not in given:
        raise _malformed()
    quality, size, most = (
        given.get("quality", ""),
        given.get("size", ""),
        given.get("max_pixels", 0),
    )
    if not isinstance(quality, str) or not isinstance(size, str):
        raise _malformed()
    if isinstance(most, bool) or not isinstance(most, int):
        raise _malformed()
    if most < 0:
        raise _negative("max_pixels")
    if size and most:
        raise PriceUnknown(
            gettext_noop("a price is for one size or up to a number of pixels, not for both")
        )
    try:
        exact = Size.parse(size) if size else None
    except ValueError:
        raise _malformed() from None
    operation = _operation(given.get("operation", ""))
    return PriceRow(figure(given["amount"], "amount"), quality, most, exact, operation)


def _operation(given: object) -> Operation | None:
    if not isinstance(given, str):
        raise _malformed()
    if given and given not in set(Operation):
        raise PriceUnknown(
            gettext_noop("the price list names an unknown operation: “%(name)s”"),
            name=given[:_MAX_KIND_CHARS],
        )
    return Operation(given) if given else None


def _figures(given: object) -> tuple[tuple[str, Decimal], ...]:
    if not isinstance(given, Mapping):
        raise _malformed()
    return tuple((str(name), figure(value, str(name))) for name, value in given.items())


def figure(value: Any, name: str) -> Decimal:
    """Return a figure that is written as text or as a whole number.

    :raises PriceUnknown: if it is none, is negative, or is larger than any price.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        # Floats are no money: what is written is not what is stored.
        raise _malformed()
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise _malformed() from None
    if not amount.is_finite() or amount > _MAX_FIGURE:
        raise _malformed()
    if amount < 0:
        raise _negative(name)
    return amount


def _negative(name: str) -> PriceUnknown:
    return PriceUnknown(
        gettext_noop("the price list has a negative figure: “%(name)s”"),
        name=name[:_MAX_KIND_CHARS],
    )


def _require_known(
    text: str, prices: tuple[tuple[str, Decimal], ...], known: Iterable[str]
) -> None:
    for name, _price in prices:
        if name not in known:
            raise PriceUnknown(text, kind=name[:_MAX_KIND_CHARS])


def _allowance(given: object) -> FreeAllowance | None:
    if given is None or given == {}:
        return None
    found = _figures(given)
    _require_known(
        gettext_noop("a free allowance cannot be counted in “%(kind)s”"), found, FREE_KINDS
    )
    if len(found) != 1 or not found[0][1]:
        raise PriceUnknown(
            gettext_noop("a free allowance is a number above 0 of one unit, such as images")
        )
    return FreeAllowance(*found[0])


def _currency(given: object) -> str:
    if not isinstance(given, str) or not _CURRENCY.fullmatch(given):
        raise PriceUnknown(
            gettext_noop("the price list's currency must be three capital letters, such as USD")
        )
    return given


def _day(given: object) -> date | None:
    if given == "":
        return None
    try:
        return date.fromisoformat(given)  # type: ignore[arg-type]  # it is refused
    except (TypeError, ValueError):
        raise _malformed() from None


def _source(given: object) -> str:
    if not isinstance(given, str) or len(given) > _MAX_SOURCE_CHARS:
        raise _malformed()
    return given
