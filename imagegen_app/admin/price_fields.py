"""Edit a price list in rows of form fields instead of as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminDateWidget, AdminTextInputWidget
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import JsonField
from imagegen_app.core.operations import Operation
from imagegen_app.core.price_kinds import ESTIMATED_KINDS, FREE_KINDS
from imagegen_app.models.labels import choices as label_choices
from imagegen_app.services.policy import free_allowances

#: Rows of a price list that an empty form offers, and those that it offers beside the ones in use.
MIN_ROWS, SPARE_ROWS = 4, 2
#: Rows that a form draws as fields; a longer list is edited as JSON.
MAX_FORM_ROWS = 12
#: The kinds of tokens that can have a price, with the labels of their fields.
TOKEN_LABELS = (
    ("input_text", gettext_lazy("Input text, per million tokens")),
    ("cached_input_text", gettext_lazy("Cached input text, per million tokens")),
    ("input_image", gettext_lazy("Input images, per million tokens")),
    ("cached_input_image", gettext_lazy("Cached input images, per million tokens")),
    ("output_image", gettext_lazy("Output images, per million tokens")),
    ("output_text", gettext_lazy("Output text, per million tokens")),
)
#: Further units that can have a price, with the labels of their fields.
UNIT_LABELS = (
    ("megapixel", gettext_lazy("Per megapixel")),
    ("credit", gettext_lazy("Per credit of the provider")),
    ("second", gettext_lazy("Per second of computing")),
    ("step", gettext_lazy("Per step of drawing")),
)
#: What a row of `per_image` has.
_ROW = ("amount", "operation", "quality", "size", "max_pixels")


class RowsField(JsonField):
    """The rows of a price list as JSON, one a line."""

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return super().prepare_value(value)
        rows = ",\n".join(f" {json.dumps(row, ensure_ascii=False)}" for row in value)
        return f"[\n{rows}\n]"


def row_count(price: Mapping[str, Any]) -> int:
    """Return how many rows a form offers for a price list."""
    used = len(price.get("per_image", ()))
    return min(max(used + SPARE_ROWS, MIN_ROWS), MAX_FORM_ROWS)


def is_long(price: Mapping[str, Any]) -> bool:
    """Return whether a price list has so many rows that they are edited as JSON."""
    return len(price.get("per_image", ())) > MAX_FORM_ROWS


def price_fields(price: Mapping[str, Any]) -> dict[str, forms.Field]:
    """Return the fields of a price list by name, with its figures as their initial values."""
    found: dict[str, forms.Field] = {
        "currency": forms.CharField(
            label=_("Currency"), max_length=3, initial=price.get("currency", "USD")
        ),
        "checked_on": forms.DateField(
            label=_("Prices last checked"),
            required=False,
            widget=AdminDateWidget,
            initial=price.get("checked_on", ""),
            help_text=_("When you last compared the prices with the provider's."),
        ),
        "price_source": forms.CharField(
            label=_("Source of the prices"),
            required=False,
            max_length=300,
            initial=price.get("source", ""),
            widget=AdminTextInputWidget,
            help_text=_("The address of the page where they stand, or a few words."),
        ),
    }
    rows = list(price.get("per_image", ()))
    if is_long(price):
        found["rows"] = RowsField(
            label=_("Prices"),
            initial=rows,
            widget=forms.Textarea(attrs={"rows": 16, "cols": 80, "spellcheck": "false"}),
            help_text=_(
                "A JSON list of rows. Each has an “amount” and, where it is not for every image, an "
                "“operation” such as edit, a “quality” and a “size” such as 1024x1536 or “max_pixels”."
            ),
        )
    for number in range(0 if is_long(price) else row_count(price)):
        found |= _row_fields(number, rows[number] if number < len(rows) else {})
    rates, units = price.get("per_million_tokens", {}), price.get("per_unit", {})
    expected = price.get("units_per_image", {})
    for prefix, labels, known in (("tokens", TOKEN_LABELS, rates), ("unit", UNIT_LABELS, units)):
        for name, label in labels:
            found[f"{prefix}_{name}"] = _figure(label, known.get(name))
            if name in ESTIMATED_KINDS:
                found[f"expected_{name}"] = _figure(
                    _("about so many for one image"), expected.get(name)
                )
    [[unit, count]] = price.get("free_per_month", {}).items() or [("image", None)]
    found["free_count"] = _figure(_("Free each month"), count)
    found["free_count"].help_text = _(
        "What the provider gives for nothing in a calendar month; it is charged as nothing, and reserved "
        "at the whole price. Leave empty for nothing."
    )
    choices = free_allowances.unit_labels()
    found["free_unit"] = forms.ChoiceField(
        label=_("of these"),
        choices=[(name, capfirst(choices[name])) for name in FREE_KINDS],
        required=False,
        initial=unit,
    )
    return found


def row_lines(price: Mapping[str, Any]) -> list[str | tuple[str, ...]]:
    """Return the names of the fields that most lists need, those of one line together."""
    lines: list[str | tuple[str, ...]] = [("currency", "checked_on"), "price_source"]
    if is_long(price):
        lines.append("rows")
    else:
        lines += [tuple(f"{name}_{n}" for name in _ROW) for n in range(row_count(price))]
    return [*lines, ("free_count", "free_unit")]


def unit_lines() -> list[str | tuple[str, ...]]:
    """Return the names of the fields for tokens and units, those of one line together."""
    lines: list[str | tuple[str, ...]] = []
    for prefix, labels in (("tokens", TOKEN_LABELS), ("unit", UNIT_LABELS)):
        for name, _label in labels:
            is_paired = name in ESTIMATED_KINDS
            pair = (f"{prefix}_{name}", f"expected_{name}")
            lines.append(pair if is_paired else pair[0])
    return lines


def has_units(price: Mapping[str, Any]) -> bool:
    """Return whether a price list has prices for tokens or units."""
    return bool(price.get("per_million_tokens") or price.get("per_unit"))


def price_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the price list that a form's cleaned data describe; empty if nothing has a price.

    What was entered as JSON may be anything: the list must be read before it counts.
    """
    rows: Any = data.get("rows")
    rows = [] if rows is None else rows
    for number in range(MAX_FORM_ROWS):
        if data.get(f"amount_{number}") is None:
            continue
        row: dict[str, Any] = {"amount": str(data[f"amount_{number}"])}
        given = {name: data.get(f"{name}_{number}") for name in _ROW[1:]}
        rows.append(row | {name: value for name, value in given.items() if value})
    entries = {
        "per_million_tokens": _given(data, "tokens", [name for name, _label in TOKEN_LABELS]),
        "per_unit": _given(data, "unit", [name for name, _label in UNIT_LABELS]),
        "units_per_image": _given(data, "expected", ESTIMATED_KINDS),
    }
    if not rows and not any(entries.values()):
        return {}
    price: dict[str, Any] = {"currency": data.get("currency", "USD"), "per_image": rows}
    price |= {name: figures for name, figures in entries.items() if figures}
    if data.get("free_count"):
        price["free_per_month"] = {data.get("free_unit") or "image": str(data["free_count"])}
    if data.get("checked_on"):
        price["checked_on"] = data["checked_on"].isoformat()
    if data.get("price_source"):
        price["source"] = data["price_source"]
    return price


