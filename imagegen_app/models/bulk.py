"""Insert many rows of one table: by COPY on PostgreSQL, since composing an INSERT costs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import AutoField, BigAutoField, SmallAutoField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, Model

#: From so many rows on. For fewer, the COPY's own round trips cost what it saves.
MIN_ROWS = 50

_COUNTED = (AutoField, BigAutoField, SmallAutoField)


def can_copy(model: type[Model], rows: Sequence[Model], *, using: str) -> bool:
    """Return whether the rows can be copied: enough of them, PostgreSQL, psycopg 3, plain values."""
    if len(rows) < MIN_ROWS:
        return False
    connection: Any = connections[using]
    # The older psycopg2 copies from files alone.
    if connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg":
        return False
    fields = _fields(model)
    # An expression is the database's to work out, which COPY does not do.
    return not any(
        hasattr(getattr(row, field.attname), "resolve_expression")
        for row in rows
        for field in fields
    )


def copy_rows(model: type[Model], rows: Sequence[Model], *, using: str) -> None:
    """Insert the rows, and give each the key that the database counted for it.

    As with Django's `bulk_create`, no signals are sent and `save` is not called. Triggers and
    constraints hold as for any other insert. The database's role must be allowed to use the table's
    sequence, as its owner is.

    :raises django.db.Error: as an INSERT would; nothing is inserted then.
    """
    connection: Any = connections[using]
    fields = _fields(model)
    quote = connection.ops.quote_name
    table = model._meta.db_table  # noqa: SLF001 - Django's documented API
    columns = ", ".join(quote(field.column) for field in fields)
    with transaction.atomic(using=using, savepoint=False):
        for row in rows:
            # As bulk_create does: a related object may have got its key after it was assigned.
            row._prepare_related_fields_for_save(operation_name="bulk_create")  # type: ignore[attr-defined]  # noqa: SLF001
        _give_keys(model, rows, connection)
        with connection.cursor() as cursor, connection.wrap_database_errors:
            statement = f"COPY {quote(table)} ({columns}) FROM STDIN"
            with cursor.copy(statement) as stream:
                for row in rows:
                    stream.write_row(
                        [
                            field.get_db_prep_save(field.pre_save(row, add=True), connection)
                            for field in fields
                        ]
                    )
    for row in rows:
        row._state.adding = False  # noqa: SLF001 - Django's documented API
        row._state.db = using  # noqa: SLF001 - Django's documented API


def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    return list(model._meta.local_concrete_fields)  # noqa: SLF001 - Django's documented API


def _give_keys(model: type[Model], rows: Sequence[Model], connection: BaseDatabaseWrapper) -> None:
    key: Any = model._meta.pk  # noqa: SLF001 - Django's documented API
    without = [row for row in rows if row.pk is None]
    if not isinstance(key, _COUNTED) or not without:
        return
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented API
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [table, key.column, len(without)],
        )
        for row, (number,) in zip(without, cursor.fetchall(), strict=True):
            row.pk = number
