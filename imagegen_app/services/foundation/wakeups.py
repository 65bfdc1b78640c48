"""Wake workers: at once, when the last sweep is too old, and once for each slot of a periodic run."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from imagegen_app.engines import base
from imagegen_app.engines.base import Engine, wake
from imagegen_app.models import PeriodicRun
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

#: A sweep older than this makes any request or status poll enqueue one.
STALE_SECONDS = 30


def wake_now(name: str, *, delay: float = 0) -> None:
    """Enqueue at once, in `delay` seconds where the engine can."""
    if delay and not base.current().can_delay:
        return
    base.wake_now(name, delay=delay)


def engine() -> Engine:
    """Return the engine that the site chose."""
    return base.current()


@use_case(audited=False)
def record_run(name: str) -> None:
    """Record that something regular happened now."""
    now = clock.now()
    if not PeriodicRun.objects.filter(pk=name).update(last_run_at=now):
        _first(name, last_run_at=now)


@use_case(audited=False)
def claim_slot(name: str, *, seconds: int) -> bool:
    """Claim the next time slot of a regular task; only one caller gets each."""
    now = clock.now()
    slot = int(now.timestamp()) // seconds + 1
    if PeriodicRun.objects.filter(pk=name, slot__lt=slot).update(slot=slot, last_run_at=now):
        return True
    if PeriodicRun.objects.filter(pk=name).exists():
        return False
    return _first(name, last_run_at=now, slot=slot)


def _first(name: str, **values: Any) -> bool:
    """Make the row of a regular task; say whether we were first."""
    try:
        with transaction.atomic():
            PeriodicRun.objects.create(name=name, **values)
    except IntegrityError:
        return False
    return True


def wake_if_stale() -> bool:
    """Wake a worker for a sweep if none was seen lately; any request or status poll may call this."""
    if PeriodicRun.objects.filter(pk="sweep", last_run_at__gte=clock.ago(STALE_SECONDS)).exists():
        return False
    if not claim_slot("stale-ring", seconds=5):
        return False
    wake("sweep")
    return True
