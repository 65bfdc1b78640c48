"""Check by plain SQL what must hold after any fault; uses no code of the app, only its list of queries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imagegen_app.core.invariants import VIOLATION_QUERIES

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def violated_invariants(database: sqlite3.Connection, files: Path) -> list[str]:
    """Return the names of the invariants that do not hold."""
    found = [
        name for name, query in VIOLATION_QUERIES.items() if database.execute(query).fetchall()
    ]
    for key, sha256 in database.execute(
        "select storage_key, sha256 from imagegen_asset"
    ).fetchall():
        path = files / key
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found.append("an asset without its file")
            break
    return found
