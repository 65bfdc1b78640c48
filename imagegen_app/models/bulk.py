"""Insert many rows of one table by PostgreSQL's COPY, which is cheaper than composing an INSERT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import AutoField, BigAutoField, SmallAutoField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, Model

#: The fewest rows for a COPY; for fewer, its additional round trips cost what it saves.
MIN_ROWS = 50

_AUTO_FIELDS = (AutoField, BigAutoField, SmallAutoField)


def can_copy(model: type[Model], rows: Sequence[Model], *, using: str) -> bool:
    """Return whether COPY can insert the rows: enough rows, PostgreSQL, psycopg 3, plain values."""
    if len(rows) < MIN_ROWS:
        return False
    connection: Any = connections[using]
    # The older psycopg2 can copy from files only.
    if connection.vendor != "postgresql" or connection.Database.__name__ != "psycopg":
        return False
    fields = _fields(model)
    # COPY cannot evaluate expressions.
    return not any(
        hasattr(getattr(row, field.attname), "resolve_expression")
        for row in rows
        for field in fields
    )


def copy_rows(model: type[Model], rows: Sequence[Model], *, using: str) -> None:
    """Insert the rows, and set the primary key that the database's sequence gives each of them.

    As with Django's `bulk_create`, no signals are sent and `save` is not called. Triggers and
    constraints apply as for any other insert. The database role must be allowed to use the
    table's sequence, as the table's owner is.

    :raises django.db.Error: as for an INSERT; nothing is inserted then.
    """
    connection: Any = connections[using]
    fields = _fields(model)
    quote = connection.ops.quote_name
    table = model._meta.db_table  # noqa: SLF001 - Django's documented API
    columns = ", ".join(quote(field.column) for field in fields)
    with transaction.atomic(using=using, savepoint=False):
        for row in rows:
            # As in `bulk_create`: a related object may have been saved after it was assigned.
            row._prepare_related_fields_for_save(operation_name="bulk_create")  # type: ignore[attr-defined]  # noqa: SLF001
        _set_keys(model, rows, connection)
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
    # The database itself makes the value of a generated column.
    fields = model._meta.local_concrete_fields  # noqa: SLF001 - Django's documented API
    return [field for field in fields if not field.generated]


def _set_keys(model: type[Model], rows: Sequence[Model], connection: BaseDatabaseWrapper) -> None:
    key: Any = model._meta.pk  # noqa: SLF001 - Django's documented API
    keyless = [row for row in rows if row.pk is None]
    if not isinstance(key, _AUTO_FIELDS) or not keyless:
        return
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - Django's documented API
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [table, key.column, len(keyless)],
        )
        for row, (number,) in zip(keyless, cursor.fetchall(), strict=True):
            row.pk = number
