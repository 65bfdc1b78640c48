"""Update a batch's counters in the transaction of each job's end; pause it by its limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F

from imagegen_app.core.actors import System
from imagegen_app.core.states import FINAL_STATES, JobState
from imagegen_app.models import Asset, Batch, Job
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from imagegen_app.core.actors import Actor

RULES = System("rules")
#: With fewer ended jobs, the failure rate is not judged.
MIN_ENDED_JOBS = 20
#: Images that wait for review are counted up to this number.
MAX_SHOWN = 1000
_COLUMN = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.EXPIRED: "failed",
    JobState.BLOCKED: "blocked",
    JobState.CANCELLED: "cancelled",
}


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The progress of a batch."""

    rows: int
    prepared_rows: int
    #: An invalid row has no job.
    job_count: int
    succeeded: int
    failed: int
    blocked: int
    cancelled: int
    #: With several shots, each one that no job could be created for.
    invalid_rows: int
    spent: Decimal
    #: What the jobs that have not ended are estimated to cost.
    reserved: Decimal
    to_review: int
    #: Whether it was cancelled, so that no more jobs are created.
    is_cancelled: bool
    #: More than one where the template has several shots.
    jobs_per_row: int = 1

    @property
    def wanted_jobs(self) -> int:
        """Number of jobs if all rows can be used."""
        return self.rows * self.jobs_per_row

    @property
    def unprepared_jobs(self) -> int:
        """Number of jobs that the rows which no worker has reached may become."""
        return (self.rows - self.prepared_rows) * self.jobs_per_row

    @property
    def ended(self) -> int:
        """Number of jobs in a final state."""
        return self.succeeded + self.failed + self.blocked + self.cancelled

    @property
    def unsuccessful(self) -> int:
        """Number of jobs that ended without images."""
        return self.ended - self.succeeded

    @property
    def is_prepared(self) -> bool:
        """Whether no more jobs will be created."""
        return self.prepared_rows >= self.rows or self.is_cancelled

    @property
    def is_finished(self) -> bool:
        """Whether all jobs are created and have ended."""
        return self.is_prepared and self.ended >= self.job_count


def counts_of(batch: Batch) -> BatchCounts:
    """Return a batch's progress from its counters, without counting jobs."""
    waiting = Asset.objects.filter(job__batch=batch, review_state="pending", is_intermediate=False)[
        : MAX_SHOWN + 1
    ]
    return BatchCounts(
        rows=batch.row_count,
        prepared_rows=batch.prepared_rows,
        job_count=batch.job_count,
        succeeded=batch.succeeded,
        failed=batch.failed,
        blocked=batch.blocked,
        cancelled=batch.cancelled,
        invalid_rows=batch.prepared_rows * batch.jobs_per_row - batch.job_count,
        spent=batch.spent,
        reserved=max(batch.reserved, Decimal(0)),
        to_review=waiting.count(),
        is_cancelled=batch.cancelled_at is not None,
        jobs_per_row=batch.jobs_per_row,
    )


def has_moving_jobs(batch: Batch) -> bool:
    """Return whether jobs are being made, also while the batch is paused.

    A pause holds only what was queued: what was sent is finished, and a pilot's jobs are made.
    """
    moving: bool = (
        batch.jobs.exclude(state__in=[*sorted(FINAL_STATES), JobState.UNCERTAIN.value])
        # Held while a worker had it, it is made all the same.
        .exclude(state=JobState.QUEUED.value, is_held=True, lease_until__isnull=True)
        .exists()
    )
    return moving


def count_undecided_jobs(batch: Batch) -> int:
    """Return how many jobs wait for a person to decide, since their outcome is unknown."""
    number: int = batch.jobs.filter(state=JobState.UNCERTAIN.value).count()
    return number


def count_new_jobs(jobs: Iterable[Job]) -> None:
    """Count new jobs in their batches; a re-run job replaces the earlier one in the counts.

    Joins the transaction that creates them.
    """
    by_batch: dict[UUID, list[Job]] = {}
    for job in jobs:
        if job.batch_id is not None:
            by_batch.setdefault(job.batch_id, []).append(job)
    for key, new in by_batch.items():
        further = [job for job in new if job.replaces is None]
        cost = sum((job.estimated_cost for job in further), start=Decimal(0))
        if further:
            Batch.objects.filter(pk=key).update(
                job_count=F("job_count") + len(further), reserved=F("reserved") + exact(cost)
            )
        for job in new:
            if job.replaces is not None:
                uncount_job(job.replaces, successor=job)
            if job.is_final:
                count_ended_job(job)


def count_ended_job(job: Job) -> None:
    """Count a job that reached a final state; joins the transaction of that transition."""
    if job.batch_id is None:
        return
    cost = job.actual_cost or Decimal(0)
    Batch.objects.filter(pk=job.batch_id).update(
        **{_COLUMN[JobState(job.state)]: F(_COLUMN[JobState(job.state)]) + 1},
        spent=F("spent") + exact(cost),
        reserved=F("reserved") - exact(job.estimated_cost),
    )
    batch = Batch.objects.defer("rows", "invalid_rows", "mapping").get(pk=job.batch_id)
    reason = _reason_to_pause(batch)
    if reason:
        pause(batch, reason=reason, actor=RULES)
    elif is_finished(batch):
        event_log.record(
            RULES,
            "batch.finished",
            subject=batch,
            data={"succeeded": batch.succeeded, "failed": batch.failed + batch.blocked},
        )


def uncount_job(job: Job, *, successor: Job) -> None:
    """Remove a re-run job from the counts; its successor counts instead, at its own estimate."""
    if job.batch_id is None:
        return
    column = _COLUMN[JobState(job.state)]
    Batch.objects.filter(pk=job.batch_id).update(
        **{column: F(column) - 1}, reserved=F("reserved") + exact(successor.estimated_cost)
    )


def is_finished(batch: Batch) -> bool:
    """Return whether the batch has finished: all rows prepared, or cancelled, and every job ended."""
    finished = batch.succeeded + batch.failed + batch.blocked + batch.cancelled
    prepared = batch.prepared_rows >= batch.row_count or batch.cancelled_at is not None
    return prepared and finished == batch.job_count


@use_case()
def pause(batch: Batch, *, reason: str, actor: Actor) -> None:
    """Pause a batch: queued jobs are held, running ones are finished."""
    moved = Batch.objects.filter(
        pk=batch.pk, paused_at__isnull=True, cancelled_at__isnull=True
    ).update(paused_at=clock.now(), pause_reason=reason)
    if not moved:
        return
    Job.objects.filter(batch=batch.pk, state=JobState.QUEUED.value).update(is_held=True)
    event_log.record(actor, "batch.paused", subject=batch, data={"reason_code": reason})


def _reason_to_pause(batch: Batch) -> str:
    if batch.paused_at is not None or batch.cancelled_at is not None:
        return ""
    finished = batch.succeeded + batch.failed + batch.blocked + batch.cancelled
    if finished >= batch.job_count and batch.prepared_rows >= batch.row_count:
        return ""
    if batch.spending_limit is not None and batch.spent >= batch.spending_limit:
        return "spending_limit"
    wrong = batch.failed + batch.blocked
    too_many = 100 * wrong > batch.max_failure_percent * finished
    if batch.max_failure_percent and finished >= MIN_ENDED_JOBS and too_many:
        return "failures"
    if batch.max_blocked and batch.blocked >= batch.max_blocked:
        return "blocks"
    return ""
