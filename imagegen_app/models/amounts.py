"""Store money exactly on every database: as whole hundredths of a cent.

SQLite has no decimal numbers: sums of decimals are computed there as floats, and a limit that is
reached exactly could count as exceeded. So the column is an integer, and code sees `Decimal`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Value
from django.db.models.expressions import Combinable
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

#: Digits after the decimal point.
PLACES = 4
_UNIT = Decimal(1).scaleb(-PLACES)


if TYPE_CHECKING:
    _Integer = models.BigIntegerField[Any, Any]
else:
    # Django's fields accept no type parameters at run time.
    _Integer = models.BigIntegerField


class MoneyField(_Integer):
    """An amount of money as `Decimal`, stored as a whole number of hundredths of a cent."""

    _pyi_private_set_type: Decimal | int | str | Combinable  # type: ignore[assignment]  # amounts, not counts
    _pyi_private_get_type: Decimal  # type: ignore[assignment]  # amounts, not counts

    description = _("Amount of money")

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or value == "":
            return None
        try:
            return Decimal(str(value)).quantize(_UNIT)
        except InvalidOperation:
            raise ValidationError(
                _("“%(value)s” is not a valid amount."), params={"value": value}
            ) from None

    def from_db_value(self, value: int | None, *_args: Any) -> Decimal | None:
        return None if value is None else Decimal(int(value)).scaleb(-PLACES)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        amount = self.to_python(value)
        return None if amount is None else int(amount.scaleb(PLACES))

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        options: dict[str, Any] = {
            "form_class": forms.DecimalField,
            "max_digits": 14,
            "decimal_places": PLACES,
        }
        return models.Field.formfield(self, **options | kwargs)


def format_amount(value: Decimal) -> str:
    """Return an amount in the active locale's format: with two decimals, or more if needed."""
    exact = Decimal(value).quantize(_UNIT)
    is_whole_cents = exact == exact.quantize(Decimal("0.01"))
    text = number_format(exact, decimal_pos=2 if is_whole_cents else PLACES, use_l10n=True)
    return text if is_whole_cents else text.rstrip("0")


def amount_expression(value: Decimal) -> Value:
    """Return an amount for arithmetic in the database, such as `F("reserved") + …`."""
    return Value(value, output_field=MoneyField())
