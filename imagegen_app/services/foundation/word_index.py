"""Tell which index of words the database of our rows has; the first migration makes it where it can."""

from __future__ import annotations

from typing import Final

from imagegen_app import database

#: The table of SQLite's full-text search that triggers keep.
FTS_TABLE: Final = "imagegen_search"


def indexed_by() -> str:
    """Return what finds words in the database of our rows: `pg_trgm`, `fts5`, or nothing."""
    connection = database.connection()
    if connection.vendor == "sqlite":
        query, name = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", FTS_TABLE
        kind = "fts5"
    elif connection.vendor == "postgresql":
        query, name = "SELECT to_regclass(%s)", "imagegen_search_public_text"
        kind = "pg_trgm"
    else:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(query, [name])
        row = cursor.fetchone()
    return kind if row and row[0] else ""
