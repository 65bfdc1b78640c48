"""Take the next step of claimed jobs: start its call or its work on images, and record the result.

Everything here runs in the driver's thread, which alone reads and writes rows; calls and work on
images run in the `CallLoop`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import (
    AnswerNotKept,
    AuthenticationFailed,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import AttemptState, JobState, WaitingReason
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, signing, spool
from imagegen_app.services.gateways.spool_room import NoRoom
from imagegen_app.services.gateways.storage import StorageFailed
from imagegen_app.services.jobs import (
    call_facts,
    leases,
    pass_chain,
    provider_limits,
    transitions,
    waiting,
)
from imagegen_app.services.jobs.provider_limits import CallDeferred
from imagegen_app.services.jobs.rebuilding import rebuild_request
from imagegen_app.services.worker import (
    _answers,
    _decisions,
    _failover,
    _ingest,
    _ingest_options,
    _internal_errors,
    _outcomes,
    _provider_health,
    _provider_values,
    _recovery,
    _storage_failures,
)
from imagegen_app.services.worker._input_steps import InputSteps
from imagegen_app.services.worker._keys import KEPT_SECONDS, KeyNeeded, KeyReader, KeyUnreadable
from imagegen_app.services.worker._lost_call_steps import LOOKUPS, LostCallSteps
from imagegen_app.services.worker._progress_steps import ProgressSteps
from imagegen_app.services.worker._spool_guard import SpoolGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.base import ProviderAdapter
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import HttpClient
    from imagegen_app.services.policy.access import GrantDecision
    from imagegen_app.services.worker._call_loop import CallLoop, CallResult
    from imagegen_app.services.worker._provider_pauses import PausedProviders

logger = logging.getLogger("imagegen.driver")

MAX_EXPIRED_LEASES = 3


@dataclass(slots=True)
class RunningStep:
    """The step of one claimed job whose result is awaited."""

    kind: str
    job: Job
    attempt: Attempt | None = None
    adapter: ProviderAdapter | None = None
    #: What follows once the input images are read.
    proceed: Callable[[Mapping[str, bytes]], None] | None = None
    #: The credential that is read, if that is the step.
    credential: Credential | None = None


class JobSteps(InputSteps, LostCallSteps, ProgressSteps):
    """The steps of one driver: those whose results are awaited, and what they share."""

    def __init__(self, loop: CallLoop, *, pauses: PausedProviders) -> None:
        super().__init__()
        self.loop = loop
        self.pauses = pauses
        #: The steps whose results are awaited, by job id.
        self.running: dict[Any, RunningStep] = {}
        self.taken = 0
        self.spool_guard = SpoolGuard()
        self.storage_reads = _storage_failures.StorageReads()
        self.keys = KeyReader()
        self.health_monitor = _provider_health.HealthMonitor()
        #: Grant decisions of this round of claims, by the parameters of the job.
        self.grant_decisions: dict[object, GrantDecision] = {}
        self._http: HttpClient | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self.loop.run(self._http.aclose())

    def start(self, job: Job) -> None:
        """Take the next step of a claimed job, and handle its errors."""
        self._guarded(job, partial(self._start, job))

    def _guarded(self, job: Job, work: Callable[[], object]) -> None:
        """Run a step and handle its errors, so that one job never stops the others."""
        try:
            work()
        except leases.LeaseLost:
            logger.info("The lease of job %s was lost; its step was dropped.", job.pk)
        except CallDeferred as deferred:
            self._defer(job, deferred)
        except KeyNeeded as needed:
            # The step is taken once more with the key in hand.
            self.running[job.pk] = RunningStep("key", job, credential=needed.credential)
            self.loop.submit_call(job.pk, self.keys.read(needed.credential))
        except KeyUnreadable as unreadable:
            self._guarded(job, partial(self._on_unreadable_key, job, str(unreadable)))
        except signing.CertificateUnusable as error:
            detail = str(error)
            self._guarded(
                job, lambda: waiting.wait_for(job, WaitingReason.CERTIFICATE, detail=detail)
            )
        except NoRoom as full:
            self._guarded(job, partial(self.spool_guard.wait, job, str(full)))
        except ProviderError as error:
            refusal = error
            self._guarded(
                job, lambda: _outcomes.handle_error(job, leases.live_attempt(job), refusal)
            )
        except StorageFailed as failure:
            storage_failure = failure
            self._guarded(job, lambda: _outcomes.handle_storage_failure(job, storage_failure))
        except Exception as error:  # noqa: BLE001 - one job never stops the others
            _internal_errors.handle(job, error)

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
            # Only its provider keeps it now.
            leases.release([job], **leases.NOT_WAITING)

    def _on_unreadable_key(self, job: Job, why: str) -> None:
        """Let the job wait or fail over; a job that waits keeps its provider's others in the queue."""
        _outcomes.wait_for_key(job, leases.live_attempt(job), detail=why)
        if job.waiting_for == WaitingReason.CREDENTIAL:
            self.pauses.pause(CallDeferred(KEPT_SECONDS, provider=job.image_model.provider_id))

    # Starting steps

    def _start(self, job: Job) -> None:
        self.taken += 1
        # A job in the queue has no attempt under way.
        attempt = None if job.state == JobState.QUEUED else leases.live_attempt(job)
        if job.expired_leases >= MAX_EXPIRED_LEASES:
            _outcomes.end_crashed_job(job, attempt)
            return
        try:
            self._take_step(job, attempt)
        except ProviderUnavailable as error:
            if attempt is None:
                _outcomes.wait_for_settings(job, error)
            elif attempt.state == AttemptState.CREATED:
                raise
            else:
                _recovery.wait_for_adapter(job, attempt)

    def _start_with_key(self, step: RunningStep, done: CallResult) -> None:
        # Somebody may have cancelled it while a vault took its time.
        step.job.refresh_from_db(fields=["cancel_requested_at"])
        if step.credential is not None:
            # Kept for this very step at least, however late the driver comes to it.
            self.keys.keep(step.credential, done)
        self._start(step.job)

    def _take_step(self, job: Job, attempt: Attempt | None) -> None:
        state = JobState(job.state)
        if state is JobState.QUEUED:
            self._queued(job)
        elif state is JobState.INGESTING and attempt is not None:
            self._ingest(job, attempt)
        elif state is JobState.AWAITING and attempt is not None:
            self._await(job, attempt)
        elif attempt is None:
            raise _decisions.JobDataMissing(detail="no attempt is under way")
        elif attempt.state == AttemptState.CREATED and job.cancel_requested_at is not None:
            transitions.cancel(job, attempt, charge=None)
        elif attempt.state == AttemptState.CREATED:
            adapter = self._adapter(job)
            provider_limits.acquire(attempt.image_model.provider, own=attempt)
            self._with_inputs(job, attempt, partial(self._send, job, attempt, adapter))
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
            signing.require_usable_identity()
            self.spool_guard.require_room(job)
            adapter = self._adapter(job)
            self._with_inputs(job, None, partial(self._begin, job, adapter))

    def _begin(self, job: Job, adapter: ProviderAdapter, files: Mapping[str, bytes]) -> None:
        attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
        failpoint("attempt.created")
        self._send(job, attempt, adapter, files)

    def _send(
        self, job: Job, attempt: Attempt, adapter: ProviderAdapter, files: Mapping[str, bytes]
    ) -> None:
        """Make the call; the key is in hand, so that whatever fails from here on was sent."""
        if _outcomes.end_unsent_job(job, attempt):
            return
        # Nothing is paid for that could not be published.
        signing.require_usable_identity()
        request = rebuild_request(job, attempt, files)
        with self.spool_guard.reserved(job, attempt) as answer:
            if job.waiting_for:
                told = dict.fromkeys(("error_code", "error_message", "error_remedy"), "")
                leases.update_leased_job(job, **leases.NOT_WAITING, **told)
            transitions.mark_sent(job, attempt)
        failpoint("attempt.sent_before_bytes")
        work = self._submission(job, attempt, adapter, request, answer)
        self._call("submit", job, attempt, adapter, work)

    def _await(self, job: Job, attempt: Attempt) -> None:
        adapter = self._adapter(job)
        leases.count_poll(attempt)
        if job.cancel_requested_at is not None and job.provider_cancel_requested_at is None:
            call = adapters.call_of(job, attempt)
            self._call("cancel", job, attempt, adapter, adapter.cancel(call))
        else:
            answer = self.spool_guard.reserve(job, attempt)
            self._call("poll", job, attempt, adapter, self._poll(job, attempt, adapter, answer))

    def _ingest(self, job: Job, attempt: Attempt) -> None:
        if _answers.wait_for_its_host(job, attempt):
            return
        # Reading an answer makes no call, so it needs no key.
        adapter = adapters.require_adapter(job.image_model, http=self._client())
        options = _ingest_options.ingest_options(job, attempt)
        self.running[job.pk] = RunningStep("ingest", job, attempt, adapter)
        read = partial(_ingest.ingest_answer, options, adapter=adapter)
        # In the order of claims: urgent jobs go before the thousands of a batch.
        rank = (-job.priority, job.queue_order)
        self.loop.submit_work(job.pk, partial(read, answer=spool.answer_of(attempt)), rank=rank)

    def _wait_for_result(
        self,
        kind: str,
        job: Job,
        attempt: Attempt | None,
        *,
        proceed: Callable[[Mapping[str, bytes]], None],
    ) -> None:
        self.running[job.pk] = RunningStep(kind, job, attempt, proceed=proceed)

    def _call(
        self, kind: str, job: Job, attempt: Attempt, adapter: ProviderAdapter, work: Any
    ) -> None:
        self.running[job.pk] = RunningStep(kind, job, attempt, adapter)
        self.loop.submit_call(job.pk, work)

    def _adapter(self, job: Job) -> ProviderAdapter:
        """Return the adapter of a job's provider, with the key in hand.

        :raises KeyNeeded: if the key must be read first.
        """
        credential = adapters.require_credential(job.image_model.provider)
        key = self.keys.in_hand(credential, is_sent=job.state != JobState.QUEUED)
        return adapters.require_adapter(job.image_model, http=self._client(), key=key)

    def _client(self) -> HttpClient:
        if self._http is None:
            self._http = adapters.http_client()
        return self._http

    # Finishing steps

    def finish(self, finished: list[CallResult]) -> None:
        """Record results, each with its own error handling."""
        immediate: list[tuple[Job, Attempt, Submission]] = []
        for done in map(_provider_values.cleaned, self._without_progress(finished)):
            step = self._on_result(done)
            if step.credential is not None:
                self._guarded(step.job, partial(self._start_with_key, step, done))
            elif step.attempt is not None and _answers.is_immediate_answer(step.job, done):
                immediate.append((step.job, step.attempt, done.result))
            elif step.attempt is not None and isinstance(done.error, AnswerNotKept):
                handle = partial(self.spool_guard.handle_unkept_answer, step.job, step.attempt)
                self._guarded(step.job, partial(handle, kind=step.kind, error=done.error))
            else:
                self._guarded(
                    step.job,
                    partial(
                        self._on_inputs if step.kind == "inputs" else self._outcome, step, done
                    ),
                )
        answers = [(job, attempt, answer.request_id) for job, attempt, answer in immediate]
        if len(immediate) > 1 and _answers.try_record_together(answers):
            for job, attempt, _submission in immediate:
                self._guarded(job, partial(self._record_answers, job, attempt))
        else:
            for job, attempt, submission in immediate:
                self._guarded(job, partial(self._answered, job, attempt, submission))

    def _on_result(self, done: CallResult) -> RunningStep:
        step = self.running.pop(done.tag)
        if step.credential is not None:
            return step
        if isinstance(done.error, AuthenticationFailed):
            self.keys.forget(step.job.image_model.provider.credential)
        self.pauses.resume(step.job.image_model.provider_id)
        if step.kind == "poll":
            failpoint("poll.after_answer")
        if step.kind != "ingest" and step.attempt is not None:
            spool.answer_of(step.attempt).release_room()
        if isinstance(done.error, AnswerNotKept):
            return step
        if step.kind in {"submit", "resubmit", "poll"}:
            try:
                self.health_monitor.record_result(step.job, done, of_submit=step.kind != "poll")
            except Exception as error:  # noqa: BLE001 - the result is recorded nevertheless
                _internal_errors.log_incident(error, subject="counting the results of calls")
        return step

    def _outcome(self, step: RunningStep, done: CallResult) -> None:
        job, attempt = step.job, step.attempt
        if attempt is None or step.adapter is None:
            return
        if step.kind == "ingest":
            self._ingested(job, attempt, done)
        elif step.kind == "cancel":
            _outcomes.handle_cancel_outcome(job, attempt, "too_late" if done.error else done.result)
        elif step.kind in LOOKUPS and _decisions.is_lookup_failure(done.error):
            self._on_failed_lookup(job, attempt, step.adapter, error=done.error)
        elif step.kind == "resubmit" and isinstance(done.error, ProviderError):
            self._on_failed_resend(job, attempt, done.error)
        elif step.kind == "poll" and isinstance(done.error, ProviderError):
            _outcomes.handle_poll_error(job, attempt, done.error)
        elif isinstance(done.error, ProviderError):
            _outcomes.handle_error(job, attempt, done.error)
        elif done.error is not None:
            incident = _internal_errors.log_incident(done.error, subject="a provider call")
            detail = f"{type(done.error).__name__} (incident {incident})"
            _outcomes.handle_error(job, attempt, OutcomeUnknown(detail=detail))
        elif step.kind in LOOKUPS and done.result is None:
            self._on_failed_lookup(job, attempt, step.adapter, error=None)
        else:
            self._handle_submission(job, attempt, done.result)

    def _ingested(self, job: Job, attempt: Attempt, done: CallResult) -> None:
        if _outcomes.handle_ingest_result(job, attempt, done):
            # Removing megabytes takes a while: do it in the background.
            self.loop.run_in_background(spool.answer_of(attempt).discard)

    def _handle_submission(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        """Record the provider's answer to a submission, a poll or a look-up."""
        call_facts.record(attempt, submission)
        if submission.status is SubmissionStatus.ANSWERED:
            self._answered(job, attempt, submission)
        else:
            _outcomes.handle_pending_call(job, attempt, submission)

    def _answered(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        try:
            transitions.mark_answered(job, attempt, request_id=submission.request_id)
        except leases.LeaseLost:
            if not leases.is_cancel_requested(job):
                raise
            # It is billed nevertheless; the answer stays in the spool for a day.
            transitions.cancel(job, attempt, charge=attempt.reserved_cost)
            return
        self._record_answers(job, attempt)

    def _record_answers(self, job: Job, attempt: Attempt) -> None:
        failpoint("answered.after_commit")
        self._ingest(job, attempt)
