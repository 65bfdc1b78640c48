"""Find earlier jobs that answer a job request, and the digests by which requests are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from imagegen_app.core import canonical
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.states import JobState
from imagegen_app.models import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.services.job_requests.values import JobRequest


def fingerprint_of(job_request: JobRequest) -> str:
    """Return the cache key of a job request, its follow-up passes included."""
    key = fingerprint(
        job_request.provider_request,
        provider=job_request.image_model.provider.slug,
        model_version=job_request.image_model.version,
    )
    if not job_request.passes:
        return key
    return canonical.digest({"request": key, "passes": [one.key for one in job_request.passes]})


def digest_of(job_request: JobRequest, *, fingerprint: str = "") -> str:
    """Return the digest that tells a repeated request from another with the same idempotency key.

    Give the request's `fingerprint` where it is known already.
    """
    return canonical.digest(
        {
            "fingerprint": fingerprint or fingerprint_of(job_request),
            "template": None
            if job_request.template_version is None
            else job_request.template_version.pk,
            "unknown_outcome_policy": job_request.unknown_outcome_policy,
            **(
                {}
                if job_request.brand_kit is None
                else {"brand_kit": job_request.brand_kit.version.pk}
            ),
        }
    )


def find_cached_jobs(job_requests: Sequence[JobRequest]) -> dict[str, Job]:
    """Return the newest succeeded job for each job request, by fingerprint, with one query.

    Requests with a random seed have none, and neither have jobs with rejected images.
    """
    cacheable = [one for one in job_requests if not one.has_random_seed]
    if not cacheable:
        return {}
    keys = {fingerprint_of(job_request) for job_request in cacheable}
    chained = {fingerprint_of(job_request) for job_request in cacheable if job_request.passes}
    # A chain of passes counts only if all of it succeeded.
    unfinished = Job.objects.filter(root=OuterRef("pk")).exclude(state=JobState.SUCCEEDED.value)
    jobs = (
        Job.objects.filter(
            Q(chain_length=1) | Q(fingerprint__in=chained),
            ~Exists(unfinished),
            fingerprint__in=keys,
            state=JobState.SUCCEEDED.value,
            cached_from__isnull=True,
            error_code="",
            assets__isnull=False,
        )
        .exclude(assets__review_state__in=["rejected", "withdrawn"])
        .order_by("created_at")
    )
    return {job.fingerprint: job for job in jobs}
