"""Enqueue through Celery: argument-free tasks on the site's own app, over Redis or RabbitMQ.

Messages only wake workers; the work is in the database. Immediate wake-ups have a queue of their
own, whose length says whether one already waits; delayed ones and sweeps use a second queue.
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

#: Seconds after which a delayed wake-up or a sweep that is late expires.
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
        self._producer = BoundedProducer()
        self._later: dict[str, float] = {}

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Send the wake-up's task, with every wait bounded."""
        app: Any = current_app
        now = time.monotonic()
        if delay and now < self._later.get(name, 0.0) <= now + delay:
            return  # One that was sent before arrives sooner, and is enough.
        queue = conf.get().queue
        options: dict[str, Any] = {
            "queue": delayed_queue(queue),
            "expires": delay + EXPIRES_SECONDS,
        }
        is_immediate = name == "drive" and not delay and queue != app.conf.task_default_queue
        if is_immediate:
            # It must not expire: while it waits, no other is sent.
            options = {"queue": queue}
        limit = max_drive_seconds()
        options |= {"soft_time_limit": limit, "time_limit": limit + GRACE_SECONDS, "retry": False}

        def send(producer: Any) -> None:
            # A message that waits now will run after everything committed so far: one is enough.
            known = app.amqp.queues[queue](producer.channel) if is_immediate else None
            if known is None or not known.queue_declare().message_count:
                task = app.tasks[f"imagegen.{name}"]
                task.apply_async(countdown=delay or None, producer=producer, **options)

        self._producer.use(app, send)
        if delay:
            self._later[name] = now + delay

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Return what is wrong with the site's Celery settings."""
        return celery_checks.check_settings(current_app, settings=site)

    def ping(self) -> None:
        """Check that the broker answers."""
        self._producer.use(current_app, _ping)

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:
        """Run a worker of threads on the site's app; its first signal also drains the driver."""
        app: Any = current_app
        stop_requested = threading.Event()

        def stop(**_: Any) -> None:
            stop_requested.set()
            stopping()

        signals.worker_shutting_down.connect(stop, weak=False)
        signals.setup_logging.connect(_preserve_logging, weak=False)
        options = dict(app.conf.broker_transport_options)
        max_connections = max(options.get("max_connections") or 0, drives + SPARE_CONNECTIONS)
        if kind_of(app.connection_for_read()) == "redis":
            app.conf.broker_transport_options = {**options, "max_connections": max_connections}
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
        if not stop_requested.is_set():
            raise EngineStopped("Celery's worker ended unexpectedly; see its log for the reason.")


def _ping(producer: Any) -> None:
    """Make one harmless request to the broker."""
    channel = producer.channel
    client = getattr(channel, "client", None)
    if client is not None and hasattr(client, "ping"):
        client.ping()
    else:
        channel.basic_qos(0, 1, False)


def _preserve_logging(**_: Any) -> None:
    """Do nothing: a connected receiver keeps Celery from changing the site's logging."""


def _drain(**_: Any) -> None:
    """Drain the driver when any Celery worker is asked to stop, the site's own included."""
    import_string(DRAIN)()


signals.worker_shutting_down.connect(_drain, weak=False, dispatch_uid="imagegen.drain")
