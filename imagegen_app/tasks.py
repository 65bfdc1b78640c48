"""The functions that a worker runs: without arguments, and never raising."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import django
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, close_old_connections

from imagegen_app import conf
from imagegen_app.services.batches import row_jobs, row_texts
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.foundation.wakeups import wake_now
from imagegen_app.services.jobs import leases, text_calls
from imagegen_app.services.worker import driver
from imagegen_app.services.worker.sweep import schedule_next_wakeup
from imagegen_app.services.worker.sweep import sweep as sweep_once

# A task backend takes the tasks of one library only, and `django_tasks_db` chooses the same way.
if TYPE_CHECKING or django.VERSION < (6, 0):
    from django_tasks import task, task_backends
else:
    from django.tasks import task, task_backends

logger = logging.getLogger("imagegen.tasks")


def run_drive() -> None:
    """Work on due jobs for a time slice, and have the next slice enqueued first."""
    try:
        seconds = conf.get().drive_seconds
        # One cheap look first: mostly another drive has claimed the slot, and a job waits for us.
        if (
            wakeups.is_slot_free("drive", seconds=seconds)
            and _has_work()
            and wakeups.claim_slot("drive", seconds=seconds)
        ):
            wake_now("drive", delay=seconds)
        driver.drive()
        schedule_next_wakeup()
    except Exception as error:  # noqa: BLE001 - an engine would store or repeat the error
        # The sweep enqueues again.
        _log_failure("drive", error)


def _has_work() -> bool:
    return (
        leases.any_unfinished()
        or row_jobs.has_pending_rows()
        or text_calls.has_waiting()
        or row_texts.has_waiting()
    )


def run_sweep() -> None:
    """Look for what is due, abandoned or expired, and wake a worker for it."""
    try:
        sweep_once()
    except Exception as error:  # noqa: BLE001 - see `run_drive`
        _log_failure("sweep", error)


def _log_failure(name: str, error: Exception) -> None:
    if isinstance(error, InterfaceError | OperationalError):
        reason = str(error).partition("\n")[0][:200]
        logger.warning("A %s was interrupted by a database error: %s", name, reason)
    else:
        logger.error("A %s failed.", name, exc_info=error)
    # After an outage of the database the old connection never works again.
    close_old_connections()


def drain() -> None:
    """Claim no more jobs in this process; an engine calls it when its worker is asked to stop."""
    driver.draining.set()


def _any_queue() -> str:
    """Return a queue that the task backend knows; each wake-up names the site's own."""
    return str(min(task_backends["default"].queues or {"default"}))


@task(queue_name=_any_queue())
def drive() -> None:
    """Do what `run_drive` does, as a task: its path is stored with each message."""
    run_drive()


@task(queue_name=_any_queue())
def sweep() -> None:
    """Do what `run_sweep` does, as a task."""
    run_sweep()


# An engine with tasks of its own registers them when it is imported; Celery looks for them here.
# The system checks report a wrong engine name.
with suppress(ImportError, ImproperlyConfigured, conf.InvalidSettings):
    wakeups.engine()
