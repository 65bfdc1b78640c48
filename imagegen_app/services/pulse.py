"""Keep the work going: who works, when it was last swept, and who rings for the next time slot."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from imagegen_app.engines.base import current, wake
from imagegen_app.models import Pulse, Worker
from imagegen_app.services import clock
from imagegen_app.services.unit import use_case

#: A sweep older than this makes any request or status poll ring.
STALE_SECONDS = 30
#: A worker unseen for longer counts as gone.
GONE_SECONDS = 45


def worker_name() -> str:
    """Name this process."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}"


@use_case(silent=True)
def worker_seen(*, name: str, stopped: bool = False) -> None:
    """Note that a worker is there, or has gone."""
    now = clock.now()
    changes = {"seen_at": now, "stopped_at": now if stopped else None}
    if not Worker.objects.filter(name=name).update(**changes):
        Worker.objects.create(name=name, engine=current().label, started_at=now, **changes)
        Worker.objects.filter(seen_at__lt=now - timedelta(days=7)).delete()


def workers_alive(*, within: int = GONE_SECONDS) -> int:
    """Count the workers seen within so many seconds."""
    return Worker.objects.filter(seen_at__gte=clock.ago(within), stopped_at__isnull=True).count()


@use_case(silent=True)
def beat(name: str) -> None:
    """Note that something regular happened now."""
    now = clock.now()
    if not Pulse.objects.filter(pk=name).update(at=now):
        _first(name, at=now)


@use_case(silent=True)
def claim_slot(name: str, *, seconds: int) -> bool:
    """Claim the next time slot of a regular task; only one caller gets each."""
    now = clock.now()
    slot = int(now.timestamp()) // seconds + 1
    if Pulse.objects.filter(pk=name, slot__lt=slot).update(slot=slot, at=now):
        return True
    if Pulse.objects.filter(pk=name).exists():
        return False
    return _first(name, at=now, slot=slot)


def _first(name: str, **values: Any) -> bool:
    """Make the row of a regular task; say whether we were first."""
    try:
        with transaction.atomic():
            Pulse.objects.create(name=name, **values)
    except IntegrityError:
        return False
    return True


def ring_if_stale() -> bool:
    """Ring for a sweep if none was seen lately; any request or status poll may call this."""
    if Pulse.objects.filter(pk="sweep", at__gte=clock.ago(STALE_SECONDS)).exists():
        return False
    if not claim_slot("stale-ring", seconds=5):
        return False
    wake("sweep")
    return True
