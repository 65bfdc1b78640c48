"""Plan follow-up passes: find their models, see that these can do it, and price them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import passes
from imagegen_app.core.types import Cost, GenerationRequest, ImageInput, InputRole, Operation
from imagegen_app.models import ImageModel
from imagegen_app.providers.parameters import complaints
from imagegen_app.services import access, adapters, prices
from imagegen_app.services.access import Refused, whom_to_ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Size


class BadStep(Refused):
    """A follow-up pass cannot be made as it is declared."""

    code = "bad_step"

    def __init__(self, why: str) -> None:
        super().__init__(_("This request is not valid."), why=why, remedy=whom_to_ask())


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that follows: by which model, and the size that comes out."""

    image_model: ImageModel
    operation: Operation
    size: Size

    #: How many times larger each side becomes.
    factor: int = 1

    @property
    def words(self) -> str:
        """What the step is called."""
        one = passes.Pass(self.operation, self.image_model.slug, self.factor)
        return in_words(one, model=self.image_model.name)

    @property
    def key(self) -> dict[str, Any]:
        """What decides the pass's picture."""
        return {
            "model": self.image_model.slug,
            "version": self.image_model.version,
            "operation": self.operation,
            "size": str(self.size),
        }


def planned(
    rows: Sequence[Mapping[str, Any] | passes.Pass | str], *, start: Size
) -> tuple[Step, ...]:
    """Return the steps that follow an image of that size.

    :raises BadStep: if a pass is none, or its model is unknown or cannot do it.
    """
    try:
        wanted = passes.passes_from(rows)
    except passes.PassFault as fault:
        raise BadStep(_(fault.message) % fault.values) from None
    found: list[Step] = []
    size = start
    for one in wanted:
        model = ImageModel.objects.filter(slug=one.model).select_related("provider").first()
        if model is None:
            raise BadStep(_("“%(name)s” is not a valid model.") % {"name": one.model[:60]})
        step = Step(model, one.operation, one.size_after(size), factor=one.factor)
        _demand_possible(step, start=size)
        found.append(step)
        size = step.size
    return tuple(found)


def offered() -> list[tuple[str, str]]:
    """Return the passes that usable models can do, as they are written and as they are called."""
    found: list[tuple[str, str]] = []
    usable = ImageModel.objects.usable().select_related("provider").order_by("name", "pk")
    for model in usable:
        try:
            able = adapters.capabilities(model).operations
        except adapters.NotConfigured:
            continue
        for operation in passes.FOLLOWING:
            if operation not in able:
                continue
            for factor in passes.FACTORS if operation is Operation.UPSCALE else (1,):
                one = passes.Pass(operation=operation, model=model.slug, factor=factor)
                found.append((str(one), in_words(one, model=model.name)))
    return sorted(found, key=lambda entry: entry[0].partition(":")[0] != Operation.UPSCALE)


def in_words(one: passes.Pass, *, model: str = "") -> str:
    """Return what a pass is called."""
    if one.operation is Operation.UPSCALE:
        return _("Upscale %(factor)s times with %(model)s") % {
            "factor": one.factor,
            "model": model or one.model,
        }
    return _("Remove the background with %(model)s") % {"model": model or one.model}


def cost_of(steps: Sequence[Step], *, count: int) -> Cost | None:
    """Return what the steps of so many images are estimated to cost; None without any.

    :raises NoPrice: if one has no price.
    :raises BadStep: if they are priced in several currencies.
    """
    total, currency = Decimal(0), ""
    for step in steps:
        cost = price_of(step, is_last=step is steps[-1]).total
        if currency and cost.currency != currency:
            raise BadStep(_("The passes are priced in several currencies."))
        total, currency = total + cost.amount * count, cost.currency
    return Cost(amount=total, currency=currency) if steps else None


def price_of(step: Step, *, is_last: bool) -> prices.Estimate:
    """Return what one image of a step is estimated to cost, with its screening and its caption.

    :raises NoPrice: if it has no price.
    """
    return prices.estimate(step.image_model, size=step.size, quality="", count=1, is_last=is_last)


def demand_grants(actor: Actor, steps: Sequence[Step]) -> None:
    """Hold every step to the allowlist.

    :raises NotGranted: if one is not released for the actor.
    """
    for step in steps:
        access.demand_grant(
            actor,
            image_model=step.image_model,
            operation=step.operation,
            size=step.size,
            count=1,
        )


def _demand_possible(step: Step, *, start: Size) -> None:
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
        model=step.image_model.wire_name,
        prompt="",
        size=step.size,
        count=1,
        output_format="png",
        inputs=(picture,),
    )
    try:
        able = adapters.capabilities(step.image_model)
    except adapters.NotConfigured as fault:
        raise BadStep(str(fault)) from None
    complaint = next(complaints(request, capabilities=able), "")
    if complaint:
        part, _colon, why = complaint.partition(": ")
        raise BadStep(
            _("“%(model)s” does not support this (%(part)s): %(why)s.")
            % {"model": step.image_model.name, "part": part.replace("_", " "), "why": why}
        )
