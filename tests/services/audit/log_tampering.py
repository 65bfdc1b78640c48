"""Append events, and change the stored log as an administrator of the database could."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection

from imagegen_app.core import translog
from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, AuditTile
from imagegen_app.services.audit import publication, sealing
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagegen_app.services.audit.verification import VerificationReport

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
    """Append events; each one holds its number."""
    for number in range(count):
        event_log.record(actor, "log.verified", data={"size": number}, **options)


def execute(statement: str, *values: Any) -> int:
    """Run one statement and return how many rows it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


@contextmanager
def without_foreign_keys() -> Iterator[None]:
    """Switch foreign keys off inside the block."""
    off, on = _SWITCH[connection.vendor]
    execute(off)
    try:
        yield
    finally:
        execute(on)


def sealed_log(count: int) -> None:
    """Seal, sign and publish a log of this many events."""
    append(count)
    sealing.seal_all()
    sealing.make_checkpoint(SYSTEM, force=True)
    publication.publish(SYSTEM, force=True)


def put_copy(folder: Path, note: str, *, size: int = 9, tag: str = "f" * 16) -> Path:
    """Put a file beside the published copies of a folder, as its owner or an intruder could."""
    folder.mkdir(exist_ok=True)
    path = folder / f"checkpoint-{size:019d}-{tag}.txt"
    path.write_text(note)
    return path


def event_at(seq: int) -> AuditEvent:
    """Return the event at a position."""
    return AuditEvent.objects.get(leaf__seq=seq)


def rewritten(body: str) -> str:
    """Return a body with another event type that is still canonical."""
    return body.replace('"type":"log.verified"', '"type":"log.verifiee"')


def kinds(report: VerificationReport) -> list[str]:
    """Return the kinds of a report's findings."""
    return [finding.kind for finding in report.findings]


def set_hash(seq: int, digest: bytes) -> None:
    """Change a leaf."""
    execute("UPDATE imagegen_auditleaf SET hash = %s WHERE seq = %s", digest, seq)


def set_tile(*, level: int, index: int, data: bytes) -> None:
    """Change a tile."""
    tiles = AuditTile.objects.filter(level=level, index=index)
    execute("UPDATE imagegen_audittile SET data = %s WHERE id = %s", data, tiles.get().pk)


def rebuild_tiles() -> None:
    """Write all tiles anew from the bodies, as an attacker with our code would."""
    bodies = AuditEvent.objects.order_by("leaf__seq").values_list("body", flat=True)
    leaves = [translog.leaf_hash(body) for body in bodies]
    for tile, data in translog.grow_tiles(size=0, leaves=leaves, fetch=lambda _tile: b"").items():
        set_tile(level=tile.level, index=tile.index, data=data)
