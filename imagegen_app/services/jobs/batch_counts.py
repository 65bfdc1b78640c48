"""Count a batch in the transaction of each job's own move, and pause it where its rules say so."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F

from imagegen_app.core.actors import System
from imagegen_app.core.states import JobState
from imagegen_app.models import Asset, Batch, Job
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from imagegen_app.core.actors import Actor

RULES = System("rules")
#: Before so many ended jobs, a share of failures says nothing.
MIN_ENDED_JOBS = 20
#: Counting what waits for review stops here.
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
    """How far a batch is."""

    rows: int
    prepared_rows: int
    #: Jobs; a row that could not be made has none.
    job_count: int
    succeeded: int
    failed: int
    blocked: int
    cancelled: int
    invalid_rows: int
    spent: Decimal
    #: What the jobs that have not ended are estimated to cost.
    reserved: Decimal
    to_review: int
    #: Nothing more is prepared, since it was cancelled.
    is_cancelled: bool

    @property
    def ended(self) -> int:
        """Jobs that reached an end."""
        return self.succeeded + self.failed + self.blocked + self.cancelled

    @property
    def unsuccessful(self) -> int:
        """Jobs that ended without images."""
        return self.ended - self.succeeded

    @property
    def is_prepared(self) -> bool:
        """Whether no further jobs are made."""
        return self.prepared_rows >= self.rows or self.is_cancelled

    @property
    def is_finished(self) -> bool:
        """Whether nothing is under way."""
        return self.is_prepared and self.ended >= self.job_count


def counts_of(batch: Batch) -> BatchCounts:
    """Return how far a batch is: read from its row, whatever its size."""
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
        invalid_rows=batch.prepared_rows - batch.job_count,
        spent=batch.spent,
        reserved=max(batch.reserved, Decimal(0)),
        to_review=waiting.count(),
        is_cancelled=batch.cancelled_at is not None,
    )


def count_new_jobs(jobs: Iterable[Job]) -> None:
    """Count new jobs in their batches, where one that is requested again takes the other's place.

    Joins the transaction in which they are made.
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
                uncount_job(job.replaces)
            if job.is_final:
                count_ended_job(job)


def count_ended_job(job: Job) -> None:
    """Count a job that reached an end; joins the transaction of its move."""
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


def uncount_job(job: Job) -> None:
    """Take back the count of a job that is requested again; its successor counts instead."""
    if job.batch_id is None:
        return
    column = _COLUMN[JobState(job.state)]
    Batch.objects.filter(pk=job.batch_id).update(
        **{column: F(column) - 1}, reserved=F("reserved") + exact(job.estimated_cost)
    )


def is_finished(batch: Batch) -> bool:
    """Return whether the batch has finished: all rows prepared, or cancelled, and every job ended."""
    finished = batch.succeeded + batch.failed + batch.blocked + batch.cancelled
    prepared = batch.prepared_rows >= batch.row_count or batch.cancelled_at is not None
    return prepared and finished == batch.job_count


@use_case()
def pause(batch: Batch, *, reason: str, actor: Actor) -> None:
    """Stop a batch where it is: what waits is held, what is under way is finished."""
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
