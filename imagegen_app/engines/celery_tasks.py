"""The two argument-free tasks that Celery sends, their queues, and their schedule."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils.module_loading import import_string

from imagegen_app.engines.base import SWEEP_SECONDS, TASK_PATHS

#: Late acknowledgement, and no redelivery by Celery: the next wake-up comes sooner.
_OPTIONS: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": False,
    "ignore_result": True,
    "max_retries": 0,
}


@shared_task(name="imagegen.drive", **_OPTIONS)  # type: ignore[untyped-decorator]  # Celery's
def drive() -> None:
    """Work on due jobs for a time slice."""
    import_string(TASK_PATHS["drive"])()


@shared_task(name="imagegen.sweep", **_OPTIONS)  # type: ignore[untyped-decorator]  # Celery's
def sweep() -> None:
    """Look for what is due, abandoned or expired."""
    import_string(TASK_PATHS["sweep"])()


def delayed_queue(queue: str) -> str:
    """Return the name of the queue for delayed wake-ups and sweeps."""
    return f"{queue}.later"


def beat_schedule(*, queue: str = "imagegen") -> dict[str, Any]:
    """Return what `CELERY_BEAT_SCHEDULE` needs; give the queue if `IMAGEGEN["QUEUE"]` is another."""
    options = {"queue": delayed_queue(queue), "expires": SWEEP_SECONDS}
    entry = {"task": "imagegen.sweep", "schedule": float(SWEEP_SECONDS), "options": options}
    return {"imagegen-sweep": entry}
