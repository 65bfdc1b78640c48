"""Tell whether a job request was made before: the same call of the same person, or the same image."""

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
    """Return the cache key of a job request with its follow-up passes."""
    key = fingerprint(
        job_request.provider_request,
        provider=job_request.image_model.provider.slug,
        model_version=job_request.image_model.version,
    )
    if not job_request.passes:
        return key
    return canonical.digest({"request": key, "passes": [step.key for step in job_request.passes]})


def digest_of(job_request: JobRequest, *, fingerprint: str = "") -> str:
    """Return the digest by which a repeated request is told from another one under the same key.

    `fingerprint` is the job request's, where it is known already.
    """
    return canonical.digest(
        {
            "fingerprint": fingerprint or fingerprint_of(job_request),
            "template": None
            if job_request.template_version is None
            else job_request.template_version.pk,
            "unknown_outcome_policy": job_request.unknown_outcome_policy,
        }
    )


def find_cached_jobs(several: Sequence[JobRequest]) -> dict[str, Job]:
    """Return the newest finished jobs that answered these job requests, by fingerprint; in one query."""
    fixed = [job_request for job_request in several if not job_request.has_random_seed]
    if not fixed:
        return {}
    keys = {fingerprint_of(job_request) for job_request in fixed}
    chained = {fingerprint_of(job_request) for job_request in fixed if job_request.passes}
    # A chain answers only if all of it was made.
    unmade = Job.objects.filter(root=OuterRef("pk")).exclude(state=JobState.SUCCEEDED.value)
    found = (
        Job.objects.filter(
            Q(chain_length=1) | Q(fingerprint__in=chained),
            ~Exists(unmade),
            fingerprint__in=keys,
            state=JobState.SUCCEEDED.value,
            cached_from__isnull=True,
            error_code="",
            assets__isnull=False,
        )
        .exclude(assets__review_state__in=["rejected", "withdrawn"])
        .order_by("created_at")
    )
    return {job.fingerprint: job for job in found}
