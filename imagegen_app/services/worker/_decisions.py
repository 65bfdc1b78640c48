"""Decide what follows an error: how long to wait, and whether to retry or fail over."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeGuard

from imagegen_app import conf
from imagegen_app.core.errors import (
    AuthenticationFailed,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
)
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import breaker
from imagegen_app.services.jobs.rebuilding import operation_of, size_of
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from decimal import Decimal

    from imagegen_app.core.types import Submission
    from imagegen_app.models import Attempt, Job

POLL_SECONDS = 2.0
MAX_POLL_SECONDS = 30.0
MAX_RETRY_SECONDS = 120.0
MAX_WAIT_SECONDS = 900.0


class RepeatedWorkerCrash(ProviderError):
    """The worker crashed three times on this job."""

    code = "worker_lost_repeatedly"
    billed = "no"
    remedy = "Tell an image administrator: this job or its images crash the worker."


class JobDataMissing(ProviderError):
    """Data that the job needs no longer exists."""

    code = "request_gone"
    remedy = "Request the image again."


class NoLongerGranted(ProviderError):
    """The requester no longer has a grant for this model."""

    code = "not_granted"
    remedy = "Ask an image administrator for a grant."


def require_current_grant(job: Job, *, lately: dict[object, access.GrantDecision]) -> None:
    """Check the requester's grant again, before money is spent.

    `lately` caches the decisions of this round of claims, for jobs with the same parameters.

    :raises NoLongerGranted: if the requester is inactive or no grant allows this job any more.
    """
    if job.requester is None or not job.requester.is_active:
        raise NoLongerGranted(detail="the requester's account is gone")
    operation, size = operation_of(job), size_of(job)
    cache_key = (job.requester_id, job.image_model_id, operation, size, job.count)
    decision = lately.get(cache_key)
    if decision is None:
        decision = lately[cache_key] = access.check_grant(
            access.actor_for(job.requester),
            image_model=job.image_model,
            operation=operation,
            size=size,
            count=job.count,
        )
    if not decision.allowed:
        raise NoLongerGranted(detail=decision.reason)


def amount_at_risk(attempt: Attempt | None) -> Decimal | None:
    """Return what the provider may bill for an attempt, or None if nothing was sent."""
    if attempt is None or attempt.state == AttemptState.CREATED:
        return None
    cost: Decimal = attempt.reserved_cost
    return cost


def is_query_failure(error: ProviderError) -> bool:
    """Return whether a poll or look-up failed itself, so that the call's outcome stays unknown."""
    refused = isinstance(error, AuthenticationFailed | PermissionDenied | QuotaExhausted)
    return error.retryable or refused or isinstance(error, OutcomeUnknown)


def is_lookup_failure(error: object) -> TypeGuard[ProviderError]:
    """Return whether an error came from the look-up, not from the call that was looked up."""
    return isinstance(error, ProviderError) and not error.is_call_outcome


def should_retry(job: Job, error: ProviderError) -> bool:
    """Return whether the job may be retried after this error."""
    return error.retryable and job.tries < conf.get().max_tries and job.cancel_requested_at is None


def should_wait_for_provider(job: Job, error: ProviderError) -> bool:
    """Return whether a job only has to wait until its provider works again; its deadline ends it."""
    is_outage = isinstance(error, ProviderUnavailable | ProviderTimeout) and error.retryable
    is_open = is_outage and breaker.is_open_for(job.image_model, job.operation)
    return is_open and job.cancel_requested_at is None


def should_fail_over(job: Job, error: ProviderError) -> bool:
    """Return whether to try a fallback model: no retry can help now, and no call is under way."""
    if job.image_model.fallback_id is None or not error.can_fail_over:
        return False
    if job.cancel_requested_at is not None or job.state == JobState.UNCERTAIN:
        return False
    return not should_retry(job, error) or breaker.is_open_for(job.image_model, job.operation)


def should_resend(error: ProviderError, job: Job) -> bool:
    """Return whether a resent call should be sent once more: it failed, but was not refused."""
    return error.billed == "no" and is_query_failure(error) and job.deadline_at > clock.now()


def leaves_outcome_open(error: ProviderError) -> bool:
    """Return whether the refusal of a resent call says nothing about the first one.

    So it is where the model or the address is gone now, the first call is still being worked on
    (409) or the provider takes the two for different calls (422).
    """
    if isinstance(error, NotFound):
        return True
    return isinstance(error, InvalidRequest) and error.status in {409, 422}


def poll_delay(attempt: Attempt, submission: Submission) -> float:
    """Return the seconds until the next poll: as the provider says, or growing with each poll."""
    if submission.poll_after is not None:
        delay = min(submission.poll_after, MAX_WAIT_SECONDS)
    else:
        grown = POLL_SECONDS * 1.3 ** min(attempt.poll_count, 12)
        delay = min(grown, MAX_POLL_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    if attempt.result_expires_at is not None:
        # Early enough that a failed fetch can be repeated before the result is gone.
        delay = min(delay, (attempt.result_expires_at - clock.now()).total_seconds() / 3)
    return max(0.2, delay)


def retry_delay(tries: int, error: ProviderError) -> float:
    """Return the seconds until the next try: as the provider says, or exponential with jitter."""
    if error.retry_after is not None:
        return min(error.retry_after, MAX_WAIT_SECONDS) + random.uniform(0, 1)  # noqa: S311 - jitter
    return random.uniform(0.5, min(MAX_RETRY_SECONDS, 2.0**tries))  # noqa: S311 - jitter
