"""Move jobs into and out of `uncertain`: a call was sent, and its outcome is unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.errors import OutcomeUnknown
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, provider_limits, transitions
from imagegen_app.services.jobs.state_machine import (
    WORKER_ACTOR,
    message_of,
    require_lease,
    settle_attempt,
    transition,
    transition_attempt,
)
from imagegen_app.services.policy import budgets

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.models import Attempt, Job


@use_case()
def mark_resent(job: Job, attempt: Attempt) -> None:
    """Record, before sending, that an unanswered call is sent again with the same idempotency key.

    :raises LeaseLost: if the lease was lost.
    :raises CallDeferred: if its provider is too busy for another call.
    """
    provider_limits.acquire(job.image_model.provider, own=attempt)
    require_lease(job)
    transitions.record_sending(job, attempt, again=True)


@use_case()
def mark_uncertain(
    job: Job, attempt: Attempt, *, look_again: float | None, error: ProviderError | None = None
) -> None:
    """Mark a job as `uncertain`, due in `look_again` seconds; None: only at the deadline.

    `error` tells people what happened, if it left the outcome unknown.
    """
    known = error if isinstance(error, OutcomeUnknown) else OutcomeUnknown()
    deadline = conf.get().uncertain_deadline_seconds
    first = job.state != JobState.UNCERTAIN
    changes = leases.release_fields(deadline if look_again is None else look_again)
    if first:
        transition(
            job,
            JobState.UNCERTAIN,
            error_code=known.code,
            error_message=str(known)[:300],
            error_remedy=known.remedy[:300],
            deadline_at=clock.now() + timedelta(seconds=deadline),
            **changes,
        )
        if attempt.state != AttemptState.UNKNOWN:
            transition_attempt(
                attempt,
                AttemptState.UNKNOWN,
                error_code=known.code,
                error_detail=known.detail[:300],
                provider_message=message_of(known, job),
            )
        event_log.record(
            WORKER_ACTOR, "job.became_uncertain", subject=job, job=job, data={"attempt": attempt.pk}
        )
    else:
        leases.postpone(job, seconds=deadline if look_again is None else look_again)


@use_case()
def requeue_not_received(job: Job, attempt: Attempt, *, actor: Actor = WORKER_ACTOR) -> None:
    """Queue a job again whose call, as the provider says, never reached it."""
    transition(job, JobState.QUEUED, **leases.release_fields(0))
    transition_attempt(attempt, AttemptState.VOID)
    event_log.record(
        actor,
        "job.retried",
        subject=job,
        job=job,
        data={"error": "never_accepted", "attempt": attempt.pk},
    )


@use_case()
def requeue_at_risk(job: Job, attempt: Attempt, *, actor: Actor) -> None:
    """Charge the unanswered call as if it was billed, and queue the job for another one.

    :raises OverBudget: if the second call does not fit into a budget.
    """
    settle_attempt(job, attempt, amount=attempt.reserved_cost, error_code="outcome_unknown")
    budgets.reserve_again(actor=actor, job=job, amount=job.estimated_cost)
    transition(
        job,
        JobState.QUEUED,
        deadline_at=clock.now() + timedelta(seconds=conf.get().job_deadline_seconds),
        **leases.release_fields(0),
    )
    event_log.record(
        actor,
        "job.resolved",
        subject=job,
        job=job,
        data={"outcome": "sent_again", "attempt": attempt.pk},
    )


@use_case()
def close_uncertain(job: Job, attempt: Attempt, *, actor: Actor = WORKER_ACTOR) -> None:
    """End a job of unknown outcome; the charge is kept, since it may have been billed."""
    transitions.fail(
        job, attempt, error=OutcomeUnknown(), charge=attempt.reserved_cost, actor=actor
    )
    event_log.record(
        actor,
        "job.resolved",
        subject=job,
        job=job,
        data={"outcome": "closed", "attempt": attempt.pk},
    )
