"""Claim due work and drive many provider calls at once.

One call of `drive` works for a time slice: it claims jobs and has `JobSteps` take each one's next
step. Calls run on the event loop of `CallLoop`, decoding and signing in its pool;
rows are read and written in the calling thread only.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.failpoints import failpoint
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation import clock, db_session
from imagegen_app.services.foundation.worker_registry import record_heartbeat, worker_name
from imagegen_app.services.jobs import leases
from imagegen_app.services.worker import _answers, _ingest
from imagegen_app.services.worker._call_loop import CallLoop
from imagegen_app.services.worker._certificate_watch import CertificateWatch
from imagegen_app.services.worker._description_calls import DescriptionCalls
from imagegen_app.services.worker._job_steps import JobSteps
from imagegen_app.services.worker._provider_pauses import PausedProviders
from imagegen_app.services.worker._row_text_calls import RowTextCalls

if TYPE_CHECKING:
    from imagegen_app.models import Job

logger = logging.getLogger("imagegen.driver")

#: Set when the process is asked to stop: nothing new is claimed, what is under way is finished.
draining = threading.Event()

HEARTBEAT_SECONDS = 4.0
#: How long an empty driver waits for more before it returns.
IDLE_SECONDS = 0.5
#: How often a driver looks for batches whose rows wait to become jobs.
LOOK_FOR_ROWS_SECONDS = 0.5
#: Jobs claimed in one round, so that heartbeats and results are handled in between.
ROUND = 32
#: Spooled answers that may wait to be ingested, per call that may be in flight.
MAX_UNREAD_ANSWERS_PER_CALL = 2


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
        self.pauses = PausedProviders(max_claims=conf.get().max_in_flight)
        self.steps = JobSteps(loop, pauses=self.pauses)
        self.certificate = CertificateWatch()
        self.descriptions = DescriptionCalls()
        self.row_texts = RowTextCalls()
        self._next_heartbeat = self._next_look_for_rows = time.monotonic()

    def run(self) -> int:
        """Claim and step until the slice ends or nothing is due, then finish what is under way."""
        idle_since: float | None = None
        while True:
            may_claim = time.monotonic() < self.ends_at and not draining.is_set()
            # First of all, since a person may be waiting for the job.
            claimed = self._claim() if may_claim else 0
            self._heartbeat()
            # In chunks between two steps, so that thousands of batch rows do not delay calls.
            prepared = may_claim and self._prepare()
            self.descriptions.finish()
            # What ends makes room for the next one at once.
            if self.row_texts.finish() and may_claim:
                self.row_texts.start()
            is_writing = self.descriptions.is_running or self.row_texts.is_running
            if claimed or self.steps.running or prepared or is_writing:
                idle_since = None
            elif not may_claim:
                return self.steps.taken
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > IDLE_SECONDS and not leases.is_due_within(
                self.ends_at - time.monotonic()
            ):
                return self.steps.taken
            wait = 0 if prepared else self.pauses.seconds(0.05 if claimed else 0.1)
            self.steps.finish(self.loop.next_results(wait=wait, most=_answers.MAX_ANSWERS_AT_ONCE))

    def close(self) -> None:
        """Finish what is under way, and close the connections."""
        self.descriptions.close()
        self.row_texts.close()
        self.steps.close()

    def _prepare(self) -> bool:
        """Create jobs for the next rows of some batch; return whether there were any.

        Images that wait for a description are looked for as often, and rows that wait for a text.
        """
        if time.monotonic() < self._next_look_for_rows:
            return False
        self.descriptions.start()
        self.row_texts.start()
        prepared = row_jobs.create_next_jobs()
        if not prepared:
            self._next_look_for_rows = time.monotonic() + LOOK_FOR_ROWS_SECONDS
        return prepared

    def _claim(self) -> int:
        free = min(self._free(), self.pauses.claim_limit, ROUND)
        if free <= 0:
            return 0
        now = clock.now()
        excluded = self.certificate.excluded_jobs(now=now) or self.steps.spool_guard.excluded_jobs(
            self.pauses.excluded_jobs(now=now)
        )
        claimed = leases.claim(limit=free, owner=self.owner, excluded=excluded)
        if claimed:
            failpoint("claim.after_commit")
            self.steps.grant_decisions = {}
        returned: list[Job] = []
        for job in claimed:
            if self.pauses.is_paused(job, now=now):
                returned.append(job)
            else:
                self.steps.start(job)
        if returned:
            leases.release(returned)
        if claimed:
            begun = len(claimed) - len(returned)
            self.pauses.adjust_claim_limit(begun, refused=bool(returned))
        return len(claimed) - len(returned)

    def _free(self) -> int:
        """Return how many more calls may be made; answers being ingested do not count as calls."""
        most = conf.get().max_in_flight
        reading = sum(step.kind == "ingest" for step in self.steps.running.values())
        calls = len(self.steps.running) - reading
        return 0 if reading >= MAX_UNREAD_ANSWERS_PER_CALL * most else most - calls

    def _heartbeat(self) -> None:
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        record_heartbeat(name=self.owner)
        if self.steps.running:
            leases.heartbeat(
                [step.job.pk for step in self.steps.running.values()], owner=self.owner
            )
