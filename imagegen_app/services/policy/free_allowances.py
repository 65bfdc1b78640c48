"""Count what a provider gives for nothing in a calendar month, and charge only what goes beyond it.

An estimate leaves it out: a request reserves the whole price, since another one may use up what is left
before its answer comes. What was not needed of the reservation is released with the charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Sum
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.pricing import CostOrigin, FreeAllowance, PriceList, PriceUnknown
from imagegen_app.models import Attempt, ImageModel
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from imagegen_app.models import Attempt as AttemptRow

#: As many as the column has.
_PLACES = Decimal(1).scaleb(-6)


@dataclass(frozen=True, slots=True)
class RemainingAllowance:
    """What is left this month of what the provider gives for nothing."""

    #: One of `core.price_kinds.FREE_KINDS`.
    unit: str
    remaining: Decimal
    #: How much the provider gives in a month.
    count: Decimal


def remaining_allowance(image_model: ImageModel) -> RemainingAllowance | None:
    """Return what is left of a model's allowance; None if it has none, or no valid price list."""
    try:
        allowance = PriceList.from_dict(image_model.price_list).free_per_month
    except PriceUnknown:
        return None
    if allowance is None:
        return None
    return RemainingAllowance(
        allowance.unit, _remaining(image_model.pk, allowance), allowance.count
    )


def allowance_sentence(image_model: ImageModel, *, images: int) -> str:
    """Return what to tell somebody who asks for images of a model; empty where nothing is free."""
    found = remaining_allowance(image_model)
    if found is None:
        return ""
    values = {
        "left": _number(found.remaining),
        "count": _number(found.count),
        "unit": str(unit_labels()[found.unit]),
    }
    if not found.remaining:
        return _("This month's free allowance is used up (%(count)s %(unit)s).") % values
    if found.unit == "image" and found.remaining >= images:
        return (
            _(
                "Within the free allowance: %(left)s of %(count)s %(unit)s are left this month. The "
                "whole price is reserved until the answer is there."
            )
            % values
        )
    return (
        _(
            "%(left)s of %(count)s %(unit)s are left of this month's free allowance; what goes beyond "
            "it is charged."
        )
        % values
    )


def unit_labels() -> dict[str, str]:
    """Return what the units of allowances are called, in the plural."""
    return {
        "image": _("images"),
        "megapixel": _("megapixels"),
        "credit": _("credits"),
        "second": _("seconds of computing"),
        "step": _("steps of drawing"),
    }


def _number(value: Decimal) -> str:
    return number_format(Decimal(f"{value.normalize():f}"))


def use_allowance(
    attempt: AttemptRow, charge: Decimal, origin: CostOrigin
) -> tuple[Decimal, CostOrigin]:
    """Return what is to be charged for an attempt beyond the month's allowance; joins the transaction.

    How much of it the attempt used is in the returned origin, and must be stored with the attempt.
    """
    if not origin.free_unit_count:
        return charge, origin
    # One after the other: what is left is a sum over the attempts that were charged before. A lock that
    # lets others insert rows that refer to the model, where the database has one.
    no_key = database.connection().features.has_select_for_no_key_update
    models = ImageModel.objects.select_for_update(no_key=no_key)
    image_model = models.get(pk=attempt.image_model_id)
    try:
        allowance = PriceList.from_dict(image_model.price_list).free_per_month
    except PriceUnknown:
        allowance = None
    left = Decimal(0) if allowance is None else _remaining(image_model.pk, allowance)
    return origin.charge_beyond(charge, free=left)


def _remaining(image_model_id: int, allowance: FreeAllowance) -> Decimal:
    first = datetime.combine(clock.today().replace(day=1), time.min)
    since = timezone.make_aware(first, timezone.get_default_timezone())
    used = Attempt.objects.filter(
        image_model_id=image_model_id, ended_at__gte=since, free_unit_count__gt=0
    ).aggregate(total=Sum("free_unit_count"))["total"]
    # SQLite sums decimals as floats.
    total = Decimal(used or 0).quantize(_PLACES)
    return max(allowance.count - total, Decimal(0))
