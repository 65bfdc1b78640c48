"""Insert what a costly arrangement wrote the first time, instead of arranging it again.

Seeding the shop takes hundreds of statements and use cases. In a test process it runs once; its rows are
read back as they stand in the file, and later tests insert them, in one statement a table. What a
fixture arranges beside rows (files, settings, registered functions) is not kept: record rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

#: A table's rows by their `rowid`.
Rows = dict[int, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Recording:
    """The rows that an arrangement added, and how many its tables had before."""

    counts: dict[str, int]
    added: dict[str, list[tuple[Any, ...]]]


_recordings: dict[str, Recording] = {}


def arrange(name: str, make: Callable[[], object]) -> None:
    """Have in the database what `make` writes to it: by its recorded rows, else by calling it.

    It is called where the database is not SQLite, and where its tables hold other rows than the first
    time: their keys could be the same.

    :raises AssertionError: if `make` changed or removed rows that were there before: it cannot be recorded.
    """
    if connection.vendor != "sqlite":
        make()
        return
    recording = _recordings.get(name)
    if recording is None:
        before = _all_rows()
        make()
        _recordings[name] = _difference(before, _all_rows())
    elif all(_count(table) == count for table, count in recording.counts.items()):
        _insert(recording)
    else:
        make()


def restoring(emit: Callable[..., None]) -> Callable[..., None]:
    """Return what inserts, after a flush, the rows of now into those tables that are empty by then.

    It takes the place of `emit`, which signals the end of a migration; where the database is not
    SQLite, or another one was flushed, that is called.
    """
    if connection.vendor != "sqlite":
        return emit
    kept = {table: list(rows.values()) for table, rows in _all_rows().items() if rows}

    def restore(verbosity: int, interactive: bool, database: str) -> None:
        if database != connection.alias:
            emit(verbosity, interactive, database)
            return
        ContentType.objects.clear_cache()
        empty = {table: rows for table, rows in kept.items() if not _count(table)}
        _insert(Recording({}, empty))

    return restore


def _difference(before: dict[str, Rows], after: dict[str, Rows]) -> Recording:
    counts, added = {}, {}
    for table, rows in after.items():
        old = before[table]
        changed = [key for key, row in old.items() if rows.get(key) != row]
        assert not changed, f"the arrangement changed rows {changed} of {table}"
        if new := [row for key, row in rows.items() if key not in old]:
            counts[table], added[table] = len(old), new
    return Recording(counts, added)


def _insert(recording: Recording) -> None:
    # Within a transaction, references are looked at when it ends: tables may come in any order.
    with transaction.atomic(), connection.cursor() as cursor:
        for table, rows in recording.added.items():
            marks = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", rows)  # noqa: S608 - names of tables


def _all_rows() -> dict[str, Rows]:
    with connection.cursor() as cursor:
        return {
            table.name: _rows(cursor, table.name)
            for table in connection.introspection.get_table_list(cursor)
            # Triggers keep the index of words, from the rows that are inserted.
            if table.type == "t" and not table.name.startswith("imagegen_search")
        }


def _rows(cursor: Any, table: str) -> Rows:
    # Not by Django's introspection, which parses the table's SQL: that took a third of all set-ups.
    cursor.execute(f"PRAGMA table_info({_quoted(table)})")
    names = [name for _number, name, *_rest in cursor.fetchall()]
    # As expressions: of a bare column the driver would convert the value by the column's type.
    values = ", ".join(f"+{_quoted(name)}" for name in names)
    cursor.execute(f"SELECT rowid, {values} FROM {_quoted(table)}")  # noqa: S608 - as above
    return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {_quoted(table)}")  # noqa: S608 - as above
        return int(cursor.fetchone()[0])


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
