"""Plan follow-up passes: find their models, check that they support the passes, and price them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import passes
from imagegen_app.core.fitted_sizes import size_like
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
    from collections.abc import Iterable, Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.capabilities import Capabilities
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
        raise InvalidPass(_(error.message) % error.values, position=error.position) from None
    planned: list[PlannedPass] = []
    size = start
    for position, one in enumerate(requested):
        try:
            planned.append(_planned(one, start=size))
        except InvalidPass as error:
            error.position = position
            raise
        size = planned[-1].size
    return tuple(planned)


def _planned(one: passes.Pass, *, start: Size) -> PlannedPass:
    model = ImageModel.objects.filter(slug=one.model).select_related("provider", "workflow").first()
    if model is None:
        raise InvalidPass(_("“%(name)s” is not a valid model.") % {"name": one.model[:60]})
    try:
        capabilities = adapters.capabilities(model)
    except adapters.ProviderNotConfigured as error:
        raise InvalidPass(str(error)) from None
    is_sized = capabilities.sizes_for(one.operation).is_choosable
    if one.operation is Operation.UPSCALE and not is_sized and one.factor != passes.USUAL_FACTOR:
        raise InvalidPass(
            _("“%(model)s” decides itself how much larger it makes an image: leave the factor out.")
            % {"model": model.name}
        )
    planned = PlannedPass(
        model,
        one.operation,
        _size_after(one, start, capabilities),
        factor=one.factor,
        instruction=one.instruction,
        output_format=capabilities.usual_format,
    )
    _require_supported(planned, start=start, capabilities=capabilities)
    return planned


def available_passes(
    actor: Actor | None = None, *, among: Iterable[ImageModel] | None = None
) -> list[tuple[str, str]]:
    """Return the passes that usable models support, as pairs of value and label for a form.

    With `actor`, only those that a grant of theirs covers. `among` are the usable models, or some of
    them, where they are known already.
    """
    found: list[tuple[str, str]] = []
    granted = None if actor is None else access.granted_operations(actor)
    if among is None:
        usable = ImageModel.objects.usable().select_related("provider", "workflow")
        among = usable.order_by("name", "pk")
    for model in among:
        if granted is not None and model.pk not in granted:
            continue
        try:
            offer = adapters.capabilities(model)
        except adapters.ProviderNotConfigured:
            continue
        supported = offer.operations
        if granted is not None:
            supported &= granted[model.pk]
        for operation in passes.FOLLOW_UP_OPERATIONS:
            if operation not in supported:
                continue
            is_sized = offer.sizes_for(operation).is_choosable
            for factor in _factors_of(operation, is_sized=is_sized):
                one = passes.Pass(operation=operation, model=model.slug, factor=factor)
                label = describe_pass(one, model=model.name)
                if operation is Operation.UPSCALE and not is_sized:
                    label = _("Upscale with %(model)s, as much as it does") % {"model": model.name}
                found.append((str(one), label))
    order = [operation.value for operation in passes.FOLLOW_UP_OPERATIONS]
    return sorted(found, key=lambda entry: order.index(entry[0].partition(":")[0]))


def _factors_of(operation: Operation, *, is_sized: bool) -> tuple[int, ...]:
    if operation is not Operation.UPSCALE:
        return (1,)
    return passes.FACTORS if is_sized else (passes.USUAL_FACTOR,)


def pass_labels(given: Sequence[passes.Pass]) -> list[str]:
    """Return the names of passes for people, with those of their models, without instructions.

    The instruction of an edit may be as personal as the prompt.
    """
    slugs = [one.model for one in given]
    names = dict(ImageModel.objects.filter(slug__in=slugs).values_list("slug", "name"))
    return [
        describe_pass(replace(one, instruction=""), model=names.get(one.model, "")) for one in given
    ]


def passes_cost(planned: Sequence[PlannedPass], *, count: int, is_row: bool) -> Cost | None:
    """Return the estimated cost of the passes for `count` images; None without any pass.

    :raises NoPrice: if one has no price.
    :raises InvalidPass: if they are priced in several currencies.
    """
    total, currency = Decimal(0), ""
    for one in planned:
        cost = pass_estimate(one, is_last=one is planned[-1], is_row=is_row).total
        if currency and cost.currency != currency:
            raise InvalidPass(_("The passes are priced in several currencies."))
        total, currency = total + cost.amount * count, cost.currency
    return Cost(amount=total, currency=currency) if planned else None


def pass_estimate(planned: PlannedPass, *, is_last: bool, is_row: bool) -> prices.Estimate:
    """Return the estimated cost of a pass for one image, with content checks.

    Only the last pass (`is_last`) has its image described.

    :raises NoPrice: if it has no price.
    """
    return prices.estimate_images(
        planned.image_model,
        operation=planned.operation,
        size=planned.size,
        quality="",
        count=1,
        is_last=is_last,
        is_row=is_row,
    )


def require_pass_grants(actor: Actor, planned: Sequence[PlannedPass]) -> None:
    """Require a grant for every pass.

    :raises NotGranted: if one is not granted to the actor.
    """
    for position, one in enumerate(planned):
        try:
            access.require_grant(
                actor,
                image_model=one.image_model,
                operation=one.operation,
                size=one.size,
                count=1,
            )
        except access.NotGranted as refusal:
            refusal.position = position
            raise


def _size_after(one: passes.Pass, size: Size, capabilities: Capabilities) -> Size:
    """Return the size of a pass's image; an edit keeps the proportions as far as its model can."""
    rule = capabilities.sizes_for(one.operation)
    keeps_proportions = one.operation in {Operation.EDIT, Operation.RESTORE_FACES}
    return (
        size_like(size, rule) if keeps_proportions and rule.is_choosable else one.size_after(size)
    )


def _require_supported(planned: PlannedPass, *, start: Size, capabilities: Capabilities) -> None:
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
        prompt=planned.instruction,
        size=planned.size,
        count=1,
        output_format=planned.output_format,
        inputs=(image,),
    )
    complaint = next(validation_errors(request, capabilities=capabilities), None)
    if complaint is not None:
        raise InvalidPass(describe_complaint(planned.image_model, complaint))
