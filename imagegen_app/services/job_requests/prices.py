"""Estimate what a job request will cost; what has no price is not bought."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.types import Cost
from imagegen_app.services.gateways import captioning, screening
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.types import Size
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


class NoPrice(ActionRefused):
    """The model has no price for this request, and what has no price is not bought."""

    code = "no_price"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What images may cost, and beside it what having them screened and described may cost."""

    images: Cost
    screening: Decimal = Decimal(0)
    captioning: Decimal = Decimal(0)

    @property
    def extras(self) -> Decimal:
        """What is paid to others than the images' provider."""
        return self.screening + self.captioning

    @property
    def total(self) -> Cost:
        """All of it together."""
        return Cost(amount=self.images.amount + self.extras, currency=self.images.currency)


def images_cost(image_model: ImageModel, *, size: Size, quality: str, count: int) -> Cost:
    """Return what so many images of a model are estimated to cost.

    :raises NoPrice: if the model's price list has no price for them.
    """
    try:
        return PriceList.from_dict(image_model.price_list).estimate(
            size=size, quality=quality, count=count
        )
    except PriceUnknown as error:
        raise NoPrice(
            _("This image cannot be requested."),
            reason=_("“%(model)s” has no price for it (%(error)s).")
            % {"model": image_model.name, "error": _(error.why.text) % error.why.values},
            remedy=contact_sentence(),
        ) from None


def estimate_request(job_request: JobRequest) -> Estimate:
    """Return what a job request is estimated to cost with its extras, its follow-up passes left out.

    :raises NoPrice: if the model's price list has no price for it.
    """
    request = job_request.provider_request
    found = estimate_images(
        job_request.image_model,
        size=request.size,
        quality=request.quality,
        count=request.count,
        is_last=not job_request.passes,
    )
    return replace(found, screening=found.screening + screening_before(job_request))


def estimate_images(
    image_model: ImageModel, *, size: Size, quality: str, count: int, is_last: bool
) -> Estimate:
    """Return what so many images of a model may cost, with having them screened and described.

    Only images of the last pass (`is_last`) are described.

    :raises NoPrice: if the model's price list has no price for them.
    """
    cost = images_cost(image_model, size=size, quality=quality, count=count)
    return Estimate(
        images=cost,
        screening=screening.price_of("output") * count,
        captioning=captioning.price() * count * is_last,
    )


def screening_before(job_request: JobRequest) -> Decimal:
    """Return what it costs to have a job request's texts and input images screened."""
    texts = sum(
        bool(text)
        for text in (
            job_request.provider_request.prompt,
            job_request.provider_request.negative_prompt,
        )
    )
    return screening.price_of("prompt") * texts + screening.price_of("input") * len(
        job_request.provider_request.inputs
    )
