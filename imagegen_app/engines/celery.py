"""Enqueue through Celery: argument-free tasks on the site's own app, over Redis or RabbitMQ.

The broker carries wake-ups, never work. Wake-ups for now have a queue of their own, so that one glance
at its length says whether one already waits; wake-ups for later and sweeps take the queue beside it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from celery import current_app, signals
from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.engines import celery_checks
from imagegen_app.engines.base import (
    DRAIN,
    GRACE_SECONDS,
    EngineStopped,
    SettingsIssue,
    max_drive_seconds,
)
from imagegen_app.engines.celery_producer import BoundedProducer, kind_of
from imagegen_app.engines.celery_tasks import beat_schedule, delayed_queue

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CeleryEngine", "beat_schedule"]

#: Seconds that a wake-up for later, or a sweep, may be late before it is not worth answering.
EXPIRES_SECONDS = 60
#: Redis connections that a worker needs beside one for each thread.
SPARE_CONNECTIONS = 20


class CeleryEngine:
    """Send the wake-up's task, unless one already waits."""

    label: ClassVar[str] = "celery"
    can_delay: ClassVar[bool] = True
    has_worker: ClassVar[bool] = True
    default_concurrency: ClassVar[int] = 2

    def __init__(self) -> None:
        self._line = BoundedProducer()
        self._later: dict[str, float] = {}

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Send the wake-up's task, with every wait bounded."""
        app: Any = current_app
        now = time.monotonic()
        if delay and now < self._later.get(name, 0.0) <= now + delay:
            return  # One that was sent arrives sooner, and whoever answers it looks further.
        queue = conf.get().queue
        options: dict[str, Any] = {
            "queue": delayed_queue(queue),
            "expires": delay + EXPIRES_SECONDS,
        }
        alone = name == "drive" and not delay and queue != app.conf.task_default_queue
        if alone:
            # It must not expire: while it waits no other is sent.
            options = {"queue": queue}
        limit = max_drive_seconds()
        options |= {"soft_time_limit": limit, "time_limit": limit + GRACE_SECONDS, "retry": False}

        def send(producer: Any) -> None:
            # One that waits now is answered later than all that was committed before this wake-up.
            known = app.amqp.queues[queue](producer.channel) if alone else None
            if known is None or not known.queue_declare().message_count:
                task = app.tasks[f"imagegen.{name}"]
                task.apply_async(countdown=delay or None, producer=producer, **options)

        self._line.use(app, send)
        if delay:
            self._later[name] = now + delay

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Name the traps that the site's Celery settings hold."""
        return celery_checks.check_settings(current_app, settings=site)

    def ping(self) -> None:
        """Ask the broker whether it is there."""
        self._line.use(current_app, _ask)

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:
        """Run a worker of threads on the site's app; its first signal also drains the driver."""
        app: Any = current_app
        told = threading.Event()

        def stop(**_: Any) -> None:
            told.set()
            stopping()

        signals.worker_shutting_down.connect(stop, weak=False)
        signals.setup_logging.connect(_preserve_logging, weak=False)
        options = dict(app.conf.broker_transport_options)
        wanted = max(options.get("max_connections") or 0, drives + SPARE_CONNECTIONS)
        if kind_of(app.connection_for_read()) == "redis":
            app.conf.broker_transport_options = {**options, "max_connections": wanted}
        queue = conf.get().queue
        app.Worker(
            hostname=f"imagegen-{os.getpid()}@{socket.gethostname()}",
            pool="threads",
            concurrency=drives,
            prefetch_multiplier=1,
            queues=[queue, delayed_queue(queue)],
            redirect_stdouts=False,
            without_mingle=True,
            without_gossip=True,
            quiet=True,
        ).start()
        if not told.is_set():
            raise EngineStopped("Celery's worker ended unexpectedly; see its log for the reason.")


def _ask(producer: Any) -> None:
    """Have the broker say anything at all."""
    channel = producer.channel
    client = getattr(channel, "client", None)
    if client is not None and hasattr(client, "ping"):
        client.ping()
    else:
        channel.basic_qos(0, 1, False)


def _preserve_logging(**_: Any) -> None:
    """Be connected, so that Celery leaves the site's logging as it is."""


def _drain(**_: Any) -> None:
    """Tell the driver wherever a worker is asked to stop, the site's own included."""
    import_string(DRAIN)()


signals.worker_shutting_down.connect(_drain, weak=False, dispatch_uid="imagegen.drain")
