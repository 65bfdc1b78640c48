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
from imagegen_app.services.policy.budget_refusals import OverBudget

if TYPE_CHECKING:
    from imagegen_app.core.errors import ProviderError
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
    """Return whether the call may be sent again: its idempotency key keeps it from being billed twice.

    The key must be remembered by the provider still, and the call must be the same to the last byte,
    to the same account.
    """
    is_wanted = job.cancel_requested_at is None and job.deadline_at > clock.now()
    remembered = adapters.idempotency_seconds(attempt.image_model.provider)
    if not is_wanted or attempt.sent_at is None or not remembered:
        return False
    if (clock.now() - attempt.sent_at).total_seconds() >= remembered:
        return False
    return attempt.request_digest == leases.digest_of(job)


def reference_of(attempt: Attempt) -> str:
    """Return the reference to poll the call by: the provider's, or our own where it takes that."""
    if attempt.provider_ref:
        return attempt.provider_ref
    takes_ours = RecoveryMethod.CLIENT_REFERENCE in adapters.recovery_methods(attempt)
    return str(attempt.pk) if takes_ours else ""


def can_look_up(attempt: Attempt) -> bool:
    """Return whether the provider can be asked about the call, at no further cost."""
    if RecoveryMethod.LOOKUP in adapters.recovery_methods(attempt):
        return True
    return bool(reference_of(attempt))


def wait_for_adapter(job: Job, attempt: Attempt) -> None:
    """Put off a call that was sent, while its adapter cannot be used: it is neither lost nor failed."""
    overdue = job.deadline_at <= clock.now()
    if overdue and job.state in {JobState.SUBMITTING, JobState.UNCERTAIN}:
        continue_recovery(job, attempt)
    elif overdue and job.state == JobState.AWAITING:
        unknown_outcomes.mark_uncertain(job, attempt, look_again=LOOK_AGAIN_SECONDS)
    else:
        leases.postpone(job, seconds=LOOK_AGAIN_SECONDS)


def continue_recovery(job: Job, attempt: Attempt, *, error: ProviderError | None = None) -> None:
    """Choose the next step for a call whose outcome is still unknown; `error` says why it is.

    First the spool. Then, if the provider can be asked or be sent the same call again, a few tries in
    quick succession, later one every `LOOK_AGAIN_SECONDS`. Otherwise a webhook may bring the outcome,
    or the job's policy decides: `at_least_once` sends the request again and records the risk,
    `at_most_once` waits for a person.
    """
    asked = (error.retry_after if error is not None else None) or 0.0
    may_learn = can_look_up(attempt) or can_resend(job, attempt)
    if is_answer_spooled(attempt):
        transitions.mark_answered(job, attempt)
        leases.postpone(job, seconds=0)
    elif job.state == JobState.UNCERTAIN and job.deadline_at <= clock.now():
        unknown_outcomes.close_uncertain(job, attempt)
    elif job.state == JobState.SUBMITTING and may_learn and attempt.poll_count < INITIAL_LOOKUPS:
        leases.count_poll(attempt)
        leases.postpone(job, seconds=max(asked, LOOKUP_RETRY_SECONDS * 2.0**attempt.poll_count))
    elif may_learn:
        unknown_outcomes.mark_uncertain(
            job, attempt, look_again=max(asked, LOOK_AGAIN_SECONDS), error=error
        )
    elif _may_be_told(attempt) or job.unknown_outcome_policy != "at_least_once":
        unknown_outcomes.mark_uncertain(job, attempt, look_again=None, error=error)
    else:
        try:
            unknown_outcomes.requeue_at_risk(job, attempt, actor=WORKER_ACTOR)
        except OverBudget:
            unknown_outcomes.mark_uncertain(job, attempt, look_again=None, error=error)


def _may_be_told(attempt: Attempt) -> bool:
    """Return whether a webhook may bring the outcome, or one has shown that the provider has the call."""
    return (
        RecoveryMethod.WEBHOOK in adapters.recovery_methods(attempt)
        or WebhookDelivery.objects.filter(attempt=attempt).exists()
    )
