"""Claim due work and drive many provider calls at once.

One call of `drive` works for a time slice: it claims jobs, takes each one's next step, and records
the result. Calls run on the event loop of `CallLoop`, decoding and signing in its pool;
rows are read and written only here, in the calling thread.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from imagegen_app import conf
from imagegen_app.core.errors import NotFound, OutcomeUnknown, ProviderError, ProviderUnavailable
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation import clock, db_session
from imagegen_app.services.foundation.worker_registry import record_heartbeat, worker_name
from imagegen_app.services.gateways import adapters, spool
from imagegen_app.services.jobs import (
    leases,
    pass_chain,
    provider_limits,
    transitions,
    unknown_outcomes,
)
from imagegen_app.services.jobs.leases import LeaseLost
from imagegen_app.services.jobs.provider_limits import CallDeferred
from imagegen_app.services.jobs.rebuilding import rebuild_request
from imagegen_app.services.worker import (
    _answers,
    _decisions,
    _failover,
    _ingest,
    _outcomes,
    _provider_health,
    _recovery,
)
from imagegen_app.services.worker._call_loop import CallLoop
from imagegen_app.services.worker._provider_pauses import PausedProviders

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.providers.http import HttpClient
    from imagegen_app.services.policy.access import GrantDecision
    from imagegen_app.services.worker._call_loop import CallResult

logger = logging.getLogger("imagegen.driver")

#: Set when the process is asked to stop: nothing new is claimed, what is under way is finished.
draining = threading.Event()

HEARTBEAT_SECONDS = 4.0
#: How long an empty driver waits for more before it returns.
IDLE_SECONDS = 0.5
#: How often a driver looks for batches whose rows wait to become jobs.
LOOK_FOR_ROWS_SECONDS = 0.5
MAX_EXPIRED_LEASES = 3
#: Jobs claimed in one round, so that heartbeats and results are handled in between.
ROUND = 32
#: Spooled answers that may wait to be ingested, per call that may be in flight.
MAX_UNREAD_ANSWERS_PER_CALL = 2


@dataclass(slots=True)
class RunningStep:
    """The step of one claimed job whose result is awaited."""

    kind: str
    job: Job
    attempt: Attempt | None = None
    adapter: ProviderAdapter | None = None


def drive(*, seconds: float | None = None) -> int:
    """Work for a time slice and return how many steps were taken."""
    db_session.limit_idle_transactions()
    with CallLoop(byte_workers=_ingest.image_worker_count()) as loop:
        driver = Driver(loop, seconds=conf.get().drive_seconds if seconds is None else seconds)
        try:
            return driver.run()
        finally:
            driver.close()


class Driver:
    """One time slice of one worker."""

    def __init__(self, loop: CallLoop, *, seconds: float) -> None:
        self.loop = loop
        self.owner = worker_name()
        self.ends_at = time.monotonic() + seconds
        self.steps: dict[Any, RunningStep] = {}
        self.steps_taken = 0
        self.pauses = PausedProviders(max_claims=conf.get().max_in_flight)
        self.health_monitor = _provider_health.HealthMonitor()
        #: Grant decisions of this round of claims, by the parameters of the job.
        self.grant_decisions: dict[object, GrantDecision] = {}
        self._http: HttpClient | None = None
        self._next_heartbeat = self._next_look_for_rows = time.monotonic()

    def run(self) -> int:
        """Claim and step until the slice ends or nothing is due, then finish what is under way."""
        idle_since: float | None = None
        while True:
            self._heartbeat()
            may_claim = time.monotonic() < self.ends_at and not draining.is_set()
            claimed = self._claim() if may_claim else 0
            # In chunks between two steps, so that thousands of batch rows do not delay calls.
            prepared = may_claim and self._prepare()
            if claimed or self.steps or prepared:
                idle_since = None
            elif not may_claim:
                return self.steps_taken
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS and not leases.is_due_within(
                self.ends_at - time.monotonic()
            ):
                return self.steps_taken
            wait = 0 if prepared else self.pauses.seconds(0.05 if claimed else 0.1)
            self._finish_all(self.loop.next_results(wait=wait, most=_answers.MAX_ANSWERS_AT_ONCE))

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self.loop.run(self._http.aclose())

    def _prepare(self) -> bool:
        """Create jobs for the next rows of some batch; return whether there were any."""
        if time.monotonic() < self._next_look_for_rows:
            return False
        prepared = row_jobs.create_next_jobs()
        if not prepared:
            self._next_look_for_rows = time.monotonic() + LOOK_FOR_ROWS_SECONDS
        return prepared

    def _claim(self) -> int:
        free = min(self._free(), self.pauses.claim_limit, ROUND)
        if free <= 0:
            return 0
        now = clock.now()
        excluded = self.pauses.excluded_jobs(now=now)
        claimed = leases.claim(limit=free, owner=self.owner, excluded=excluded)
        if claimed:
            failpoint("claim.after_commit")
            self.grant_decisions = {}
        returned: list[Job] = []
        for job in claimed:
            if self.pauses.is_paused(job, now=now):
                returned.append(job)
            else:
                self._guarded(job, partial(self._start, job))
        if returned:
            leases.release(returned)
        if claimed:
            begun = len(claimed) - len(returned)
            self.pauses.adjust_claim_limit(begun, refused=bool(returned))
        return len(claimed) - len(returned)

    def _free(self) -> int:
        """Return how many more calls may be made; answers being ingested do not count as calls."""
        most = conf.get().max_in_flight
        reading = sum(step.kind == "ingest" for step in self.steps.values())
        calls = len(self.steps) - reading
        return 0 if reading >= MAX_UNREAD_ANSWERS_PER_CALL * most else most - calls

    def _heartbeat(self) -> None:
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        record_heartbeat(name=self.owner)
        if self.steps:
            leases.heartbeat([step.job.pk for step in self.steps.values()], owner=self.owner)

    def _guarded(self, job: Job, work: Any) -> None:
        """Run a step and handle its errors, so that one job never stops the others."""
        try:
            work()
        except LeaseLost:
            logger.info("The lease of job %s was lost; its step was dropped.", job.pk)
        except CallDeferred as deferred:
            self._defer(job, deferred)
        except ProviderError as error:
            refusal = error
            self._guarded(
                job, lambda: _outcomes.handle_error(job, leases.live_attempt(job), refusal)
            )
        except Exception:
            # Catch everything here: the lease expires, and the job is claimed again or ended.
            logger.exception("A step of the job %s raised an unexpected error.", job.pk)

    def _defer(self, job: Job, deferred: CallDeferred) -> None:
        """Postpone a job whose call has to wait, or fail over to another model."""
        if job.state != JobState.QUEUED:
            leases.postpone(job, seconds=deferred.seconds)
        elif deferred.is_breaker_open and _failover.try_fail_over(
            job, None, error=ProviderUnavailable()
        ):
            return
        else:
            self.pauses.pause(deferred)
            leases.release([job])

    # Starting steps

    def _start(self, job: Job) -> None:
        self.steps_taken += 1
        # A job in the queue has no attempt under way.
        attempt = None if job.state == JobState.QUEUED else leases.live_attempt(job)
        if job.expired_leases >= MAX_EXPIRED_LEASES:
            _outcomes.end_crashed_job(job, attempt)
            return
        state = JobState(job.state)
        if state is JobState.QUEUED:
            self._queued(job)
        elif state is JobState.INGESTING and attempt is not None:
            self._ingest(job, attempt)
        elif state is JobState.AWAITING and attempt is not None:
            self._await(job, attempt)
        elif attempt is None:
            raise _decisions.JobDataMissing(detail="no attempt is under way")
        elif attempt.state == AttemptState.CREATED:
            provider_limits.acquire(attempt.image_model.provider, own=attempt)
            self._send(job, attempt)
        else:
            self._recover(job, attempt)

    def _queued(self, job: Job) -> None:
        if job.cancel_requested_at is not None:
            transitions.cancel(job, None, charge=None)
        elif job.deadline_at <= clock.now():
            transitions.expire(job)
        elif pass_chain.is_waiting_for_image(job):
            leases.park_unreleased_pass(job)
        else:
            _decisions.require_current_grant(job, lately=self.grant_decisions)
            attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
            failpoint("attempt.created")
            self._send(job, attempt)

    def _send(self, job: Job, attempt: Attempt) -> None:
        if job.cancel_requested_at is not None:
            transitions.cancel(job, attempt, charge=None)
            return
        adapter = self._adapter(job)
        request = rebuild_request(job, attempt)
        answer = spool.answer_of(attempt)
        transitions.mark_sent(job, attempt)
        failpoint("attempt.sent_before_bytes")
        self._call("submit", job, attempt, adapter, adapter.submit(request, answer=answer))

    def _await(self, job: Job, attempt: Attempt) -> None:
        adapter = self._adapter(job)
        leases.count_poll(attempt)
        answer = spool.answer_of(attempt)
        if job.cancel_requested_at is not None and job.provider_cancel_requested_at is None:
            self._call("cancel", job, attempt, adapter, adapter.cancel(attempt.provider_ref))
        else:
            work = adapter.poll(attempt.provider_ref, answer=answer)
            self._call("poll", job, attempt, adapter, work)

    def _recover(self, job: Job, attempt: Attempt) -> None:
        """Look up the outcome of a call that was sent but not answered, without sending it again."""
        if _recovery.is_answer_spooled(attempt):
            self._answered(job, attempt, Submission(status=SubmissionStatus.ANSWERED))
            return
        adapter = self._adapter(job)
        request = rebuild_request(job, attempt)
        answer = spool.answer_of(attempt)
        work = adapter.reconcile(request, answer=answer)
        self._call("reconcile", job, attempt, adapter, work)

    def _resend_if_safe(self, job: Job, attempt: Attempt) -> None:
        """Handle a call that the provider says it never received.

        With idempotency keys it is sent again under the same key, and billed once even if a paused
        worker still sends the first one; with other providers the job goes back to the queue.
        """
        if not _recovery.can_resend(job, attempt):
            unknown_outcomes.requeue_not_received(job, attempt)
            return
        adapter = self._adapter(job)
        request = rebuild_request(job, attempt)
        unknown_outcomes.mark_resent(job, attempt)
        work = adapter.submit(request, answer=spool.answer_of(attempt))
        self._call("resubmit", job, attempt, adapter, work)

    def _ingest(self, job: Job, attempt: Attempt) -> None:
        adapter = self._adapter(job)
        options = _ingest.ingest_options(job, attempt)
        answer = spool.answer_of(attempt)
        self.steps[job.pk] = RunningStep("ingest", job, attempt, adapter)
        # In the order of claims: urgent jobs go before the thousands of a batch.
        rank = (-job.priority, job.queue_order)
        work = partial(_ingest.ingest_answer, options, adapter=adapter, answer=answer)
        self.loop.submit_work(job.pk, work, rank=rank)

    def _call(
        self, kind: str, job: Job, attempt: Attempt, adapter: ProviderAdapter, work: Any
    ) -> None:
        self.steps[job.pk] = RunningStep(kind, job, attempt, adapter)
        self.loop.submit_call(job.pk, work)

    def _adapter(self, job: Job) -> ProviderAdapter:
        if self._http is None:
            self._http = adapters.http_client()
        return adapters.require_adapter(job.image_model.provider, http=self._http)

    # Finishing steps

    def _finish_all(self, finished: list[CallResult]) -> None:
        immediate: list[tuple[Job, Attempt, Submission]] = []
        for done in finished:
            step = self._on_result(done)
            if step.attempt is not None and _answers.is_immediate_answer(step.job, done):
                immediate.append((step.job, step.attempt, done.result))
            else:
                self._guarded(step.job, partial(self._outcome, step, done))
        answers = [(job, attempt, answer.request_id) for job, attempt, answer in immediate]
        if len(immediate) > 1 and _answers.try_record_together(answers):
            for job, attempt, _submission in immediate:
                self._guarded(job, partial(self._record_answers, job, attempt))
        else:
            for job, attempt, submission in immediate:
                self._guarded(job, partial(self._answered, job, attempt, submission))

    def _on_result(self, done: CallResult) -> RunningStep:
        step = self.steps.pop(done.tag)
        self.pauses.resume(step.job.image_model.provider_id)
        if step.kind == "poll":
            failpoint("poll.after_answer")
        if step.kind in {"submit", "resubmit", "poll"}:
            self.health_monitor.record_result(step.job, done, of_submit=step.kind != "poll")
        return step

    def _outcome(self, step: RunningStep, done: CallResult) -> None:
        job, attempt = step.job, step.attempt
        if attempt is None:
            return
        if step.kind == "ingest":
            self._ingested(job, attempt, done)
        elif step.kind == "cancel":
            _outcomes.handle_cancel_outcome(job, attempt, "too_late" if done.error else done.result)
        elif step.kind == "reconcile" and _decisions.is_lookup_failure(done.error):
            self._on_failed_lookup(job, attempt, done.error)
        elif step.kind == "resubmit" and _decisions.should_resend(done.error, job):
            leases.postpone(job, seconds=_decisions.retry_delay(1, done.error))
        elif step.kind == "poll" and isinstance(done.error, ProviderError):
            _outcomes.handle_poll_error(job, attempt, done.error)
        elif isinstance(done.error, ProviderError):
            _outcomes.handle_error(job, attempt, done.error)
        elif done.error is not None:
            logger.error("A provider call raised an unexpected error.", exc_info=done.error)
            _outcomes.handle_error(job, attempt, OutcomeUnknown(detail=type(done.error).__name__))
        elif step.kind == "reconcile" and done.result is None:
            _recovery.continue_recovery(job, attempt)
        else:
            self._handle_submission(job, attempt, done.result)

    def _ingested(self, job: Job, attempt: Attempt, done: CallResult) -> None:
        if _outcomes.handle_ingest_result(job, attempt, done):
            # Removing megabytes takes a while: do it in the background.
            self.loop.run_in_background(spool.answer_of(attempt).discard)

    def _on_failed_lookup(self, job: Job, attempt: Attempt, error: BaseException | None) -> None:
        """Continue after a look-up that failed, or that says that the provider has no such call."""
        if isinstance(error, NotFound):
            self._resend_if_safe(job, attempt)
        else:
            _recovery.continue_recovery(job, attempt)

    def _handle_submission(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        """Record the provider's answer to a submission, a poll or a look-up."""
        if submission.status is SubmissionStatus.ANSWERED:
            self._answered(job, attempt, submission)
        else:
            _outcomes.handle_pending_call(job, attempt, submission)

    def _answered(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        try:
            transitions.mark_answered(job, attempt, request_id=submission.request_id)
        except LeaseLost:
            if not leases.is_cancel_requested(job):
                raise
            # It is billed nevertheless; the answer stays in the spool for a day.
            transitions.cancel(job, attempt, charge=attempt.reserved_cost)
            return
        self._record_answers(job, attempt)

    def _record_answers(self, job: Job, attempt: Attempt) -> None:
        failpoint("answered.after_commit")
        self._ingest(job, attempt)
