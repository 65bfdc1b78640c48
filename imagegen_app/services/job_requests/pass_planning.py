"""Plan follow-up passes: find their models, see that these can do it, and price them."""

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
    """Return the steps that follow an image of that size.

    :raises InvalidPass: if a pass is none, or its model is unknown or cannot do it.
    """
    try:
        wanted = passes.passes_from(rows)
    except passes.PassError as error:
        raise InvalidPass(_(error.message) % error.values) from None
    found: list[PlannedPass] = []
    size = start
    for one in wanted:
        model = ImageModel.objects.filter(slug=one.model).select_related("provider").first()
        if model is None:
            raise InvalidPass(_("“%(name)s” is not a valid model.") % {"name": one.model[:60]})
        step = PlannedPass(model, one.operation, one.size_after(size), factor=one.factor)
        _require_supported(step, start=size)
        found.append(step)
        size = step.size
    return tuple(found)


def available_passes() -> list[tuple[str, str]]:
    """Return the passes that usable models can do, as they are written and as they are called."""
    found: list[tuple[str, str]] = []
    usable = ImageModel.objects.usable().select_related("provider").order_by("name", "pk")
    for model in usable:
        try:
            able = adapters.capabilities(model).operations
        except adapters.ProviderNotConfigured:
            continue
        for operation in passes.FOLLOW_UP_OPERATIONS:
            if operation not in able:
                continue
            for factor in passes.FACTORS if operation is Operation.UPSCALE else (1,):
                one = passes.Pass(operation=operation, model=model.slug, factor=factor)
                found.append((str(one), describe_pass(one, model=model.name)))
    return sorted(found, key=lambda entry: entry[0].partition(":")[0] != Operation.UPSCALE)


def passes_cost(steps: Sequence[PlannedPass], *, count: int) -> Cost | None:
    """Return what the steps of so many images are estimated to cost; None without any.

    :raises NoPrice: if one has no price.
    :raises InvalidPass: if they are priced in several currencies.
    """
    total, currency = Decimal(0), ""
    for step in steps:
        cost = pass_estimate(step, is_last=step is steps[-1]).total
        if currency and cost.currency != currency:
            raise InvalidPass(_("The passes are priced in several currencies."))
        total, currency = total + cost.amount * count, cost.currency
    return Cost(amount=total, currency=currency) if steps else None


def pass_estimate(step: PlannedPass, *, is_last: bool) -> prices.Estimate:
    """Return what one image of a step is estimated to cost, with its screening and its caption.

    :raises NoPrice: if it has no price.
    """
    return prices.estimate_images(
        step.image_model, size=step.size, quality="", count=1, is_last=is_last
    )


def require_pass_grants(actor: Actor, steps: Sequence[PlannedPass]) -> None:
    """Hold every step to the allowlist.

    :raises NotGranted: if one is not released for the actor.
    """
    for step in steps:
        access.require_grant(
            actor,
            image_model=step.image_model,
            operation=step.operation,
            size=step.size,
            count=1,
        )


def _require_supported(step: PlannedPass, *, start: Size) -> None:
    picture = ImageInput(
        role=InputRole.IMAGE,
        media_type="image/png",
        sha256="",
        width=start.width,
        height=start.height,
        data=b"",
    )
    request = GenerationRequest(
        operation=step.operation,
        model=step.image_model.provider_model_name,
        prompt="",
        size=step.size,
        count=1,
        output_format="png",
        inputs=(picture,),
    )
    try:
        able = adapters.capabilities(step.image_model)
    except adapters.ProviderNotConfigured as error:
        raise InvalidPass(str(error)) from None
    complaint = next(validation_errors(request, capabilities=able), None)
    if complaint is not None:
        raise InvalidPass(describe_complaint(step.image_model, complaint))
