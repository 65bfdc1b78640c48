"""Claim due work and drive many provider calls at once.

One call of `drive` works for a time slice: it claims jobs, takes each one's next step, and writes
down what came of it. Calls run on the event loop of `CallLoop`, decoding and signing in its pool;
rows are read and written only here, in the calling thread.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from imagegen_app import conf
from imagegen_app.core.errors import (
    BadResponse,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services import (
    adapters,
    assets,
    clock,
    ingest,
    jobs,
    judging,
    leases,
    recovery,
    spool,
)
from imagegen_app.services.call_loop import CallLoop
from imagegen_app.services.leases import JobMoved
from imagegen_app.services.pulse import worker_name, worker_seen
from imagegen_app.services.rebuild import request_of

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.base import Provider
    from imagegen_app.providers.http import HttpClient
    from imagegen_app.services.call_loop import Done

logger = logging.getLogger("imagegen.driver")

#: Set when the process is asked to stop: nothing new is claimed, what is under way is finished.
draining = threading.Event()

HEARTBEAT_SECONDS = 4.0
#: How long an empty driver waits for more before it returns.
LINGER_SECONDS = 0.5
MAX_CLAIMS = 3
MAX_STORE_SECONDS = 60.0


@dataclass(slots=True)
class Step:
    """What is under way for one claimed job."""

    kind: str
    job: Job
    attempt: Attempt | None = None
    adapter: Provider | None = None


def drive(*, seconds: float | None = None) -> int:
    """Work for a time slice and return how many steps were taken."""
    with CallLoop() as loop:
        driver = Driver(loop, seconds=conf.get().slice_seconds if seconds is None else seconds)
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
        self.steps: dict[Any, Step] = {}
        self.taken = 0
        self._http: HttpClient | None = None
        self._next_heartbeat = time.monotonic()

    def run(self) -> int:
        """Claim and step until the slice ends or nothing is due, then finish what is under way."""
        idle_since: float | None = None
        while True:
            self._heartbeat()
            may_claim = time.monotonic() < self.ends_at and not draining.is_set()
            claimed = self._claim() if may_claim else 0
            if claimed or self.steps:
                idle_since = None
            elif not may_claim:
                return self.taken
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > LINGER_SECONDS and not self._due_in_slice():
                return self.taken
            done = self.loop.take(wait=0.05 if claimed else 0.1)
            while done is not None:
                self._finish(done)
                done = self.loop.take(wait=0)

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self.loop.run(self._http.aclose())

    def _due_in_slice(self) -> bool:
        now = clock.now()
        due = leases.next_due(now)
        return due is not None and (due - now).total_seconds() < self.ends_at - time.monotonic()

    def _claim(self) -> int:
        free = conf.get().max_in_flight - len(self.steps)
        if free <= 0:
            return 0
        claimed = leases.claim(limit=free, owner=self.owner)
        if claimed:
            failpoint("claim.after_commit")
        for job in claimed:
            self._guarded(job, partial(self._start, job))
        return len(claimed)

    def _heartbeat(self) -> None:
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        worker_seen(name=self.owner)
        if self.steps:
            leases.heartbeat([step.job for step in self.steps.values()])

    def _guarded(self, job: Job, work: Any) -> None:
        """Take a step; one job's trouble never stops the others."""
        try:
            work()
        except JobMoved:
            logger.info("The job %s is no longer ours; its step was dropped.", job.pk)
        except ProviderError as error:
            refusal = error
            self._guarded(job, lambda: self._refused(job, leases.live_attempt(job), refusal))
        except Exception:
            # The edge of the loop: the lease runs out, and the job is taken up again or given up.
            logger.exception("A step of the job %s broke down.", job.pk)

    # Starting steps

    def _start(self, job: Job) -> None:
        self.taken += 1
        attempt = leases.live_attempt(job)
        if job.claims >= MAX_CLAIMS:
            charge = (
                None
                if attempt is None or attempt.state == AttemptState.CREATED
                else attempt.reserved_cost
            )
            jobs.fail(job, attempt, error=judging.WorkerLost(), charge=charge)
            return
        state = JobState(job.state)
        if state is JobState.QUEUED:
            self._queued(job)
        elif state is JobState.INGESTING and attempt is not None:
            self._ingest(job, attempt)
        elif state is JobState.AWAITING and attempt is not None:
            self._await(job, attempt)
        elif attempt is None:
            raise judging.RequestGone(detail="no attempt is under way")
        elif attempt.state == AttemptState.CREATED:
            self._send(job, attempt)
        else:
            self._recover(job, attempt)

    def _queued(self, job: Job) -> None:
        if job.cancel_requested_at is not None:
            jobs.cancel(job, None, charge=None)
        elif job.deadline_at <= clock.now():
            jobs.expire(job)
        else:
            judging.demand_still_granted(job)
            attempt = jobs.begin(job, digest=leases.digest_of(job))
            failpoint("attempt.created")
            self._send(job, attempt)

    def _send(self, job: Job, attempt: Attempt) -> None:
        if job.cancel_requested_at is not None:
            jobs.cancel(job, attempt, charge=None)
            return
        adapter = self._adapter(job)
        request = request_of(job, attempt)
        answer = spool.answer_of(attempt)
        jobs.mark_sent(job, attempt)
        failpoint("attempt.sent_before_bytes")
        self._call("submit", job, attempt, adapter, adapter.submit(request, answer=answer))

    def _await(self, job: Job, attempt: Attempt) -> None:
        adapter = self._adapter(job)
        leases.polled(attempt)
        answer = spool.answer_of(attempt)
        if job.cancel_requested_at is not None and job.provider_cancel_asked_at is None:
            self._call("cancel", job, attempt, adapter, adapter.cancel(attempt.provider_ref))
        else:
            work = adapter.poll(attempt.provider_ref, answer=answer)
            self._call("poll", job, attempt, adapter, work)

    def _recover(self, job: Job, attempt: Attempt) -> None:
        """Climb the ladder for a call that was sent and never answered; never send it again here."""
        if recovery.spooled(attempt):
            self._answered(job, attempt, Submission(status=SubmissionStatus.ANSWERED))
            return
        adapter = self._adapter(job)
        request = request_of(job, attempt)
        answer = spool.answer_of(attempt)
        work = adapter.reconcile(request, answer=answer)
        self._call("reconcile", job, attempt, adapter, work)

    def _ingest(self, job: Job, attempt: Attempt) -> None:
        adapter = self._adapter(job)
        order = ingest.order(job, attempt)
        answer = spool.answer_of(attempt)
        self.steps[job.pk] = Step("ingest", job, attempt, adapter)
        self.loop.compute(job.pk, lambda: ingest.make(order, adapter=adapter, answer=answer))

    def _call(self, kind: str, job: Job, attempt: Attempt, adapter: Provider, work: Any) -> None:
        self.steps[job.pk] = Step(kind, job, attempt, adapter)
        self.loop.call(job.pk, work)

    def _adapter(self, job: Job) -> Provider:
        if self._http is None:
            self._http = adapters.client()
        try:
            return adapters.connect(job.image_model.provider, http=self._http)
        except adapters.NotConfigured as fault:
            raise ProviderUnavailable(str(fault), detail="not configured") from None

    # Finishing steps

    def _finish(self, done: Done) -> None:
        step = self.steps.pop(done.tag)
        self._guarded(step.job, lambda: self._outcome(step, done))

    def _outcome(self, step: Step, done: Done) -> None:
        job, attempt = step.job, step.attempt
        if attempt is None:
            return
        if step.kind == "poll":
            failpoint("poll.after_answer")
        if step.kind == "ingest":
            self._ingested(job, attempt, done)
        elif step.kind == "cancel":
            self._cancelled(job, attempt, "too_late" if done.error else done.result)
        elif step.kind == "reconcile" and isinstance(done.error, NotFound):
            jobs.never_accepted(job, attempt)
        elif step.kind == "poll" and isinstance(done.error, ProviderError):
            self._poll_failed(job, attempt, done.error)
        elif isinstance(done.error, ProviderError):
            self._refused(job, attempt, done.error)
        elif done.error is not None:
            logger.error("A provider call broke down.", exc_info=done.error)
            self._refused(job, attempt, OutcomeUnknown(detail=type(done.error).__name__))
        elif step.kind == "reconcile" and done.result is None:
            recovery.give_up_or_wait(job, attempt)
        else:
            self._said(job, attempt, done.result)

    def _said(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        """Write down what the provider said to a submit, a poll or a look-up."""
        if submission.status is SubmissionStatus.ANSWERED:
            self._answered(job, attempt, submission)
        elif submission.status is SubmissionStatus.CANCELLED:
            jobs.cancel(job, attempt, charge=None)
        elif job.state == JobState.AWAITING:
            if job.deadline_at <= clock.now():
                jobs.became_uncertain(job, attempt, look_again=None)
            else:
                leases.postpone(
                    job,
                    seconds=judging.poll_delay(attempt, submission),
                    progress=submission.progress,
                )
        else:
            jobs.accepted(
                job,
                attempt,
                ref=submission.ref,
                request_id=submission.request_id,
                poll_after=judging.poll_delay(attempt, submission),
            )

    def _answered(self, job: Job, attempt: Attempt, submission: Submission) -> None:
        if leases.is_cancel_wanted(job):
            # The money is gone all the same; the bytes stay in the spool for a day.
            jobs.cancel(job, attempt, charge=attempt.reserved_cost)
            return
        jobs.answered(job, attempt, request_id=submission.request_id)
        failpoint("answered.after_commit")
        self._ingest(job, attempt)

    def _cancelled(self, job: Job, attempt: Attempt, outcome: str) -> None:
        failpoint("cancel.after_provider_before_commit")
        if outcome == "cancelled":
            jobs.cancel(job, attempt, charge=None)
        else:
            leases.cancel_came_too_late(job)

    def _refused(self, job: Job, attempt: Attempt | None, error: ProviderError) -> None:
        """Write down a failure by its class: retried, failed, or of unknown outcome."""
        sent = attempt is not None and attempt.state != AttemptState.CREATED
        if attempt is not None and sent and error.billed == "unknown":
            recovery.give_up_or_wait(job, attempt)
        elif attempt is not None and sent and error.billed == "yes":
            jobs.fail(job, attempt, error=error, charge=attempt.reserved_cost)
        elif (
            attempt is not None
            and job.state == JobState.UNCERTAIN
            and judging.is_our_trouble(error)
        ):
            recovery.give_up_or_wait(job, attempt)
        elif (
            error.retryable and job.tries < conf.get().max_tries and job.cancel_requested_at is None
        ):
            jobs.retry(job, attempt, error=error, delay=judging.retry_delay(job.tries, error))
        else:
            jobs.fail(job, attempt, error=error)

    def _poll_failed(self, job: Job, attempt: Attempt, error: ProviderError) -> None:
        """Tell a question that failed from a call that failed."""
        overdue = job.deadline_at <= clock.now()
        if isinstance(error, NotFound) or (overdue and judging.is_our_trouble(error)):
            jobs.became_uncertain(job, attempt, look_again=None)
        elif judging.is_our_trouble(error):
            leases.postpone(job, seconds=judging.retry_delay(max(1, min(attempt.polls, 6)), error))
        else:
            self._refused(job, attempt, error)

    def _ingested(self, job: Job, attempt: Attempt, done: Done) -> None:
        if isinstance(done.error, ingest.TryLater):
            if job.deadline_at <= clock.now():
                error = BadResponse(detail=str(done.error))
                jobs.fail(job, attempt, error=error, charge=attempt.reserved_cost)
            else:
                leases.postpone(job, seconds=random.uniform(2, MAX_STORE_SECONDS / 4))  # noqa: S311 - jitter
        elif isinstance(done.error, ProviderError):
            billed = done.error.billed != "no"
            charge = attempt.reserved_cost if billed else None
            if charge is None:
                # The answer is a refusal in disguise: it came, so the attempt is settled at nothing.
                charge = attempt.reserved_cost * 0
            jobs.fail(job, attempt, error=done.error, charge=charge)
            spool.answer_of(attempt).discard()
        elif done.error is not None:
            raise done.error
        else:
            assets.keep(job, attempt, made=done.result)
            failpoint("asset.after_commit_before_ring")
            spool.answer_of(attempt).discard()
