"""Estimate the cost of job requests; without a price, a request is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.types import Cost
from imagegen_app.providers import registry
from imagegen_app.services.gateways import adapters, captioning, screening
from imagegen_app.services.jobs import job_previews
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest, Operation, Size
    from imagegen_app.models import ImageModel, Provider
    from imagegen_app.services.job_requests.values import JobRequest

#: How models call the steps of drawing.
_STEPS = ("steps", "num_inference_steps")


class NoPrice(ActionRefused):
    """The model's price list has no price for the request."""

    code = "no_price"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated cost of images, of their content checks and of their alternative texts."""

    images: Cost
    screening: Decimal = Decimal(0)
    captioning: Decimal = Decimal(0)

    @property
    def extras(self) -> Decimal:
        """What is not paid to the images' provider: content checks and alternative texts."""
        return self.screening + self.captioning

    @property
    def total(self) -> Cost:
        """The images and the extras together."""
        return Cost(amount=self.images.amount + self.extras, currency=self.images.currency)


def images_cost(
    image_model: ImageModel,
    *,
    operation: Operation,
    size: Size,
    quality: str,
    count: int,
    is_row: bool,
    steps: int | None = None,
) -> Cost:
    """Return the estimated cost of `count` images of a model, and of those shown on their way.

    Of so many steps where they are asked for. Of a batch's row (`is_row`) none are shown on their way.

    :raises NoPrice: if the model's price list has no price for them.
    """
    is_shown = job_previews.are_wanted_of(count=count, is_row=is_row)
    try:
        return PriceList.from_dict(image_model.price_list).estimate(
            operation=operation,
            size=size,
            quality=quality,
            count=count,
            steps=steps,
            preview_tokens=_preview_tokens(image_model.provider) if is_shown else 0,
        )
    except PriceUnknown as error:
        raise NoPrice(
            _("This image cannot be requested."),
            reason=_("“%(model)s” has no price for it (%(error)s).")
            % {"model": image_model.name, "error": _(error.problem.text) % error.problem.values},
            remedy=contact_sentence(),
        ) from None


def _preview_tokens(provider: Provider) -> int:
    try:
        return registry.preview_tokens(adapters.adapter_path(provider), provider.options)
    except registry.UnknownAdapter:
        # Nothing can be sent without it.
        return 0


def estimate_request(job_request: JobRequest) -> Estimate:
    """Return the estimated cost of a job request with extras, without follow-up passes.

    :raises NoPrice: if the model's price list has no price for it.
    """
    request = job_request.provider_request
    estimate = estimate_images(
        job_request.image_model,
        operation=request.operation,
        size=request.size,
        quality=request.quality,
        count=request.count,
        is_last=not job_request.passes,
        is_row=job_request.batch is not None,
        steps=steps_of(request),
    )
    return replace(estimate, screening=estimate.screening + screening_before(job_request))


def steps_of(request: GenerationRequest) -> int | None:
    """Return how many steps of drawing a request asks for; None where it names none."""
    found = (request.parameters.get(name) for name in _STEPS)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool)), None)


def estimate_images(
    image_model: ImageModel,
    *,
    operation: Operation,
    size: Size,
    quality: str,
    count: int,
    is_last: bool,
    is_row: bool,
    steps: int | None = None,
) -> Estimate:
    """Return the estimated cost of `count` images of a model with their extras.

    Only images of the last pass (`is_last`) get suggested alternative texts.

    :raises NoPrice: if the model's price list has no price for them.
    """
    cost = images_cost(
        image_model,
        operation=operation,
        size=size,
        quality=quality,
        count=count,
        is_row=is_row,
        steps=steps,
    )
    return Estimate(
        images=cost,
        screening=screening.price_of("output") * count
        + captioning.screening_price() * count * is_last,
        captioning=captioning.price() * count * is_last,
    )


def screening_before(job_request: JobRequest) -> Decimal:
    """Return the cost of the content checks of a job request's texts and input images."""
    texts = sum(
        bool(text)
        for text in (
            job_request.instructions,
            job_request.provider_request.negative_prompt,
        )
    )
    return screening.price_of("prompt") * texts + screening.price_of("input") * len(
        job_request.provider_request.inputs
    )
