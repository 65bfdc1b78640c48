"""Remove erased texts from the files of an SQLite database, and search them.

SQLite leaves what was overwritten or deleted in free pages and in the write-ahead log. Files of a
database server are out of reach.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.db import OperationalError

from imagegen_app import database

if TYPE_CHECKING:
    from collections.abc import Collection

logger = logging.getLogger("imagegen.erasure")
_PIECE_BYTES: Final = 1024 * 1024
#: Of a longer text its middle is looked for: a long one lies on several pages of the file.
_MAX_NEEDLE_CHARS: Final = 300


def clean() -> str:
    """Write the database's file anew and empty its log; return why that failed, or nothing.

    Nothing is done for other databases.
    """
    connection = database.connection()
    if connection.vendor != "sqlite":
        return ""
    if connection.in_atomic_block:
        return "a transaction is open"
    try:
        with connection.cursor() as cursor:
            _forget_searched(cursor)
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()
    except OperationalError as error:
        logger.warning("The database's file could not be written anew: %s", error)
        return str(error)
    return "another process reads the database" if busy and busy[0] else ""


def _forget_searched(cursor: Any) -> None:
    """Have the index of words forget what is deleted from it: until then it keeps its parts."""
    cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'imagegen_search'")
    if cursor.fetchone():
        cursor.execute("INSERT INTO imagegen_search(imagegen_search) VALUES ('optimize')")


def files() -> list[Path]:
    """Return the files of the SQLite database that exist; none for other databases."""
    connection = database.connection()
    if connection.vendor != "sqlite":
        return []
    name = str(connection.settings_dict["NAME"])
    found = [Path(name + suffix) for suffix in ("", "-wal", "-journal")]
    return [path for path in found if path.is_file()]


def has_text(path: Path, texts: Collection[str]) -> bool:
    """Return whether a file holds one of the texts, plain or as JSON spells it."""
    middles = [_middle(text) for text in texts]
    needles = {text.encode() for text in middles}
    needles |= {json.dumps(text)[1:-1].encode() for text in middles}
    if not needles:
        return False
    overlap = max(len(needle) for needle in needles)
    rest = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            window = rest + piece
            if any(needle in window for needle in needles):
                return True
            rest = window[-overlap:]
    return False


def _middle(text: str) -> str:
    start = max(0, (len(text) - _MAX_NEEDLE_CHARS) // 2)
    return text[start : start + _MAX_NEEDLE_CHARS]
