"""Tell the database what a worker's session may hold up, and what need not be flushed at once."""

from __future__ import annotations

from django.db import connection

from imagegen_app import conf


def limit_idle_transactions() -> None:
    """Have the database end a transaction of ours that nobody continues with for a lease's time.

    A worker that is paused in the middle of one would else hold up everybody who needs the same
    row, such as a budget or a provider's pace. PostgreSQL alone can do this.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    limit = f"{conf.get().lease_seconds}s"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [limit]
        )


def use_asynchronous_commit() -> None:
    """Let the commit of the running transaction return before it is flushed to disk (PostgreSQL only).

    Only for what a later step repeats if the database's machine loses power: what is known to have
    happened outside of the database must be flushed. PostgreSQL alone can do this; a later commit
    that is flushed takes this one along.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO OFF")
