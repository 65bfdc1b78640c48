"""The form of an image model, with its price list in rows of fields instead of as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminDateWidget
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import AnyModelForm
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.models import ImageModel

#: Rows of a price list that the form offers.
PRICE_ROWS = 6
#: The kinds of tokens that can have a price, with the labels of their fields.
TOKEN_LABELS = (
    ("input_text", gettext_lazy("Input text, per million tokens")),
    ("cached_input_text", gettext_lazy("Cached input text, per million tokens")),
    ("input_image", gettext_lazy("Input images, per million tokens")),
    ("cached_input_image", gettext_lazy("Cached input images, per million tokens")),
    ("output_image", gettext_lazy("Output images, per million tokens")),
    ("output_text", gettext_lazy("Output text, per million tokens")),
)


class ModelForm(AnyModelForm):
    """Edit the price list in rows of fields instead of as JSON."""

    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3, initial="USD")
    checked_on = forms.DateField(
        label=gettext_lazy("Prices last checked"),
        required=False,
        widget=AdminDateWidget,
        help_text=gettext_lazy("When you last compared the prices with the provider's."),
    )

    class Meta:
        model = ImageModel
        fields = [
            "provider",
            "name",
            "slug",
            "provider_model_name",
            "version",
            "lifecycle",
            "retires_on",
            "replaced_by",
            "fallback",
            "notes",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        price = self.instance.price_list or {}
        rows = list(price.get("per_image", []))
        self.fields["currency"].initial = price.get("currency", "USD")
        self.fields["checked_on"].initial = price.get("checked_on", "")
        for number in range(PRICE_ROWS):
            row = rows[number] if number < len(rows) else {}
            label = _("Price %(number)s") % {"number": number + 1}
            self.fields[f"amount_{number}"] = forms.DecimalField(
                label=label,
                required=False,
                min_value=Decimal(0),
                decimal_places=4,
                initial=row.get("amount"),
            )
            self.fields[f"quality_{number}"] = forms.CharField(
                label=_("for quality"),
                required=False,
                max_length=20,
                initial=row.get("quality", ""),
            )
            self.fields[f"max_pixels_{number}"] = forms.IntegerField(
                label=_("up to (pixels)"),
                required=False,
                min_value=1,
                initial=row.get("max_pixels") or None,
            )
        rates = price.get("per_million_tokens", {})
        for name, rate_label in TOKEN_LABELS:
            self.fields[f"tokens_{name}"] = forms.DecimalField(
                label=rate_label, required=False, min_value=Decimal(0), initial=rates.get(name)
            )

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        rows = []
        for number in range(PRICE_ROWS):
            if data.get(f"amount_{number}") is None:
                continue
            row: dict[str, Any] = {"amount": str(data[f"amount_{number}"])}
            if data.get(f"quality_{number}"):
                row["quality"] = data[f"quality_{number}"]
            if data.get(f"max_pixels_{number}"):
                row["max_pixels"] = data[f"max_pixels_{number}"]
            rows.append(row)
        price: dict[str, Any] = {"currency": data.get("currency", "USD"), "per_image": rows}
        rates = {
            n: str(data[f"tokens_{n}"])
            for n, _label in TOKEN_LABELS
            if data.get(f"tokens_{n}") is not None
        }
        if rates:
            price["per_million_tokens"] = rates
        if data.get("checked_on"):
            price["checked_on"] = data["checked_on"].isoformat()
        try:
            PriceList.from_dict(price)
        except PriceUnknown:
            self.add_error("amount_0", _("At least one price per image is required."))
        self.instance.price_list = price
        return data
