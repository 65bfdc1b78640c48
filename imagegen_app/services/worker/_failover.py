"""Continue a job with a fallback model that its requester may use, while its own model fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.core.actors import Person
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import fallback_requests, prices
from imagegen_app.services.jobs import breaker, transitions
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import Cost
    from imagegen_app.models import Attempt, ImageModel, Job

#: The maximum length of a chain of fallback models.
MAX_FALLBACKS = 5


@dataclass(frozen=True, slots=True)
class FallbackModel:
    """A model that can execute the job instead, with its own cost and cache key."""

    image_model: ImageModel
    cost: Cost
    fingerprint: str
    #: Columns of the job that become this model's own, since nobody chose their values.
    adapted: Mapping[str, str | int]


def try_fail_over(job: Job, attempt: Attempt | None, *, error: ProviderError) -> bool:
    """Queue the job for the first fallback model that fits; return whether there was one."""
    for candidate in _chain(job):
        try:
            transitions.fail_over(
                job,
                attempt,
                to=candidate.image_model,
                cost=candidate.cost,
                fingerprint=candidate.fingerprint,
                error=error,
                adapted=candidate.adapted,
            )
        except ActionRefused:
            # Its price does not fit into a budget; a cheaper one may.
            continue
        return True
    return False


def _chain(job: Job) -> list[FallbackModel]:
    candidates: list[FallbackModel] = []
    tried = set(job.attempts.values_list("image_model_id", flat=True))
    seen = {job.image_model_id}
    model = job.image_model.fallback
    while model is not None and model.pk not in seen and len(seen) <= MAX_FALLBACKS:
        seen.add(model.pk)
        fitting = None if model.pk in tried else _fitting(job, model)
        if fitting is not None:
            candidates.append(fitting)
        model = model.fallback
    return candidates


def _fitting(job: Job, model: ImageModel) -> FallbackModel | None:
    """Return the model as a fallback if it works, is granted, fits the request and has a price."""
    if job.requester is None or breaker.is_open_for(model, job.operation):
        return None
    try:
        request = fallback_requests.request_for_fallback(job, model)
        decision = access.check_grant(
            Person(job.requester),
            image_model=model,
            operation=request.operation,
            size=request.size,
            count=job.count,
        )
        if not decision.allowed:
            return None
        if next(validation_errors(request, capabilities=adapters.capabilities(model)), None):
            return None
        cost = prices.images_cost(
            model,
            operation=request.operation,
            size=request.size,
            quality=request.quality,
            count=job.count,
            is_row=job.batch_id is not None,
            steps=prices.steps_of(request),
        )
    except (ActionRefused, adapters.ProviderNotConfigured):
        return None
    key = fingerprint(request, provider=model.provider.slug, model_version=model.version)
    return FallbackModel(
        image_model=model,
        cost=cost,
        fingerprint=key,
        adapted=fallback_requests.adapted_values(job, request),
    )
