"""Record the results of steps: errors by their class, pending calls, cancellations, ingests."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from imagegen_app.core.errors import (
    ContentBlocked,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.pricing import UNBILLED
from imagegen_app.core.states import AttemptState, JobState, WaitingReason
from imagegen_app.core.types import SubmissionStatus
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.jobs import (
    kept_answers,
    leases,
    transitions,
    unknown_outcomes,
    waiting,
)
from imagegen_app.services.policy import closed_content
from imagegen_app.services.worker import (
    _decisions,
    _failover,
    _ingest,
    _recovery,
    _results,
    _storage_failures,
)

if TYPE_CHECKING:
    from imagegen_app.core.types import Submission
    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.gateways.storage import StorageFailed
    from imagegen_app.services.worker._call_loop import CallResult


def handle_cancel_outcome(job: Job, attempt: Attempt, outcome: str) -> None:
    """Record the provider's answer to a cancel request."""
    failpoint("cancel.after_provider_before_commit")
    if outcome in {"cancelled", "cancelled_free"}:
        end_cancelled_job(job, attempt, is_free=outcome == "cancelled_free")
    else:
        # Too late, or only noted: the answer, or the next poll, tells how the call ends.
        leases.mark_cancel_sent(job)


def end_cancelled_job(job: Job, attempt: Attempt, *, is_free: bool) -> None:
    """End a job whose call the provider has cancelled; unless `is_free`, it may still be billed."""
    transitions.cancel(job, attempt, charge=None if is_free else attempt.reserved_cost)


def end_unsent_job(job: Job, attempt: Attempt) -> bool:
    """End a job that must not be sent any more before its call is; return whether it has ended."""
    if job.cancel_requested_at is not None:
        transitions.cancel(job, attempt, charge=None)
    elif job.deadline_at <= clock.now():
        transitions.expire(job, attempt)
    elif closed_content.closed_input(job) is not None:
        # Found since it was requested; its file may still be there.
        transitions.fail(
            job, attempt, error=ContentBlocked(closed_content.CLOSED_MESSAGE, stage="input")
        )
    return job.is_final


def end_crashed_job(job: Job, attempt: Attempt | None) -> None:
    """End a job whose workers crashed again and again."""
    end_job_of_fault(job, attempt, error=_decisions.RepeatedWorkerCrash())


@use_case()
def end_job_of_fault(job: Job, attempt: Attempt | None, *, error: ProviderError) -> None:
    """End a job because of a fault of our own, and charge what may have been billed.

    Its answer is kept if it came: it may be what the worker stumbles over.
    """
    charge = _decisions.amount_at_risk(attempt)
    is_answered = attempt is not None and attempt.state == AttemptState.ANSWERED
    transitions.fail(job, attempt, error=error, charge=charge)
    if attempt is not None and is_answered:
        kept_answers.keep_answer(job, attempt, reason=error.code, detail=error.detail)


def handle_error(job: Job, attempt: Attempt | None, error: ProviderError) -> None:
    """Record a failure by its class: retried, failed, or of unknown outcome."""
    sent = attempt is not None and attempt.state != AttemptState.CREATED
    if attempt is not None and sent and error.billed == "unknown":
        _recovery.continue_recovery(job, attempt, error=error)
    elif attempt is not None and sent and error.billed == "yes":
        fail_and_keep(job, attempt, error=error)
    elif (
        attempt is not None
        and job.state == JobState.UNCERTAIN
        and _decisions.is_query_failure(error)
    ):
        _recovery.continue_recovery(job, attempt, error=error)
    elif isinstance(error, RateLimited) and job.cancel_requested_at is None:
        # Only its deadline ends a job that is merely asked to wait.
        delay = _decisions.retry_delay(1, error)
        transitions.retry(job, attempt, error=error, delay=delay, counts=False)
    elif _decisions.should_fail_over(job, error) and _failover.try_fail_over(
        job, attempt, error=error
    ):
        return
    elif _decisions.should_wait_for_provider(job, error):
        # The breaker is open: this call may have been its probe, so it does not count as a try.
        transitions.retry(
            job, attempt, error=error, delay=_decisions.retry_delay(1, error), counts=False
        )
    elif _decisions.should_retry(job, error):
        transitions.retry(job, attempt, error=error, delay=_decisions.retry_delay(job.tries, error))
    else:
        transitions.fail(job, attempt, error=error)


def handle_storage_failure(job: Job, failure: StorageFailed) -> None:
    """Let the job wait, whatever of it needed the storage, or end it with the true reason."""
    attempt = leases.live_attempt(job)
    error = _storage_failures.wait(job, attempt, failure)
    if error is not None:
        handle_error(job, attempt, error)


