"""Move jobs and attempts through their states: the only code that does.

Each move is a named function; all go through `_move`, a conditional update under the job's lease
token. A worker whose lease was taken writes nothing: its token no longer fits.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F

from imagegen_app import conf
from imagegen_app.core.actors import System
from imagegen_app.core.errors import OutcomeUnknown, ProviderError
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import (
    ATTEMPT_MOVES,
    FINAL,
    LIVE,
    AttemptState,
    JobState,
    can_move,
)
from imagegen_app.models import Attempt, Job
from imagegen_app.services import audit, budgets, clock, leases
from imagegen_app.services.announce import job_finished
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from decimal import Decimal

    from imagegen_app.core.actors import Actor

WORKER = System("worker")


class IllegalMove(RuntimeError):
    """The states' table has no such move; this is a mistake in our code."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"no move from {source} to {target}")


def _move(job: Job, target: JobState, **changes: Any) -> None:
    """Change a job's state under its lease token.

    :raises IllegalMove: if the table has no such move.
    :raises JobMoved: if the token no longer fits.
    """
    source = JobState(job.state)
    if not can_move(source, target):
        raise IllegalMove(source, target)
    now = clock.now()
    changes.setdefault("claims", 0)
    if target in FINAL:
        changes |= {"finished_at": now, "lease_until": None, "lease_owner": "", "due_at": None}
    moved = Job.objects.filter(pk=job.pk, state=source.value, lease_token=job.lease_token).update(
        state=target.value, **changes
    )
    if not moved:
        raise leases.JobMoved(str(job.pk))
    job.state = target.value
    for name, value in changes.items():
        if not isinstance(value, F):
            setattr(job, name, value)
    if target in FINAL:
        job_finished(job)


def _move_attempt(attempt: Attempt, target: AttemptState, **changes: Any) -> None:
    """Change an attempt's state; the job's lease was checked by the caller's `_move`.

    :raises IllegalMove: if the table has no such move.
    :raises JobMoved: if the attempt moved meanwhile.
    """
    source = AttemptState(attempt.state)
    if target not in ATTEMPT_MOVES[source]:
        raise IllegalMove(source, target)
    if target not in LIVE:
        changes |= {"live_job": None, "ended_at": clock.now()}
    moved = Attempt.objects.filter(pk=attempt.pk, state=source.value).update(
        state=target.value, **changes
    )
    if not moved:
        raise leases.JobMoved(str(attempt.job_id))
    attempt.state = target.value
    for name, value in changes.items():
        setattr(attempt, name, value)


def _hold(job: Job) -> None:
    """Make sure, inside a transaction, that the lease is still ours.

    :raises JobMoved: if it is not.
    """
    if not Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(
        lease_token=F("lease_token")
    ):
        raise leases.JobMoved(str(job.pk))


@use_case()
def begin(job: Job, *, digest: str) -> Attempt:
    """Take a queued job up: an attempt with its key is committed, nothing is sent yet.

    :raises JobMoved: if the lease was lost.
    """
    _move(job, JobState.SUBMITTING, started_at=job.started_at or clock.now(), tries=job.tries + 1)
    attempt = Attempt.objects.create(
        job=job,
        live_job=job,
        image_model=job.image_model,
        number=job.attempts.count() + 1,
        request_digest=digest,
        reserved_cost=job.estimated_cost,
        is_accepted_risk=job.attempts.filter(error_code="outcome_unknown").exists(),
    )
    audit.record(
        WORKER,
        "job.taken_up",
        subject=job,
        job=job,
        data={"attempt": attempt.pk, "number": attempt.number},
    )
    return attempt


@use_case()
def mark_sent(job: Job, attempt: Attempt) -> None:
    """Commit, alone and just before the first byte, that the call is on its way.

    :raises JobMoved: if the lease was lost.
    """
    _hold(job)
    _move_attempt(attempt, AttemptState.SENT, sent_at=clock.now())
    audit.record(
        WORKER,
        "job.submitted",
        subject=job,
        job=job,
        data={
            "attempt": attempt.pk,
            "provider": job.image_model.provider.slug,
            "model": job.image_model.slug,
        },
    )


