"""Append events, and change the stored log as an administrator of the database could."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection

from imagegen_app.core.actors import System
from imagegen_app.services import audit
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = System("test")
_SWITCH = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
    "postgresql": (
        "SET session_replication_role = replica",
        "SET session_replication_role = DEFAULT",
    ),
    "mysql": ("SET FOREIGN_KEY_CHECKS = 0", "SET FOREIGN_KEY_CHECKS = 1"),
}


@use_case()
def append(count: int, *, actor: Any = SYSTEM, **options: Any) -> None:
    """Append events; each bears its number."""
    for number in range(count):
        audit.record(actor, "log.verified", data={"size": number}, **options)


def execute(statement: str, *values: Any) -> int:
    """Run one statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


@contextmanager
def loose_ends_allowed() -> Iterator[None]:
    """Switch foreign keys off inside the block."""
    off, on = _SWITCH[connection.vendor]
    execute(off)
    try:
        yield
    finally:
        execute(on)
