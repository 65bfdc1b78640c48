"""Say which of the triggers that guard the log are not there, or are switched off."""

from __future__ import annotations

import importlib
from typing import Any, Final

from imagegen_app import database

_MIGRATION: Final = "imagegen_app.migrations.0001_initial"
_ACTIVE: Final = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    # O and A fire in an ordinary session; D is switched off, R fires for replication only.
    "postgresql": (
        "SELECT tgname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid "
        "WHERE tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)"
    ),
    "mysql": (
        "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    ),
}


def missing_triggers() -> list[str]:
    """Return the names of the missing triggers; empty for a database that we do not know."""
    connection = database.connection()
    statement = _ACTIVE.get(connection.vendor)
    if statement is None:
        return []
    migration: Any = importlib.import_module(_MIGRATION)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = {row[0] for row in cursor.fetchall()}
    return sorted({name for name, _table, _action in migration.names(connection.vendor)} - found)
