"""Record answers that arrived at the same time in one transaction, with a few statements for all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imagegen_app.core.states import JobState
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.services.jobs import transitions
from imagegen_app.services.jobs.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.worker._call_loop import CallResult

logger = logging.getLogger("imagegen.driver")

#: So few that the heartbeat is never late.
MAX_ANSWERS_AT_ONCE = 32


def is_immediate_answer(job: Job, done: CallResult) -> bool:
    """Return whether a call came home with its answer, as nearly all do."""
    result = done.result
    return (
        done.error is None
        and job.state == JobState.SUBMITTING
        and isinstance(result, Submission)
        and result.status is SubmissionStatus.ANSWERED
    )


def try_record_together(calls: Sequence[tuple[Job, Attempt, str]]) -> bool:
    """Note answers, each with its request id; say no where each has to be looked at by itself."""
    before = [(row, row.state) for job, attempt, _request_id in calls for row in (job, attempt)]
    try:
        transitions.mark_all_answered(calls)
    except Exception as error:  # noqa: BLE001 - each is then tried alone, under its own guard
        if not isinstance(error, LeaseLost):
            logger.warning("%s answers are noted one by one: %s", len(calls), type(error).__name__)
        # The rows in our hands go back with those in the database.
        for row, state in before:
            row.state = state
        return False
    return True