@use_case()
def accepted(job: Job, attempt: Attempt, *, ref: str, request_id: str, poll_after: float) -> None:
    """Note that the provider took the call on; it is asked again later."""
    _move(job, JobState.AWAITING, **leases.later(poll_after))
    _move_attempt(
        attempt, AttemptState.ACCEPTED, provider_ref=ref[:200], provider_request_id=request_id[:200]
    )
    audit.record(
        WORKER,
        "job.accepted",
        subject=job,
        job=job,
        data={"attempt": attempt.pk, "provider": job.image_model.provider.slug, "ref": ref[:200]},
    )


@use_case()
def answered(job: Job, attempt: Attempt, *, request_id: str = "") -> None:
    """Note that the answer's bytes are in the spool; the lease is kept, ingest comes next."""
    failpoint("answered.before_commit")
    _move(job, JobState.INGESTING, due_at=clock.now())
    _move_attempt(
        attempt,
        AttemptState.ANSWERED,
        answered_at=clock.now(),
        provider_request_id=(request_id or attempt.provider_request_id)[:200],
    )
    audit.record(WORKER, "job.answered", subject=job, job=job, data={"attempt": attempt.pk})


@use_case()
def retry(job: Job, attempt: Attempt | None, *, error: ProviderError, delay: float) -> None:
    """Put a job back after a failure that surely cost nothing."""
    _move(
        job,
        JobState.QUEUED,
        error_code=error.code,
        error_message=str(error)[:300],
        error_remedy=error.remedy[:300],
        **leases.later(delay),
    )
    _close_unbilled(attempt, error)
    audit.record(
        WORKER,
        "job.retried",
        subject=job,
        job=job,
        data={"error": error.code, "delay_seconds": int(delay), "tries": job.tries},
    )


@use_case()
def fail(
    job: Job,
    attempt: Attempt | None,
    *,
    error: ProviderError,
    charge: Decimal | None = None,
    actor: Actor = WORKER,
) -> None:
    """End a job that cannot be made; money is released, or kept where it is gone.

    With `charge`, the attempt is settled at that amount; without, it was not billed.
    """
    blocked = error.code == "content_blocked"
    _move(
        job,
        JobState.BLOCKED if blocked else JobState.FAILED,
        error_code=error.code,
        error_message=str(error)[:300],
        error_remedy=error.remedy[:300],
        actual_cost=charge or 0,
    )
    if charge is not None and attempt is not None:
        settle(job, attempt, amount=charge, error=error)
    else:
        _close_unbilled(attempt, error)
    budgets.release(actor=actor, job=job)
    data: dict[str, Any] = {"error": error.code, "detail": error.detail[:200]}
    if blocked:
        data |= {
            "categories": list(getattr(error, "categories", ())),
            "stage": getattr(error, "stage", ""),
        }
    audit.record(actor, "job.blocked" if blocked else "job.failed", subject=job, job=job, data=data)


@use_case()
def became_uncertain(job: Job, attempt: Attempt, *, look_again: float | None) -> None:
    """Say that the job may have been billed and that its outcome is not known."""
    deadline = conf.get().uncertain_seconds
    first = job.state != JobState.UNCERTAIN
    changes = leases.later(deadline if look_again is None else look_again)
    if first:
        _move(
            job,
            JobState.UNCERTAIN,
            error_code="outcome_unknown",
            error_message="The request was sent and no answer came: it may have been billed.",
            error_remedy="Check the provider's bill, then close the job or let it be sent again.",
            deadline_at=clock.now() + timedelta(seconds=deadline),
            **changes,
        )
        if attempt.state != AttemptState.UNKNOWN:
            _move_attempt(attempt, AttemptState.UNKNOWN, error_code="outcome_unknown")
        audit.record(
            WORKER, "job.became_uncertain", subject=job, job=job, data={"attempt": attempt.pk}
        )
    else:
        leases.postpone(job, seconds=deadline if look_again is None else look_again)


@use_case()
def never_accepted(job: Job, attempt: Attempt, *, actor: Actor = WORKER) -> None:
    """Put a job back whose call provably never reached the provider."""
    _move(job, JobState.QUEUED, **leases.later(0))
    _move_attempt(attempt, AttemptState.VOID)
    audit.record(
        actor,
        "job.retried",
        subject=job,
        job=job,
        data={"error": "never_accepted", "attempt": attempt.pk},
    )


