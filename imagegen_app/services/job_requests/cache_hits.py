"""Tell whether a wish was made before: the same call of the same person, or the same picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from imagegen_app.core import canonical
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.states import JobState
from imagegen_app.models import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.services.job_requests.values import Wish


def fingerprint_of(wish: Wish) -> str:
    """Return the cache key of a wish with its follow-up passes."""
    key = fingerprint(
        wish.provider_request,
        provider=wish.image_model.provider.slug,
        model_version=wish.image_model.version,
    )
    if not wish.passes:
        return key
    return canonical.digest({"request": key, "passes": [step.key for step in wish.passes]})


def digest_of(wish: Wish, *, fingerprint: str = "") -> str:
    """Return the digest by which a repeated request is told from another one under the same key.

    `fingerprint` is the wish's, where it is known already.
    """
    return canonical.digest(
        {
            "fingerprint": fingerprint or fingerprint_of(wish),
            "template": None if wish.template_version is None else wish.template_version.pk,
            "unknown_outcome_policy": wish.unknown_outcome_policy,
        }
    )


def find_cached_jobs(several: Sequence[Wish]) -> dict[str, Job]:
    """Return the newest finished jobs that answered these wishes, by fingerprint; in one query."""
    fixed = [wish for wish in several if not wish.has_random_seed]
    if not fixed:
        return {}
    keys = {fingerprint_of(wish) for wish in fixed}
    chained = {fingerprint_of(wish) for wish in fixed if wish.passes}
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