def wait_for_key(job: Job, attempt: Attempt | None, *, detail: str) -> None:
    """Let a job wait, or continue with another model, while the provider's key cannot be read."""
    error = ProviderUnavailable(
        "The key of the provider cannot be read; nothing was sent.", detail=detail[:200]
    )
    if attempt is not None and attempt.state != AttemptState.CREATED:
        if job.deadline_at <= clock.now():
            _recovery.wait_for_adapter(job, attempt)
        else:
            waiting.wait_for(job, WaitingReason.CREDENTIAL, detail=detail)
    elif attempt is not None:
        # Back to the queue, where the job can also expire or be cancelled.
        transitions.retry(job, attempt, error=error, delay=0, counts=False)
    elif not (job.image_model.fallback_id and _failover.try_fail_over(job, None, error=error)):
        waiting.wait_for(job, WaitingReason.CREDENTIAL, detail=detail)


def wait_for_settings(job: Job, error: ProviderUnavailable) -> None:
    """Let a queued job wait, or continue with another model, until its provider can be called."""
    if not (job.image_model.fallback_id and _failover.try_fail_over(job, None, error=error)):
        waiting.wait_for(job, WaitingReason.PROVIDER, detail=error.detail)


def handle_poll_error(job: Job, attempt: Attempt, error: ProviderError) -> None:
    """Record a failed poll: either the polled call failed, or only the poll itself."""
    overdue = job.deadline_at <= clock.now()
    if error.is_call_outcome:
        handle_error(job, attempt, error)
    elif isinstance(error, NotFound) or (overdue and _decisions.is_query_failure(error)):
        unknown_outcomes.mark_uncertain(job, attempt, look_again=None)
    elif _decisions.is_query_failure(error):
        leases.postpone(
            job, seconds=_decisions.retry_delay(max(1, min(attempt.poll_count, 6)), error)
        )
    else:
        handle_error(job, attempt, error)


def handle_pending_call(job: Job, attempt: Attempt, submission: Submission) -> None:
    """Record the state of a call without an answer: accepted, still running, or cancelled."""
    if submission.status is SubmissionStatus.CANCELLED:
        end_cancelled_job(job, attempt, is_free=submission.is_unbilled)
    elif job.state != JobState.AWAITING:
        transitions.mark_accepted(
            job,
            attempt,
            ref=submission.ref or _recovery.reference_of(attempt),
            request_id=submission.request_id,
            poll_after=_decisions.poll_delay(attempt, submission),
            progress=submission.progress,
        )
    elif job.deadline_at <= clock.now():
        unknown_outcomes.mark_uncertain(job, attempt, look_again=None)
    else:
        delay = _decisions.poll_delay(attempt, submission)
        leases.postpone(job, seconds=delay, progress=submission.progress)


def handle_ingest_result(job: Job, attempt: Attempt, done: CallResult) -> bool:
    """Record the result of an ingest: assets, or why there are none.

    Returns whether the spooled answer is no longer needed.
    """
    if isinstance(done.error, _ingest.IngestDeferred):
        transitions.book_screening_cost(job, done.error.screened)
        # Not even the deadline ends a wait for the certificate: the image is paid for and kept.
        may_end = not isinstance(done.error, _ingest.CertificateMissing)
        if may_end and job.deadline_at <= clock.now():
            failure = done.error.failure(detail=str(done.error))
            failure.counted = done.error.counted
            fail_and_keep(job, attempt, error=failure)
        else:
            waiting.wait_for(job, done.error.waits_for, detail=str(done.error))
        return False
    if done.error is None:
        _results.store_results(job, attempt, result=done.result)
        failpoint("asset.after_commit_before_wakeup")
        if not done.result.errors:
            return True
    elif isinstance(done.error, _ingest.OutputBlocked):
        _blocked(job, attempt, done.error)
    elif isinstance(done.error, ProviderError):
        fail_and_keep(job, attempt, error=done.error)
    else:
        raise done.error
    return not kept_answers.is_kept(attempt)


@use_case()
def fail_and_keep(job: Job, attempt: Attempt, *, error: ProviderError) -> None:
    """End a job whose answer came and cannot be used; keep the answer if it was billed."""
    # The attempt is settled, at zero if it was not billed.
    is_billed = error.billed != "no"
    charge, origin = Decimal(0), UNBILLED
    if is_billed:
        charge, origin = _results.cost_of_failure(job, attempt, error)
    transitions.fail(job, attempt, error=error, charge=charge, origin=origin)
    if is_billed:
        kept_answers.keep_answer(job, attempt, reason=error.code, detail=error.detail)


@use_case()
def _blocked(job: Job, attempt: Attempt, blocked: _ingest.OutputBlocked) -> None:
    """End a job whose images were generated, but blocked by the site's content checks."""
    screened = blocked.screened
    categories = tuple(c for one in screened for c in one.decision.categories)
    is_closed = screening.hard_category_of(screened) is not None
    message = closed_content.CLOSED_MESSAGE if is_closed else "The content check blocked the image."
    error = ContentBlocked(message, stage="output", categories=categories)
    charge, origin = _results.cost_of_failure(job, attempt, blocked)
    transitions.fail(job, attempt, error=error, charge=charge, origin=origin, screened=screened)
    if is_closed:
        kept_answers.remove_closed(job, attempt)
