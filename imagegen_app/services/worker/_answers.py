"""Record answers that arrived at the same time in one transaction, and leave those of other hosts to them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.states import JobState, WaitingReason
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import spool
from imagegen_app.services.jobs import transitions, waiting
from imagegen_app.services.jobs.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.worker._call_loop import CallResult

logger = logging.getLogger("imagegen.driver")

#: Few enough that recording them never delays the heartbeat.
MAX_ANSWERS_AT_ONCE = 32


def is_immediate_answer(job: Job, done: CallResult) -> bool:
    """Return whether a call came home with its answer, as nearly all do."""
    result = done.result
    return (
        done.error is None
        and job.state == JobState.SUBMITTING
        and isinstance(result, Submission)
        and result.status is SubmissionStatus.ANSWERED
        # What the provider says beside it is recorded with each call alone.
        and result.reported_cost is None
    )


def try_record_together(calls: Sequence[tuple[Job, Attempt, str]]) -> bool:
    """Record answers, each with its request id; return False if each must be recorded alone."""
    before = [(row, row.state) for job, attempt, _request_id in calls for row in (job, attempt)]
    try:
        transitions.mark_all_answered(calls)
    except Exception as error:  # noqa: BLE001 - each is then recorded alone, with its own error handling
        if not isinstance(error, LeaseLost):
            logger.warning(
                "%s answers are recorded one by one: %s", len(calls), type(error).__name__
            )
        # The transaction was rolled back: reset the instances in memory, too.
        for row, state in before:
            row.state = state
        return False
    return True


def wait_for_its_host(job: Job, attempt: Attempt) -> bool:
    """Let a job wait whose answer is on another host; return False if this one goes on.

    It goes on, to find that there is no answer, if the job is to be cancelled or has waited for as long as
    answers are kept.

    :raises LeaseLost: if the lease was lost.
    """
    if job.cancel_requested_at is not None or not spool.is_on_other_host(attempt):
        return False
    kept_until = (attempt.answered_at or job.created_at) + timedelta(
        days=conf.get().spool.keep_days
    )
    if clock.now() >= kept_until:
        return False
    waiting.wait_for(job, WaitingReason.OTHER_HOST, detail=attempt.answer_host)
    return True
