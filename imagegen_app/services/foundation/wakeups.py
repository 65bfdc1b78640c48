"""Wake workers: at once, or if the last sweep is too old; let one caller claim each time slot."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError

from imagegen_app import database
from imagegen_app.engines import base
from imagegen_app.engines.base import Engine, wake
from imagegen_app.models import PeriodicRun
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

#: If the last sweep is older than this, any request or status poll enqueues one.
STALE_SECONDS = 30


def wake_now(name: str, *, delay: float = 0) -> None:
    """Enqueue now, without waiting for a commit, to run in `delay` seconds.

    Does nothing if the engine cannot delay.
    """
    if delay and not base.current().can_delay:
        return
    base.wake_now(name, delay=delay)


def engine() -> Engine:
    """Return the engine that the site configured."""
    return base.current()


@use_case(audited=False)
def record_run(name: str) -> None:
    """Record that the periodic task `name` ran now."""
    now = clock.now()
    if not PeriodicRun.objects.filter(pk=name).update(last_run_at=now):
        _create_row(name, last_run_at=now)


def is_slot_free(name: str, *, seconds: int) -> bool:
    """Return whether nobody has claimed the current time slot of a periodic task yet."""
    slot = int(clock.now().timestamp()) // seconds + 1
    return not PeriodicRun.objects.filter(pk=name, slot__gte=slot).exists()


@use_case(audited=False)
def claim_slot(name: str, *, seconds: int) -> bool:
    """Claim the current time slot of a periodic task; return True for one caller per slot.

    A slot lasts `seconds`.
    """
    now = clock.now()
    slot = int(now.timestamp()) // seconds + 1
    if PeriodicRun.objects.filter(pk=name, slot__lt=slot).update(slot=slot, last_run_at=now):
        return True
    if PeriodicRun.objects.filter(pk=name).exists():
        return False
    return _create_row(name, last_run_at=now, slot=slot)


def _create_row(name: str, **values: Any) -> bool:
    """Create the row of a periodic task; return False if another caller was first."""
    try:
        with database.atomic():
            PeriodicRun.objects.create(name=name, **values)
    except IntegrityError:
        return False
    return True


def wake_if_stale() -> bool:
    """Wake a worker for a sweep if the last one is too old; return whether it was woken.

    Any request or status poll may call this.
    """
    if PeriodicRun.objects.filter(pk="sweep", last_run_at__gte=clock.ago(STALE_SECONDS)).exists():
        return False
    if not claim_slot("stale-sweep", seconds=5):
        return False
    wake("sweep")
    return True
