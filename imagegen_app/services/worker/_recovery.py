"""Decide about calls without an answer: look up the outcome, wait, resend, or ask a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.states import JobState
from imagegen_app.core.types import RecoveryMethod
from imagegen_app.models import WebhookDelivery
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, spool
from imagegen_app.services.jobs import leases, transitions, unknown_outcomes
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.policy.budgets import OverBudget

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job

#: Seconds between look-ups of a call whose job is already `uncertain`.
LOOK_AGAIN_SECONDS = 30.0
#: Before the first look-up of a lost call is repeated; doubled with each repetition.
LOOKUP_RETRY_SECONDS = 1.0
#: Look-ups in quick succession before the job becomes `uncertain`.
INITIAL_LOOKUPS = 3


def is_answer_spooled(attempt: Attempt) -> bool:
    """Return whether the complete answer is in the spool, whatever the attempt's state."""
    return spool.answer_of(attempt).is_complete


def can_resend(job: Job, attempt: Attempt) -> bool:
    """Return whether the call may be sent again: its idempotency key keeps it from being billed twice."""
    is_wanted = job.cancel_requested_at is None and job.deadline_at > clock.now()
    return is_wanted and RecoveryMethod.IDEMPOTENCY_KEY in adapters.recovery_methods(attempt)


def continue_recovery(job: Job, attempt: Attempt) -> None:
    """Choose the next step for a call whose outcome is still unknown.

    First the spool. Then, if the provider supports look-ups, a few in quick succession, later one every
    `LOOK_AGAIN_SECONDS`. Otherwise the job's policy decides: `at_least_once` sends the request again
    and records the risk, `at_most_once` waits for a person.
    """
    if is_answer_spooled(attempt):
        transitions.mark_answered(job, attempt)
        leases.postpone(job, seconds=0)
    elif job.state == JobState.UNCERTAIN and job.deadline_at <= clock.now():
        unknown_outcomes.close_uncertain(job, attempt)
    elif (
        job.state == JobState.SUBMITTING
        and adapters.recovery_methods(attempt)
        and attempt.poll_count < INITIAL_LOOKUPS
    ):
        leases.count_poll(attempt)
        leases.postpone(job, seconds=LOOKUP_RETRY_SECONDS * 2.0**attempt.poll_count)
    elif (
        adapters.recovery_methods(attempt)
        or WebhookDelivery.objects.filter(attempt=attempt).exists()
    ):
        unknown_outcomes.mark_uncertain(job, attempt, look_again=LOOK_AGAIN_SECONDS)
    elif job.unknown_outcome_policy == "at_least_once":
        try:
            unknown_outcomes.requeue_at_risk(job, attempt, actor=WORKER_ACTOR)
        except OverBudget:
            unknown_outcomes.mark_uncertain(job, attempt, look_again=None)
    else:
        unknown_outcomes.mark_uncertain(job, attempt, look_again=None)
