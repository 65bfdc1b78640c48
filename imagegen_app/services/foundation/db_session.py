"""Set options of a worker's database session: idle time-out and asynchronous commit."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from imagegen_app import conf, database

#: The limit that was set in each open session.
_limits: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def limit_idle_transactions() -> None:
    """Have the database end a transaction of this session that is idle for a lease's duration.

    Otherwise a worker that is paused in the middle of one would block all who need the same row,
    such as a budget or a provider's rate limit. PostgreSQL only.
    """
    connection = database.connection()
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    limit = f"{conf.get().lease_seconds}s"
    connection.ensure_connection()
    session = connection.connection
    if _limits.get(session) == limit:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [limit]
        )
    _limits[session] = limit


def use_asynchronous_commit() -> None:
    """Let the commit of the running transaction return before it is flushed to disk (PostgreSQL only).

    Only for changes that a later step repeats if the database's machine loses power; what happened
    outside the database must be flushed. A later commit that is flushed also flushes this one.
    """
    connection = database.connection()
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO OFF")
