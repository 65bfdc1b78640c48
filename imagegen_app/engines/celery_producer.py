"""Keep one producer connection to Celery's broker, with a time-out on every operation.

Celery's own producer pool waits for a dead broker as long as its retries say; a request cannot.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imagegen_app.engines.base import BROKER_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

_DEAD_SECONDS = 1.0
_NO_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_BOUNDS = {
    "redis": {
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_timeout": BROKER_TIMEOUT_SECONDS,
    },
    "amqp": {"read_timeout": BROKER_TIMEOUT_SECONDS, "write_timeout": BROKER_TIMEOUT_SECONDS},
}


class BrokerUnavailable(RuntimeError):
    """The broker failed within the last second, or another thread is using the connection."""


class BoundedProducer:
    """One producer that threads share, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._producer: Any = None
        self._inherited: Any = None
        self._dead_until = 0.0
        os.register_at_fork(after_in_child=self._forget)

    def use(self, app: Any, work: Callable[[Any], None]) -> None:
        """Call `work` with a producer; once more if the connection had gone stale.

        :raises BrokerUnavailable: if the connection is in use, or the broker failed within the last second.
        """
        if not self._lock.acquire(timeout=BROKER_TIMEOUT_SECONDS):
            raise BrokerUnavailable
        try:
            if time.monotonic() < self._dead_until:
                raise BrokerUnavailable
            self._use(app, work)
        finally:
            self._lock.release()

    def _use(self, app: Any, work: Callable[[Any], None]) -> None:
        began = time.monotonic()
        was_open = self._producer is not None
        try:
            work(self._open(app))
        except Exception:
            self._disconnect()
            # A stale connection fails at once and is retried; a dead broker is not.
            if not was_open or time.monotonic() - began > BROKER_TIMEOUT_SECONDS / 5:
                self._dead_until = time.monotonic() + _DEAD_SECONDS
                raise
        else:
            return
        self._use(app, work)

    def _open(self, app: Any) -> Any:
        if self._producer is None:
            connection = app.connection_for_write(
                connect_timeout=BROKER_TIMEOUT_SECONDS, heartbeat=0, transport_options=_NO_RETRY
            )
            connection.transport_options.update(_BOUNDS.get(kind_of(connection), {}))
            self._connection = connection
            self._producer = app.amqp.Producer(connection, auto_declare=False)
        return self._producer

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.collapse(socket_timeout=BROKER_TIMEOUT_SECONDS / 5)
        self._connection = self._producer = None

    def _forget(self) -> None:
        """Start anew in a forked child; the inherited connection stays open for the parent."""
        self._inherited = self._connection
        self._lock = threading.Lock()
        self._connection = self._producer = None
        self._dead_until = 0.0


def kind_of(connection: Any) -> str:
    """Return `redis` or `amqp`, or whatever else a connection's broker speaks."""
    return str(connection.transport.driver_type)
