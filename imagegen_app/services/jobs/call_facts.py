"""Record what a provider says of a call that is under way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imagegen_app.core.states import JobState
from imagegen_app.models import Attempt, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs.leases import LeaseLost

if TYPE_CHECKING:
    from imagegen_app.core.types import Submission


def record(attempt: Attempt, submission: Submission) -> None:
    """Store what is new in a cleaned submission: the adapter's state, cost, expiry, stage, place."""
    said: dict[str, Any] = {
        "provider_stage": submission.stage,
        "queue_position": submission.position,
    }
    if submission.state is not None:
        said["provider_state"] = dict(submission.state)
    if submission.expires_at is not None:
        said["result_expires_at"] = datetime.fromtimestamp(submission.expires_at, UTC)
    if submission.reported_cost is not None:
        said["reported_cost"] = submission.reported_cost.amount
        said["reported_currency"] = submission.reported_cost.currency
    changes = {name: value for name, value in said.items() if getattr(attempt, name) != value}
    if changes:
        _store(attempt, changes)


@use_case(audited=False)
def record_progress(job: Job, attempt: Attempt, submission: Submission) -> None:
    """Store what a provider tells of a call whose answer is awaited, from a cleaned submission.

    :raises LeaseLost: if the lease was lost, or the call has ended meanwhile.
    """
    record(attempt, submission)
    share = submission.progress
    # What a page does not show need not be written.
    if share is None or round(share * 100) == round((job.progress or 0) * 100):
        return
    moved = Job.objects.filter(
        pk=job.pk,
        lease_token=job.lease_token,
        state__in=[JobState.SUBMITTING.value, JobState.AWAITING.value],
    ).update(progress=share)
    if not moved:
        raise LeaseLost(str(job.pk))
    job.progress = share


@use_case(audited=False)
def _store(attempt: Attempt, changes: dict[str, Any]) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(**changes)
    for name, value in changes.items():
        setattr(attempt, name, value)
