"""Decide about calls whose answer never came: learn their fate, wait, or ask a person."""

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

#: How soon a provider that can be asked is asked again.
LOOK_AGAIN_SECONDS = 30.0
#: Looks that are taken at once, before anybody is told that the outcome is unknown.
INITIAL_LOOKUPS = 3


def is_answer_spooled(attempt: Attempt) -> bool:
    """Return whether the whole answer lies in the spool, whatever the row says."""
    return spool.answer_of(attempt).is_complete


def can_resend(job: Job, attempt: Attempt) -> bool:
    """Return whether the same call may be sent once more: its key makes it one call."""
    wanted = job.cancel_requested_at is None and job.deadline_at > clock.now()
    return wanted and RecoveryMethod.IDEMPOTENCY_KEY in adapters.recovery_methods(attempt)


def continue_recovery(job: Job, attempt: Attempt) -> None:
    """Choose the next measure for a call whose outcome is still unknown.

    The spool first; then, if the provider can be asked, ask it a few times at once and then now and
    then. Else the job's policy decides: `at_least_once` sends again and says so, `at_most_once` waits for a person.
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
        leases.postpone(job, seconds=2.0**attempt.poll_count)
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
