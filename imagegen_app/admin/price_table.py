"""Show a price list in words: its lowest price, when it was checked, and all of it as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.admin.base import EMPTY, definition_list
from imagegen_app.admin.price_fields import TOKEN_LABELS, UNIT_LABELS
from imagegen_app.core import pricing, types
from imagegen_app.core.operations import Operation
from imagegen_app.models.amounts import format_amount
from imagegen_app.models.labels import LABELS
from imagegen_app.services.policy import free_allowances

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from django.utils.safestring import SafeString


def read(price_list: Mapping[str, Any]) -> pricing.PriceList | None:
    """Return a stored price list; None if it is not valid, or there is none."""
    try:
        return pricing.PriceList.from_dict(price_list)
    except pricing.PriceUnknown:
        return None


def lowest_price(price_list: Mapping[str, Any]) -> str:
    """Return the lowest price of one image, or the first one of what it is estimated by."""
    price = read(price_list)
    if price is None:
        return EMPTY
    if price.per_image:
        return _("from %(amount)s %(currency)s") % {
            "amount": format_amount(min(r.amount for r in price.per_image)),
            "currency": price.currency,
        }
    units = dict(price.per_unit)
    if "megapixel" in units:
        return _("%(amount)s %(currency)s per megapixel") % {
            "amount": format_amount(units["megapixel"]),
            "currency": price.currency,
        }
    return _("about %(amount)s %(currency)s") % {
        "amount": format_amount(price.image_price(size=types.Size(1, 1), quality="").amount),
        "currency": price.currency,
    }


def checked_day(price_list: Mapping[str, Any]) -> str:
    """Return when somebody last compared a price list with the provider's."""
    price = read(price_list)
    if price is None:
        return EMPTY
    return _("not known") if price.checked_on is None else price.checked_on.isoformat()


def table(price_list: Mapping[str, Any]) -> SafeString | str:
    """Return a price list as a table of its rows, and a list of all else."""
    price = read(price_list)
    if price is None:
        return EMPTY
    rows = format_html_join(
        "",
        "<tr><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        (
            (
                format_amount(row.amount),
                price.currency,
                _operation(row) or _("any"),
                row.quality or _("any"),
                row.size or row.max_pixels or _("any"),
            )
            for row in price.per_image
        ),
    )
    head = format_html(
        '<table class="imagegen-small"><tr><th>{}</th><th>{}</th><th>{}</th><th>{}</th></tr>{}</table>',
        _("Per image"),
        capfirst(_("operation")),
        _("Quality"),
        _("Size, or up to (pixels)"),
        rows,
    )
    return format_html("{}{}", head if price.per_image else "", definition_list(_lines(price)))


def in_words(price_list: Mapping[str, Any]) -> str:
    """Return a price list in one line of plain text."""
    price = read(price_list)
    if price is None:
        return EMPTY
    per_image = [
        " ".join(
            (
                f"{format_amount(row.amount)} {price.currency}",
                f"({', '.join(str(part) for part in _limits(row) if part)})",
            )
        ).removesuffix(" ()")
        for row in price.per_image
    ]
    return "; ".join([*per_image, *(f"{label}: {text}" for label, text in _lines(price))])


def _operation(row: pricing.PriceRow) -> str:
    return "" if row.operation is None else str(LABELS[Operation][row.operation])


def _limits(row: pricing.PriceRow) -> tuple[object, ...]:
    return _operation(row), row.quality, row.size or row.max_pixels


def _lines(price: pricing.PriceList) -> list[tuple[object, object]]:
    rates = dict(price.per_million_tokens) | dict(price.per_unit)
    expected = dict(price.units_per_image)
    lines: list[tuple[object, object]] = []
    for name, label in (*TOKEN_LABELS, *UNIT_LABELS):
        if name in rates:
            text = f"{format_amount(rates[name])} {price.currency}"
            if name in expected:
                text += " · " + _("about %(count)s an image") % {"count": expected[name]}
            lines.append((label, text))
    if price.free_per_month is not None:
        unit = free_allowances.unit_labels()[price.free_per_month.unit]
        lines.append((_("Free each month"), f"{price.free_per_month.count:f} {unit}"))
    day = _("not known") if price.checked_on is None else price.checked_on.isoformat()
    lines.append((_("Prices last checked"), day))
    if price.source:
        lines.append((_("Source of the prices"), price.source))
    return lines
