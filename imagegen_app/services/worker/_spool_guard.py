"""Keep a worker from sending calls whose answers its disk could not take."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db.models import Q

from imagegen_app.core.errors import AnswerNotKept
from imagegen_app.core.states import AttemptState, JobState, WaitingReason
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import adapters, spool, spool_room
from imagegen_app.services.gateways.spool_room import NoRoom
from imagegen_app.services.jobs import leases, spool_alarms, transitions, unknown_outcomes, waiting
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.worker import _outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.models import Attempt, Job
    from imagegen_app.providers.answers import SpooledAnswer

logger = logging.getLogger("imagegen.driver")

#: How long no queued job is claimed after the disk was found full; then it is tried again.
PAUSE_SECONDS = 5.0
#: How often the free room is read while all is well.
LOOK_SECONDS = 0.5
#: Between look-ups of a call whose job is overdue.
LOOK_AGAIN_SECONDS = 60.0
#: Calls whose answer came, or is still to come.
_POLLS = frozenset({"poll", "reconcile"})


class SpoolGuard:
    """Whether the disk of this worker's spool has room, and what happens to jobs if it has none."""

    def __init__(self) -> None:
        self._is_full = False
        self._look_at = 0.0
        #: Whether no job at all has room, not only a large one.
        self._is_full_for_all = False

    def excluded_jobs(self, other: Q | None) -> Q | None:
        """Add the queued jobs that cannot be sent now to a filter of those not to claim."""
        if not self.is_full():
            return other
        every = Q(cancel_requested_at__isnull=True, deadline_at__gt=clock.now())
        return every if other is None else every | other

    def is_full(self) -> bool:
        """Return whether no call may be sent now; notices when there is room again."""
        if time.monotonic() < self._look_at:
            return self._is_full
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            if self._is_full:
                spool_room.probe()
                self._continue()
            else:
                spool_room.require_room()
        except NoRoom as full:
            self._stop(str(full))
        return self._is_full

    def require_room(self, job: Job) -> None:
        """Check quickly that a call's answer will have room.

        :raises NoRoom: if not.
        """
        spool_room.require_room(spool_room.expected_bytes(job))

    def reserve(self, job: Job, attempt: Attempt) -> SpooledAnswer:
        """Take the room for a call's answer, before anything is sent.

        :raises NoRoom: if there is none.
        """
        answer = spool.answer_of(attempt)
        spool_room.reserve(answer, size=spool_room.expected_bytes(job))
        return answer

    @contextmanager
    def reserved(self, job: Job, attempt: Attempt) -> Iterator[SpooledAnswer]:
        """Take the room for a call's answer, and give it back if the call cannot be recorded.

        :raises NoRoom: if there is none.
        """
        answer = self.reserve(job, attempt)
        try:
            yield answer
        except BaseException:
            answer.release_room()
            raise

    def wait(self, job: Job, reason: str) -> None:
        """Let a job wait for room, and claim no queued jobs for a while.

        :raises LeaseLost: if the lease was lost.
        """
        self._stop(reason)
        attempt = None if job.state == JobState.QUEUED else leases.live_attempt(job)
        overdue = job.deadline_at <= clock.now()
        if overdue and attempt is not None and _is_open(job, attempt):
            has_way = bool(adapters.recovery_methods(attempt))
            unknown_outcomes.mark_uncertain(
                job, attempt, look_again=LOOK_AGAIN_SECONDS if has_way else None
            )
        elif overdue and attempt is not None and job.state == JobState.UNCERTAIN:
            unknown_outcomes.close_uncertain(job, attempt)
        elif overdue and attempt is not None and job.state == JobState.INGESTING:
            _outcomes.fail_and_keep(job, attempt, error=AnswerNotKept(detail=reason))
        else:
            waiting.wait_for(job, WaitingReason.DISK, detail=reason)

    def handle_unkept_answer(
        self, job: Job, attempt: Attempt, *, kind: str, error: AnswerNotKept
    ) -> None:
        """Fetch the answer again when there is room, if it can be; else end the job and say why.

        :raises LeaseLost: if the lease was lost.
        """
        is_spooled = attempt.state == AttemptState.ANSWERED
        if is_spooled or kind in _POLLS or adapters.recovery_methods(attempt):
            self.wait(job, error.detail)
        else:
            self._stop(error.detail)
            transitions.fail(job, attempt, error=error, charge=attempt.reserved_cost)

    def _stop(self, reason: str) -> None:
        self._look_at = time.monotonic() + PAUSE_SECONDS
        if not self._is_full:
            logger.error("The spool's disk has no room for answers (%s): no call is sent.", reason)
        self._is_full = True
        try:
            spool_room.probe()
        except NoRoom:
            self._is_full_for_all = True
        spool_alarms.report(reason)

    def _continue(self) -> None:
        logger.warning("The spool's disk has room again: calls are sent.")
        # A job that is too large for the disk must not keep the others, nor be tried all the time.
        if self._is_full_for_all:
            waiting.try_now(WaitingReason.DISK, actor=WORKER_ACTOR)
        self._is_full = self._is_full_for_all = False


def _is_open(job: Job, attempt: Attempt) -> bool:
    """Return whether the call was sent, and its answer has not come."""
    is_sent = job.state == JobState.SUBMITTING and attempt.state != AttemptState.CREATED
    return is_sent or job.state == JobState.AWAITING
