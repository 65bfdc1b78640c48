"""Compare models for one request: what each would cost, or why it cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.providers.parameters import validation_errors
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.fallback_requests import request_with_model
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.job_requests.values import complaint_reason
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.types import Cost
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """One model beside others for the same request."""

    image_model: ImageModel
    #: The estimate with content checks and follow-up passes; None without one.
    cost: Cost | None = None
    #: Why this request cannot be made with it, in the reader's language; empty if it can.
    reason: str = ""


def model_offers(
    actor: Person, job_request: JobRequest, image_models: Sequence[ImageModel]
) -> list[ModelOffer]:
    """Return what a request would cost with each of several models; nothing is written."""
    found = [_priced(job_request, model) for model in image_models]
    possible = [request for _offer, request in found if request is not None]
    decisions = iter(
        access.check_grants(
            actor,
            [
                (one.image_model, asked.operation, asked.size, asked.count)
                for one in possible
                for asked in [one.provider_request]
            ],
        )
        if possible
        else ()
    )
    offers = []
    for offer, request in found:
        decision = None if request is None else next(decisions)
        if decision is not None and not decision.allowed:
            offers.append(ModelOffer(offer.image_model, reason=decision.reason))
        else:
            offers.append(offer)
    return offers


def _priced(
    job_request: JobRequest, image_model: ImageModel
) -> tuple[ModelOffer, JobRequest | None]:
    try:
        request = request_with_model(job_request, image_model)
        offer = require_capabilities(image_model)
        asked = request.provider_request
        complaint = next(validation_errors(asked, capabilities=offer), None)
        if complaint is not None:
            return ModelOffer(image_model, reason=complaint_reason(complaint)), None
        cost = creation.total_cost(request)
    except ActionRefused as refusal:
        return ModelOffer(image_model, reason=refusal.reason), None
    return ModelOffer(image_model, cost=cost), request
