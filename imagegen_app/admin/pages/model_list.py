"""The models of the studio, each with its price for the request, its usual time and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from imagegen_app.core.states import Lifecycle
from imagegen_app.core.types import Operation
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import model_offers
from imagegen_app.services.monitoring import progress
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.actors import Person
    from imagegen_app.core.types import Cost
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model that the person may use."""

    image_model: ImageModel
    is_chosen: bool
    #: Each with its kind: `warn`, or empty.
    badges: tuple[tuple[str, str], ...]
    seconds: int | None
    #: The estimate for the request; None without one.
    cost: Cost | None = None
    #: Why the request cannot be made with it; empty if it can.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefusedModel:
    """One model that the person may not use, and why."""

    image_model: ImageModel
    reason: str


def model_rows(actor: Person, form: StudioForm, job_request: JobRequest | None) -> list[ModelRow]:
    """Return the models to choose from; with their prices once there is a request to be priced."""
    models = form.usable
    offers: dict[int, model_offers.ModelOffer] = {}
    if job_request is not None:
        found = model_offers.model_offers(actor, job_request, models)
        offers = {one.image_model.pk: one for one in found}
    seconds = progress.usual_seconds([model.pk for model in models]) if models else {}
    chosen = None if form.options is None else form.options.image_model.pk
    return [
        ModelRow(
            image_model=model,
            is_chosen=model.pk == chosen,
            badges=tuple(_badges(model)),
            seconds=seconds.get(model.pk),
            cost=offer.cost,
            reason=offer.reason,
        )
        for model in models
        for offer in [offers.get(model.pk) or model_offers.ModelOffer(model)]
    ]


def refused_context(request: HttpRequest, actor: Person, form: StudioForm) -> dict[str, Any]:
    """Return the models that may not be used, if they are asked for."""
    is_asked = request.POST.get("load") == "refused"
    return {
        "contact": access.contact_sentence() if is_asked else "",
        "refused_models": _refused_models(actor, form) if is_asked else None,
    }


def _refused_models(actor: Person, form: StudioForm) -> list[RefusedModel]:
    fixed = _("The template is made for another model.")
    others = [RefusedModel(m, fixed) for m in form.granted if m not in form.usable]
    refused = [RefusedModel(model, reason) for model, reason in access.refused_models(actor)]
    return sorted([*others, *refused], key=lambda one: (one.image_model.name, one.image_model.pk))


def _badges(image_model: ImageModel) -> Iterator[tuple[str, str]]:
    try:
        offer = adapters.capabilities(image_model)
    except adapters.ProviderNotConfigured:
        yield "warn", _("Not set up")
        return
    if getattr(image_model, "is_failing", False):
        yield "warn", _("Disturbed")
    if image_model.retires_on is not None:
        day = date_format(image_model.retires_on, "SHORT_DATE_FORMAT")
        yield "warn", _("Until %(day)s") % {"day": day}
    elif image_model.lifecycle == Lifecycle.DEPRECATED:
        yield "warn", _("To be replaced")
    if image_model.lifecycle == Lifecycle.CANARY:
        yield "", _("On trial")
    if offer.supports_seed and offer.is_reproducible:
        yield "", _("Reproducible")
    if Operation.EDIT in offer.operations:
        yield "", _("Edits")
    if offer.supports_mask:
        yield "", _("Mask")
