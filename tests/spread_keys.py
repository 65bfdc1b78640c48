"""Begin the keys of each table at a number of its own.

In an empty database the first rows of all tables have the key 1, so a test that mixes up two rows of
different tables passes by chance, until another test ran before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

#: How far apart the first keys of two tables are: more rows than a test makes.
_DISTANCE = 10_000
#: The tables of these apps; those of other packages are addressed by their own code.
_LABELS = ("imagegen", "catalog")


def spread(connection: BaseDatabaseWrapper) -> None:
    """Have the tables whose keys the database counts begin apart from each other."""
    from django.apps import apps  # noqa: PLC0415 - pytest loads modules before the settings are chosen

    models = [model for label in _LABELS for model in apps.get_app_config(label).get_models()]
    keys = [model._meta.pk for model in sorted(models, key=lambda model: model._meta.db_table)]
    counted = [key for key in keys if key.get_internal_type().endswith("AutoField")]
    with connection.cursor() as cursor:
        for place, key in enumerate(counted, start=1):
            table, first = key.model._meta.db_table, place * _DISTANCE
            if connection.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence VALUES (%s, %s)", [table, first])
            elif connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, key.column, first]
                )
            else:
                quoted = connection.ops.quote_name(table)
                cursor.execute(f"ALTER TABLE {quoted} AUTO_INCREMENT = {first}")
