"""Estimate what a wish will cost; what has no price is not bought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.pricing import Price, PriceUnknown
from imagegen_app.services.access import Refused, whom_to_ask

if TYPE_CHECKING:
    from imagegen_app.core.types import Cost, Size
    from imagegen_app.models import ImageModel
    from imagegen_app.services.wishes import Wish


class NoPrice(Refused):
    """The model has no price for this request, and what has no price is not bought."""

    code = "no_price"


def price_of(image_model: ImageModel, *, size: Size, quality: str, count: int) -> Cost:
    """Return what so many images of a model are estimated to cost.

    :raises NoPrice: if the model's price list has no price for them.
    """
    try:
        return Price.from_dict(image_model.price).estimate(size=size, quality=quality, count=count)
    except PriceUnknown as fault:
        raise NoPrice(
            _("This image cannot be requested."),
            why=_("“%(model)s” has no price for it (%(fault)s).")
            % {"model": image_model.name, "fault": fault},
            remedy=whom_to_ask(),
        ) from None


def price(wish: Wish) -> Cost:
    """Return what a wish is estimated to cost, its follow-up passes left out.

    :raises NoPrice: if the model's price list has no price for it.
    """
    request = wish.request
    return price_of(
        wish.image_model, size=request.size, quality=request.quality, count=request.count
    )
