"""What a worker runs: argument-free, and never raising; the database holds the truth."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, close_old_connections
from django_tasks import task, task_backends

from imagegen_app import conf
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.foundation.wakeups import wake_now
from imagegen_app.services.jobs import leases
from imagegen_app.services.worker import driver
from imagegen_app.services.worker.sweep import schedule_next_wakeup
from imagegen_app.services.worker.sweep import sweep as sweep_once

logger = logging.getLogger("imagegen.tasks")


def run_drive() -> None:
    """Work on due jobs for a time slice, and have the next slice enqueued first."""
    try:
        seconds = conf.get().drive_seconds
        if (leases.any_unfinished() or row_jobs.has_pending_rows()) and wakeups.claim_slot(
            "drive", seconds=seconds
        ):
            wake_now("drive", delay=seconds)
        driver.drive()
        schedule_next_wakeup()
    except Exception as error:  # noqa: BLE001 - the edge: an engine would store or repeat what we raise
        # The sweep enqueues again.
        _broke_down("drive", error)


def run_sweep() -> None:
    """Look for what is due, abandoned or expired, and wake a worker for it."""
    try:
        sweep_once()
    except Exception as error:  # noqa: BLE001 - the edge: see `run_drive`
        _broke_down("sweep", error)


def _broke_down(what: str, fault: Exception) -> None:
    if isinstance(fault, InterfaceError | OperationalError):
        why = str(fault).partition("\n")[0][:200]
        logger.warning("A %s was broken off by the database: %s", what, why)
    else:
        logger.error("A %s broke down.", what, exc_info=fault)
    # A database that was away left a connection behind that never works again.
    close_old_connections()


def drain() -> None:
    """Begin nothing new in this process; an engine calls it when its worker is asked to stop."""
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
# What is wrong with the engine's name, the system checks say.
with suppress(ImportError, ImproperlyConfigured, conf.InvalidSettings):
    wakeups.engine()
