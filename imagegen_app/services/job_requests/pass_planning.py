"""Plan follow-up passes: find their models, check that they support the passes, and price them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import passes
from imagegen_app.core.types import Cost, GenerationRequest, ImageInput, InputRole, Operation
from imagegen_app.models import ImageModel
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import prices
from imagegen_app.services.job_requests.values import (
    InvalidPass,
    PlannedPass,
    describe_complaint,
    describe_pass,
)
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Size


def plan_passes(
    rows: Sequence[Mapping[str, Any] | passes.Pass | str], *, start: Size
) -> tuple[PlannedPass, ...]:
    """Return the passes for an image of the size `start`, in order, each with its resulting size.

    :raises InvalidPass: if a pass is not valid, or its model is unknown or does not support it.
    """
    try:
        requested = passes.passes_from(rows)
    except passes.PassError as error:
        raise InvalidPass(_(error.message) % error.values) from None
    planned: list[PlannedPass] = []
    size = start
    for one in requested:
        model = ImageModel.objects.filter(slug=one.model).select_related("provider").first()
        if model is None:
            raise InvalidPass(_("“%(name)s” is not a valid model.") % {"name": one.model[:60]})
        planned_pass = PlannedPass(model, one.operation, one.size_after(size), factor=one.factor)
        _require_supported(planned_pass, start=size)
        planned.append(planned_pass)
        size = planned_pass.size
    return tuple(planned)


def available_passes() -> list[tuple[str, str]]:
    """Return the passes that usable models support, as pairs of value and label for a form."""
    found: list[tuple[str, str]] = []
    usable = ImageModel.objects.usable().select_related("provider").order_by("name", "pk")
    for model in usable:
        try:
            supported = adapters.capabilities(model).operations
        except adapters.ProviderNotConfigured:
            continue
        for operation in passes.FOLLOW_UP_OPERATIONS:
            if operation not in supported:
                continue
            for factor in passes.FACTORS if operation is Operation.UPSCALE else (1,):
                one = passes.Pass(operation=operation, model=model.slug, factor=factor)
                found.append((str(one), describe_pass(one, model=model.name)))
    return sorted(found, key=lambda entry: entry[0].partition(":")[0] != Operation.UPSCALE)


def passes_cost(planned: Sequence[PlannedPass], *, count: int) -> Cost | None:
    """Return the estimated cost of the passes for `count` images; None without any pass.

    :raises NoPrice: if one has no price.
    :raises InvalidPass: if they are priced in several currencies.
    """
    total, currency = Decimal(0), ""
    for one in planned:
        cost = pass_estimate(one, is_last=one is planned[-1]).total
        if currency and cost.currency != currency:
            raise InvalidPass(_("The passes are priced in several currencies."))
        total, currency = total + cost.amount * count, cost.currency
    return Cost(amount=total, currency=currency) if planned else None


def pass_estimate(planned: PlannedPass, *, is_last: bool) -> prices.Estimate:
    """Return the estimated cost of a pass for one image, with content checks.

    Only the last pass (`is_last`) has its image described.

    :raises NoPrice: if it has no price.
    """
    return prices.estimate_images(
        planned.image_model, size=planned.size, quality="", count=1, is_last=is_last
    )


def require_pass_grants(actor: Actor, planned: Sequence[PlannedPass]) -> None:
    """Require a grant for every pass.

    :raises NotGranted: if one is not granted to the actor.
    """
    for one in planned:
        access.require_grant(
            actor,
            image_model=one.image_model,
            operation=one.operation,
            size=one.size,
            count=1,
        )


def _require_supported(planned: PlannedPass, *, start: Size) -> None:
    image = ImageInput(
        role=InputRole.IMAGE,
        media_type="image/png",
        sha256="",
        width=start.width,
        height=start.height,
        data=b"",
    )
    request = GenerationRequest(
        operation=planned.operation,
        model=planned.image_model.provider_model_name,
        prompt="",
        size=planned.size,
        count=1,
        output_format="png",
        inputs=(image,),
    )
    try:
        capabilities = adapters.capabilities(planned.image_model)
    except adapters.ProviderNotConfigured as error:
        raise InvalidPass(str(error)) from None
    complaint = next(validation_errors(request, capabilities=capabilities), None)
    if complaint is not None:
        raise InvalidPass(describe_complaint(planned.image_model, complaint))
