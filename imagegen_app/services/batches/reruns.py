"""Create the new jobs that people asked for in place of single ended rows, the same or of a new seed.

Each is requested by the person who asked, under the grants, budgets and prices of the moment. What is
refused is kept with its reason, for the batch's page.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from django.db import InterfaceError, OperationalError
from django.db.models import OuterRef
from django.utils.translation import gettext as _

from imagegen_app.core.states import FINAL_STATES, JobState
from imagegen_app.models import Job, RequestedRerun
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import composition, creation, from_job
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.storage_refusals import StorageUnavailable

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.models import Batch
    from imagegen_app.services.job_requests.values import JobRequest

logger = logging.getLogger("imagegen.batches")

#: Jobs that a worker creates at a time: it does nothing else meanwhile.
AT_ONCE: Final = 20
_FAILED: Final = (JobState.FAILED.value, JobState.EXPIRED.value, JobState.CANCELLED.value)
#: What a content check blocked would be blocked again.
_ENDED: Final = tuple(sorted(FINAL_STATES - {JobState.BLOCKED}))


def waiting() -> QuerySet[RequestedRerun]:
    """Return what waits for a worker, for the batch of an outer query."""
    found: QuerySet[RequestedRerun] = RequestedRerun.objects.filter(
        batch=OuterRef("pk"), refusal=""
    )
    return found


def is_any_waiting(batch: Batch) -> bool:
    """Return whether something that was asked for waits for a worker."""
    return _waiting_in(batch).exists()


def end_waiting(batch: Batch, *, reason: str) -> int:
    """End what waits for a worker, with the reason; joins the use case that records it."""
    return _waiting_in(batch).update(refusal=reason)


def _waiting_in(batch: Batch) -> QuerySet[RequestedRerun]:
    found: QuerySet[RequestedRerun] = RequestedRerun.objects.filter(batch=batch, refusal="")
    return found


def repeatable(jobs: QuerySet[Job], *, has_new_seed: bool) -> QuerySet[Job]:
    """Return those of some jobs that can be requested again: failed ones, or any with a new seed.

    A pass is left out where there is nothing to repeat by itself: without an input image, and for a
    new seed always, since that begins at its chain's first job.
    """
    found = jobs.filter(
        state__in=_ENDED if has_new_seed else _FAILED,
        replacements__isnull=True,
        prompt_erased_at__isnull=True,
    ).exclude(error_code=pass_chain.STEP_MISSING)
    return found.filter(root__isnull=True) if has_new_seed else found


def with_new_seed(job_request: JobRequest, job: Job) -> JobRequest:
    """Return the request with another seed than the job's; a model without seeds chooses by itself.

    The seed follows from the job, so that what is requested twice is the same request.
    """
    if not require_capabilities(job_request.image_model).supports_seed:
        seed = None
    else:
        digest = hashlib.sha256(f"again:{job.pk}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big") % composition.LARGEST_SEED
        if seed == job.seed:
            seed = (seed + 1) % composition.LARGEST_SEED
    request = replace(job_request.provider_request, seed=seed)
    return replace(job_request, provider_request=request)


def create_next(batch: Batch) -> bool:
    """Create the next jobs that were asked for; return whether any was.

    :raises StorageUnavailable: if an input image cannot be read at present; it is tried again.
    """
    rows = _waiting_in(batch).select_related(
        "job__template_version__template", "job__image_model__provider", "job__batch"
    )
    found = list(rows.order_by("pk")[:AT_ONCE])
    for row in found:
        if not _waiting_in(batch).filter(pk=row.pk).exists():
            # The batch was cancelled meanwhile.
            continue
        _finish(row, _create_safely(row))
    return bool(found)


def _create_safely(row: RequestedRerun) -> str:
    """Request the new job; return why there is none, also after an unexpected error.

    A batch that is paused for its pilot cannot be paused for the error: the row would be tried for ever.
    """
    try:
        return _create(row)
    except (StorageUnavailable, InterfaceError, OperationalError):
        raise
    except Exception as error:  # noqa: BLE001 - it is logged, without its text
        # Perhaps of the site's own code. Its text may repeat the prompt, so only its place is logged.
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(  # noqa: TRY400 - see above
            "The job %s was not requested again: %s in %s, line %s.",
            row.job_id,
            type(error).__name__,
            place.filename,
            place.lineno,
        )
        return _(
            "The site's own software failed when it requested this row again. Ask an image "
            "administrator to look into the worker's log."
        )


def _create(row: RequestedRerun) -> str:
    """Request the new job; return why that is refused, or an empty text."""
    actor = access.active_person(row.requester_id)
    if actor is None:
        return _("The account that asked for it no longer exists.")
    try:
        job_request = from_job.job_request_from(actor=actor, job=row.job)
        if row.has_new_seed:
            job_request = with_new_seed(job_request, row.job)
        creation.request_images(actor=actor, job_request=job_request)
    except StorageUnavailable:
        raise
    except creation.PromptBlocked:
        # The blocked job is in the list, with the reason.
        return ""
    except ActionRefused as refusal:
        # Somebody else was first: the new job is there.
        return "" if refusal.is_already_done else str(refusal)
    return ""


@use_case(audited=False)
def _finish(row: RequestedRerun, refusal: str) -> None:
    if refusal:
        RequestedRerun.objects.filter(pk=row.pk).update(refusal=refusal[:300])
    else:
        RequestedRerun.objects.filter(pk=row.pk).delete()
