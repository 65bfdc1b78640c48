"""What a worker runs: argument-free, and never raising; the database holds the truth."""

from __future__ import annotations

import logging

from django_tasks import task

from imagegen_app import conf
from imagegen_app.services import driver, leases, pulse, sweeping
from imagegen_app.services.ringing import ring

logger = logging.getLogger("imagegen.tasks")


def run_drive() -> None:
    """Work on due jobs for a time slice, and have the next slice rung first."""
    try:
        seconds = conf.get().slice_seconds
        if leases.any_unfinished() and pulse.claim_slot("drive", seconds=seconds):
            ring("drive", delay=seconds)
        driver.drive()
        sweeping.ring_for_later()
    except Exception:
        # The edge: an engine would store or repeat what we raise; the sweep rings again.
        logger.exception("A drive broke down.")


def run_sweep() -> None:
    """Look for what is due, abandoned or expired, and ring for it."""
    try:
        sweeping.sweep()
    except Exception:
        # The edge: see `run_drive`.
        logger.exception("A sweep broke down.")


@task()
def drive() -> None:
    """Do what `run_drive` does, as a task: its path is stored with each ring."""
    run_drive()


@task()
def sweep() -> None:
    """Do what `run_sweep` does, as a task."""
    run_sweep()
