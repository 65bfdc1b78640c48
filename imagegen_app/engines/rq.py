"""Enqueue through RQ, with the queues of django-rq; wake-ups for later wait for RQ's own scheduler.

Jobs carry the dotted path of an argument-free function and nothing else.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import django_rq
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import SimpleWorker
from rq.connections import parse_connection
from rq.utils import as_text

from imagegen_app import conf
from imagegen_app.engines.base import (
    BROKER_TIMEOUT_SECONDS,
    DRAIN,
    TASK_PATHS,
    EngineStopped,
    SettingsIssue,
    max_drive_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rq import Queue

#: Seconds that a failed wake-up is stored for inspection; RQ's own default is a year.
FAILURE_SECONDS = 3600
#: How many jobs at the end of the queue are searched for a wake-up that already waits.
_MAX_SCANNED_JOBS = 200


class DrainingWorker(SimpleWorker):
    """Work in the process that gets the signal, so that the driver is drained and no process is orphaned.

    RQ's ordinary worker forks a work horse in a process group of its own: it gets no stop signal,
    and outlives a killed worker.
    """

    stop_requested = False

    def handle_warm_shutdown_request(self) -> None:
        """Start nothing new; RQ waits for the running job."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]  # RQ's own
        self.stop_requested = True
        import_string(DRAIN)()


class RqEngine:
    """Enqueue one argument-free job a wake-up, unless one already waits."""

    label: ClassVar[str] = "rq"
    can_delay: ClassVar[bool] = True
    has_worker: ClassVar[bool] = True
    default_concurrency: ClassVar[int] = 1

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Enqueue the wake-up's job, with every wait bounded."""
        queue = django_rq.get_queue(
            conf.get().queue, commit_mode="auto", connection=self._connection
        )
        prefix = f"imagegen-{name}-"
        options: dict[str, Any] = {
            "job_id": prefix + get_random_string(16),
            "job_timeout": max_drive_seconds(),
            "result_ttl": 0,
            "failure_ttl": FAILURE_SECONDS,
        }
        if delay:
            due = time.time() + delay
            if not _is_scheduled(queue, prefix, due):
                queue.enqueue_at(datetime.fromtimestamp(due, UTC), TASK_PATHS[name], **options)
        # A job that waits now will run after everything committed so far: one is enough.
        elif not any(known.startswith(prefix) for known in queue.get_job_ids(-_MAX_SCANNED_JOBS)):
            queue.enqueue(TASK_PATHS[name], **options)

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Check that django-rq has the queue, and that the queue is asynchronous."""
        name, found = conf.get().queue, []
        queues = getattr(site, "RQ_QUEUES", {})
        if name not in queues:
            return [
                SettingsIssue(
                    "E015",
                    f"RQ_QUEUES has no queue {name!r}.",
                    f"Add RQ_QUEUES[{name!r}] = {{'URL': 'redis://…'}}, or set IMAGEGEN['QUEUE'].",
                )
            ]
        if queues[name].get("ASYNC") is False:
            found.append(
                SettingsIssue(
                    "W032",
                    f"RQ_QUEUES[{name!r}] is not asynchronous: requests do the work themselves.",
                    "Remove ASYNC, and run imagegen_worker.",
                )
            )
        return found

    def ping(self) -> None:
        """Check that Redis answers."""
        self._connection.ping()

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:  # noqa: ARG002 - the port's
        """Run a worker with RQ's scheduler; its first signal drains the driver and calls `stopping`."""
        kind: Any = DrainingWorker
        worker: Any = django_rq.get_worker(conf.get().queue, worker_class=kind)
        worker.work(with_scheduler=True, logging_level="WARNING")
        stopping()
        if not worker.stop_requested:
            raise EngineStopped("RQ's worker ended unexpectedly; see its log for the reason.")

    @cached_property
    def _connection(self) -> Any:
        """Redis as the site configured it, with short time-outs and without retries."""
        kind, connection_class, options = parse_connection(
            django_rq.get_connection(conf.get().queue)
        )
        bounds = {
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        return kind(
            connection_pool=ConnectionPool(
                connection_class=connection_class, **{**options, **bounds}
            )
        )


def _is_scheduled(queue: Queue, prefix: str, due: float) -> bool:
    """Return whether a wake-up is scheduled no later than `due` (Unix time): it is enough."""
    key = queue.scheduled_job_registry.key
    found: Any = queue.connection.zrangebyscore(key, "-inf", due, start=0, num=_MAX_SCANNED_JOBS)
    return any(as_text(known).startswith(prefix) for known in found)
