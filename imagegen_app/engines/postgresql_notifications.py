"""Wake workers of other hosts through PostgreSQL: NOTIFY with the task, LISTEN in each worker.

Each worker keeps one connection for this. Where notifications do not arrive (another database, a
pooler between), workers find the task when they look the next time.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("imagegen.engines")

#: Seconds until a connection that was lost is opened again.
RECONNECT_SECONDS = 10.0
#: Seconds that opening it may take, where the site sets no time-out itself.
CONNECT_SECONDS = 5


def channel_for(queue: str) -> str:
    """Return the channel of a queue; a name of any length or script becomes an identifier."""
    return f"imagegen_{hashlib.sha256(queue.encode()).hexdigest()[:16]}"


def is_supported(using: str) -> bool:
    """Return whether the database can notify workers: PostgreSQL with psycopg 3."""
    connection: Any = connections[using]
    return bool(connection.vendor == "postgresql" and connection.Database.__name__ == "psycopg")


def notify(channel: str, *, using: str) -> None:
    """Notify the listeners when the running transaction commits."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel])


class Listener:
    """A connection that listens on a channel, opened when it is first needed, and again if lost."""

    def __init__(
        self, channel: str, *, using: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._channel, self._using, self._clock = channel, using, clock
        self._connection: Any = None
        self._next_try = clock()

    def fileno(self) -> int | None:
        """Return the descriptor to wait for; None while there is no connection."""
        if self._connection is None and self._clock() >= self._next_try:
            self._open()
        if self._connection is None:
            return None
        try:
            return int(self._connection.pgconn.socket)
        except Exception as error:  # noqa: BLE001 - whatever it is, workers can do without
            self._lost(error)
            return None

    def drain(self) -> bool:
        """Read all notifications that arrived; return whether there were any."""
        if self._connection is None:
            return False
        heard = False
        try:
            link = self._connection.pgconn
            link.consume_input()
            while link.notifies() is not None:
                heard = True
        except Exception as error:  # noqa: BLE001 - whatever it is, workers can do without
            self._lost(error)
        return heard

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001 - it may be broken already
                logger.debug("A listening connection could not be closed: %s", error)

    def _open(self) -> None:
        self._next_try = self._clock() + RECONNECT_SECONDS
        wrapper: Any = connections[self._using]
        try:
            parameters = {**wrapper.get_connection_params(), "autocommit": True}
            parameters.setdefault("connect_timeout", CONNECT_SECONDS)
            self._connection = wrapper.Database.connect(**parameters)
            self._connection.execute(f'LISTEN "{self._channel}"')
        except Exception as error:  # noqa: BLE001 - whatever it is, workers can do without
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        logger.info(
            "Notifications of other hosts are not heard (%s); tried again in %s seconds.",
            str(error).partition("\n")[0][:200],
            RECONNECT_SECONDS,
        )
        self.close()
