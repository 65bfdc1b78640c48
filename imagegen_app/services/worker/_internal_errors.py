"""Handle unexpected errors of our own: tell of them by an incident ID, try again a few times, then end."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from imagegen_app.core.errors import InternalError
from imagegen_app.core.states import JobState, WaitingReason
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, waiting
from imagegen_app.services.worker import _outcomes

if TYPE_CHECKING:
    from imagegen_app.models import Attempt

logger = logging.getLogger("imagegen.driver")

#: How often a step may raise in succession before its job ends; with the delays, about a minute.
MAX_INTERNAL_ERRORS = 6


def log_incident(error: BaseException, *, subject: str) -> str:
    """Write an unexpected error to the log, and return the ID that finds it there."""
    incident = secrets.token_hex(4)
    logger.error(
        "Incident %s: %s raised an unexpected error.",
        incident,
        subject,
        exc_info=error,
        extra={"incident": incident},
    )
    return incident


def handle(job: Job, error: BaseException) -> None:
    """Log an unexpected error of a job's step, then have it tried again later, or end the job.

    Nothing is raised, so that one job never stops the others.
    """
    incident = log_incident(error, subject=f"a step of the job {job.pk}")
    detail = f"{type(error).__name__} (incident {incident})"
    try:
        _wait_or_fail(job, InternalError(incident=incident, detail=detail))
    except leases.LeaseLost:
        logger.info("The lease of job %s was lost; its step was dropped.", job.pk)
    except Exception:
        # The database itself fails, it seems: the lease expires, and the job is claimed again.
        logger.exception("Incident %s could not be recorded.", incident)


def _wait_or_fail(job: Job, error: InternalError) -> None:
    # Read anew: what the step had written was rolled back, and the instance does not know.
    current = Job.objects.select_related("image_model__provider", "requester").get(pk=job.pk)
    if current.lease_token != job.lease_token or current.is_final:
        raise leases.LeaseLost(str(job.pk))
    attempt = leases.live_attempt(current)
    is_repeated = current.waiting_for == WaitingReason.INTERNAL_ERROR
    count = current.wait_count + 1 if is_repeated else 1
    if count >= MAX_INTERNAL_ERRORS or current.deadline_at <= clock.now():
        _end(current, attempt, error)
    else:
        _wait(current, error)


@use_case()
def _wait(job: Job, error: InternalError) -> None:
    leases.update_leased_job(
        job, error_code=error.code, error_message=str(error), error_remedy=error.remedy
    )
    waiting.wait_for(job, WaitingReason.INTERNAL_ERROR, detail=error.detail)


def _end(job: Job, attempt: Attempt | None, error: InternalError) -> None:
    """End the job; what may have been billed stays charged, and an answer is kept."""
    _outcomes.end_job_of_fault(job, None if job.state == JobState.QUEUED else attempt, error=error)
