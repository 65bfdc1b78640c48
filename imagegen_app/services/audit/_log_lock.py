"""Hold the lock that lets one process at a time write leaves, tiles and checkpoints."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from imagegen_app import database
from imagegen_app.models import AuditPending

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The number is arbitrary.
_LOCK_NUMBER: Final = 0x696D_6167_6567_656E
_LOCK_SECONDS: Final = 60


class SealerBusy(RuntimeError):
    """Another process holds the log's lock for longer than we wait."""


@contextmanager
def session_lock() -> Iterator[None]:
    """Hold a MySQL lock around the whole transaction.

    Released inside the transaction, it would let others read the log before our commit.

    :raises SealerBusy: if another process holds it for longer than we wait.
    """
    connection = database.connection()
    if connection.vendor != "mysql":
        yield
        return
    # Lock names are global on the server, so the database's name is part of them.
    name = f"imagegen.seal.{connection.settings_dict['NAME']}"[:64]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, _LOCK_SECONDS])
        if not cursor.fetchone()[0]:
            raise SealerBusy("Another process has been sealing the log for a minute.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [name])


def transaction_lock() -> None:
    """Take the lock for the running transaction."""
    connection = database.connection()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        elif connection.vendor == "sqlite":
            # A write that changes nothing takes the database's write lock before we read, even
            # if the site does not use immediate transactions.
            name = AuditPending._meta.db_table  # noqa: SLF001 - Django's documented API
            table = connection.ops.quote_name(name)
            cursor.execute(f"DELETE FROM {table} WHERE 1 = 0")  # noqa: S608 - our own table's name
