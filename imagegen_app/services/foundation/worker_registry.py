"""Keep the list of live workers, to which each worker reports its heartbeats."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from imagegen_app.engines.base import current
from imagegen_app.models import Worker
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: A worker without a heartbeat for longer counts as gone.
WORKER_GONE_SECONDS = 45


def worker_name() -> str:
    """Return the name of this process as a worker: host and process id."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}"


@use_case(audited=False)
def record_heartbeat(*, name: str, stopped: bool = False) -> None:
    """Record that a worker is alive, or that it has stopped."""
    now = clock.now()
    changes = {"last_seen_at": now, "stopped_at": now if stopped else None}
    if not Worker.objects.filter(name=name).update(**changes):
        Worker.objects.create(name=name, engine=current().label, started_at=now, **changes)
        Worker.objects.filter(last_seen_at__lt=now - timedelta(days=7)).delete()


def count_live_workers(*, within: int = WORKER_GONE_SECONDS) -> int:
    """Count the workers with a heartbeat in the last `within` seconds that have not stopped."""
    return live_rows(within=within).count()


def live_workers(*, within: int) -> tuple[int, int]:
    """Count the live workers, and those with a heartbeat in the last `within` seconds, at once."""
    live = Q(last_seen_at__gte=clock.ago(WORKER_GONE_SECONDS))
    found = live_rows(within=within).aggregate(live=Count("pk", filter=live), lately=Count("pk"))
    return found["live"], found["lately"]


def live_rows(*, within: int = WORKER_GONE_SECONDS) -> QuerySet[Worker]:
    """Return the workers with a heartbeat in the last `within` seconds that have not stopped."""
    rows: QuerySet[Worker] = Worker.objects.filter(
        last_seen_at__gte=clock.ago(within), stopped_at__isnull=True
    )
    return rows
