"""Keep the last unfinished image of a job's call for who waits for it, and remove it in time.

Deny by default: there is none while any content check looks at output images, since a preview would
be seen before the check could block the image.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F, Q

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.imaging.previews import MAX_BYTES, MEDIA_TYPE
from imagegen_app.models import Job, JobPreview
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.jobs.leases import LeaseLost
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from imagegen_app.core.actors import Actor

__all__ = ["MEDIA_TYPE"]

#: Of one call; what a provider sends beyond is dropped.
MAX_PREVIEWS: Final = 10
#: In these states the call under way, or its answer, is what the preview is of.
SHOWN_STATES: Final = frozenset({JobState.SUBMITTING, JobState.AWAITING, JobState.INGESTING})
_OTHER_STATES: Final = sorted(state.value for state in frozenset(JobState) - SHOWN_STATES)
#: No call shows anything for so long after its last preview.
RETENTION_SECONDS: Final = 3600
#: Rows removed by one sweep.
BATCH: Final = 500


def are_wanted(job: Job) -> bool:
    """Return whether previews of a job are asked for: a person waits for one unscreened image."""
    return are_wanted_of(count=job.count, is_row=job.batch_id is not None)


def are_wanted_of(*, count: int, is_row: bool) -> bool:
    """Return whether previews are asked for of a job of so many images, or of a batch's row."""
    return count == 1 and not is_row and not screening.is_screened("output")


def is_shown(job: Job) -> bool:
    """Return whether there is a preview that may be shown now."""
    return bool(job.preview_number) and JobState(job.state) in SHOWN_STATES and are_wanted(job)


@use_case(audited=False)
def store(job: Job, image: bytes) -> None:
    """Store the newest preview of a job's call instead of the one before.

    :raises LeaseLost: if the lease was lost, or the call has ended meanwhile.
    :raises ValueError: if it is larger than previews are.
    """
    if len(image) > MAX_BYTES:
        raise ValueError("a preview is too large")
    if job.preview_number >= MAX_PREVIEWS or not are_wanted(job):
        return
    moved = Job.objects.filter(
        pk=job.pk,
        lease_token=job.lease_token,
        state__in=[JobState.SUBMITTING.value, JobState.AWAITING.value],
    ).update(preview_number=F("preview_number") + 1)
    if not moved:
        raise LeaseLost(str(job.pk))
    changes = {"image": image, "stored_at": clock.now()}
    if not JobPreview.objects.filter(job=job).update(**changes):
        JobPreview.objects.create(job=job, **changes)
    job.preview_number += 1


def preview_of(actor: Actor, job: Job) -> bytes | None:
    """Return the preview of a job as a WebP image; None if there is none to be shown.

    :raises NotPermitted: if the actor neither requested the job nor may see others'.
    """
    is_own = isinstance(actor, Person) and job.requester_id == actor.user.pk
    if not is_own:
        access.require_permission(actor, "view_job")
    if not is_shown(job):
        return None
    found = JobPreview.objects.filter(job=job).values_list("image", flat=True).first()
    return None if found is None else bytes(found)


def end(job: Job) -> dict[str, int]:
    """Remove the preview of a job whose call ends; return the values to store with its next state.

    Joins the caller's transaction, which fails if the lease was lost.
    """
    if not job.preview_number:
        return {}
    remove([job.pk])
    return {"preview_number": 0}


def remove(keys: Sequence[UUID]) -> int:
    """Remove the previews of jobs, joining the caller's transaction; return how many there were."""
    deleted, _by_table = JobPreview.objects.filter(job_id__in=keys).delete()
    return deleted


@use_case(audited=False)
def clear_leftovers() -> int:
    """Remove previews of calls that have ended, or that nothing was heard of for long.

    Usually there are none: a job's next state removes its preview.
    """
    is_over = Q(job__state__in=_OTHER_STATES)
    is_old = Q(stored_at__lt=clock.now() - timedelta(seconds=RETENTION_SECONDS))
    keys = list(JobPreview.objects.filter(is_over | is_old).values_list("pk", flat=True)[:BATCH])
    if not keys:
        return 0
    Job.objects.filter(pk__in=keys).update(preview_number=0)
    return remove(keys)