def _given(data: Mapping[str, Any], prefix: str, names: Any) -> dict[str, str]:
    found = {name: data.get(f"{prefix}_{name}") for name in names}
    return {name: str(value) for name, value in found.items() if value is not None}


def _row_fields(number: int, row: Mapping[str, Any]) -> dict[str, forms.Field]:
    label = _("Price %(number)s") % {"number": number + 1}
    return {
        f"amount_{number}": forms.DecimalField(
            label=label,
            required=False,
            min_value=Decimal(0),
            max_digits=14,
            decimal_places=8,
            initial=row.get("amount"),
        ),
        f"operation_{number}": forms.ChoiceField(
            label=_("for operation"),
            required=False,
            choices=[("", _("any")), *label_choices(Operation)],
            initial=row.get("operation", ""),
        ),
        f"quality_{number}": forms.CharField(
            label=_("for quality"), required=False, max_length=20, initial=row.get("quality", "")
        ),
        f"size_{number}": forms.CharField(
            label=_("of this size"),
            required=False,
            max_length=12,
            initial=row.get("size", ""),
            widget=forms.TextInput(attrs={"placeholder": "1024x1536"}),
        ),
        f"max_pixels_{number}": forms.IntegerField(
            label=_("up to (pixels)"),
            required=False,
            min_value=1,
            initial=row.get("max_pixels") or None,
        ),
    }


def _figure(label: Any, initial: object) -> forms.Field:
    return forms.DecimalField(label=label, required=False, min_value=Decimal(0), initial=initial)