@use_case()
def send_again_at_risk(job: Job, attempt: Attempt, *, actor: Actor) -> None:
    """Give the unanswered call up as charged, and queue the job for another one.

    :raises OverBudget: if the second call does not fit into a budget.
    """
    settle(job, attempt, amount=attempt.reserved_cost, error_code="outcome_unknown")
    budgets.reserve_again(actor=actor, job=job, amount=job.estimated_cost)
    _move(
        job,
        JobState.QUEUED,
        deadline_at=clock.now() + timedelta(seconds=conf.get().job_deadline_seconds),
        **leases.later(0),
    )
    audit.record(
        actor,
        "job.resolved",
        subject=job,
        job=job,
        data={"outcome": "sent_again", "attempt": attempt.pk},
    )


@use_case()
def close_unknown(job: Job, attempt: Attempt, *, actor: Actor = WORKER) -> None:
    """End a job of unknown outcome; the charge is kept, since it may have been billed."""
    fail(job, attempt, error=OutcomeUnknown(), charge=attempt.reserved_cost, actor=actor)
    audit.record(
        actor,
        "job.resolved",
        subject=job,
        job=job,
        data={"outcome": "closed", "attempt": attempt.pk},
    )


@use_case()
def cancel(
    job: Job, attempt: Attempt | None, *, charge: Decimal | None, actor: Actor = WORKER
) -> None:
    """End a job by a person's wish; with `charge` the money is gone, and the job says so."""
    message = (
        "Cancelled; nothing was billed."
        if charge is None
        else "Cancelled; it was billed all the same."
    )
    _move(
        job,
        JobState.CANCELLED,
        error_code="",
        error_message=message,
        error_remedy="",
        actual_cost=charge or 0,
    )
    if attempt is not None and charge is not None:
        settle(job, attempt, amount=charge)
    elif attempt is not None:
        _move_attempt(attempt, AttemptState.VOID)
    budgets.release(actor=actor, job=job)
    audit.record(
        actor, "job.cancelled", subject=job, job=job, data={"was_billed": charge is not None}
    )


@use_case()
def expire(job: Job) -> None:
    """End a job that was not begun before its deadline."""
    _move(
        job,
        JobState.EXPIRED,
        error_code="expired",
        error_message="The job was not made before its deadline.",
        error_remedy="Request it again.",
        actual_cost=0,
    )
    budgets.release(actor=WORKER, job=job)
    audit.record(WORKER, "job.expired", subject=job, job=job)


@use_case()
def succeed(
    job: Job,
    attempt: Attempt,
    *,
    charge: Decimal,
    made: int,
    model_version: str,
    note: ProviderError | None,
) -> None:
    """End a job with its assets; joins the transaction in which they are written."""
    _move(
        job,
        JobState.SUCCEEDED,
        actual_cost=charge,
        progress=1.0,
        error_code="" if note is None else "fewer_images",
        error_message="" if note is None else str(note)[:300],
        error_remedy="" if note is None else note.remedy[:300],
    )
    settle(job, attempt, amount=charge, model_version=model_version)
    budgets.release(actor=WORKER, job=job)
    audit.record(
        WORKER, "job.succeeded", subject=job, job=job, data={"count": made, "wanted": job.count}
    )


def settle(
    job: Job,
    attempt: Attempt,
    *,
    amount: Decimal,
    error: ProviderError | None = None,
    error_code: str = "",
    model_version: str = "",
) -> None:
    """Charge an attempt; joins the caller's transaction."""
    budgets.charge(actor=WORKER, job=job, attempt=attempt, amount=amount)
    _move_attempt(
        attempt,
        AttemptState.SETTLED,
        actual_cost=amount,
        error_code=error.code if error else error_code,
        error_detail=(error.detail if error else "")[:300],
        model_version=model_version[:120],
    )


def _close_unbilled(attempt: Attempt | None, error: ProviderError) -> None:
    if attempt is None:
        return
    target = AttemptState.VOID if attempt.state == AttemptState.CREATED else AttemptState.REFUSED
    _move_attempt(
        attempt,
        target,
        error_code=error.code,
        error_detail=error.detail[:300],
        provider_request_id=(error.request_id or attempt.provider_request_id)[:200],
    )
