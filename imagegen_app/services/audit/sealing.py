"""Seal the log: give committed events their positions, and sign its size and root hash."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import connection
from django.db.models import Max

from imagegen_app import conf
from imagegen_app.core import notes, translog
from imagegen_app.core.failpoints import failpoint
from imagegen_app.models import (
    AuditEvent,
    AuditLeaf,
    AuditPending,
    AuditTile,
    Checkpoint,
)
from imagegen_app.services.audit import _published_checkpoints, log_key
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.actors import Actor

MAX_EVENTS_PER_SEAL: Final = 5000
#: A log that grew is signed again after this time.
CHECKPOINT_INTERVAL_SECONDS: Final = 60
#: A log that did not grow is signed again after this time.
IDLE_CHECKPOINT_INTERVAL_SECONDS: Final = 3600
#: The same alarm is not recorded again within this time, since each one makes the log grow.
ALARM_SECONDS: Final = 3600

#: One lock for all writers of leaves, tiles and checkpoints; the number is arbitrary.
_LOCK_NUMBER: Final = 0x696D_6167_6567_656E
_LOCK_SECONDS: Final = 60
_BATCH: Final = 500


class SealerBusy(RuntimeError):
    """Another process holds the log's lock for longer than we wait."""


def vkey() -> str:
    """Return the verifier key line (C2SP) of the key that signs this log, for auditors.

    :raises KeyUnreadable: if the key cannot be read.
    """
    return log_key.vkey()


def seal(limit: int = MAX_EVENTS_PER_SEAL) -> int:
    """Give up to `limit` waiting events the next positions in the log; return how many.

    :raises SealerBusy: if another process seals for longer than we wait.
    """
    with _session_lock():
        return _seal(limit)


def seal_all() -> int:
    """Seal all events that wait now; return how many.

    :raises SealerBusy: if another process seals for longer than we wait.
    """
    total = 0
    while sealed := seal():
        total += sealed
        # Only a full round may have left some; later events are left to the next call.
        if sealed < MAX_EVENTS_PER_SEAL:
            break
    return total


def make_checkpoint(actor: Actor, *, force: bool = False) -> Checkpoint | None:
    """Sign and publish the log's size and root hash; None if it is not due, or the log is damaged.

    With `force`, it is always due. A checkpoint records no event, or else every signature would
    make the log grow. A log that does not continue what was last signed or published is not
    signed: an alarm is recorded as an event.

    :raises KeyUnreadable: if the log's key cannot be read.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    with _session_lock():
        checkpoint = _sign(actor, force=force)
    if checkpoint is None:
        return None
    folder = _published_checkpoints.publish(checkpoint.note, size=checkpoint.size)
    if folder:
        _record_published(checkpoint, folder=folder)
    return checkpoint


def is_due() -> bool:
    """Return whether events wait to be sealed, or the log to be signed again."""
    if AuditPending.objects.exists():
        return True
    return _is_due(log_size(), Checkpoint.objects.order_by("-size", "-pk").first())


def log_size() -> int:
    """Return how many events are sealed."""
    last = AuditLeaf.objects.aggregate(last=Max("seq"))["last"]
    return 0 if last is None else int(last) + 1


def fetch_tile(tile: translog.TileId) -> bytes:
    """Return a stored tile's hashes; empty if there is no such tile."""
    row = AuditTile.objects.filter(level=tile.level, index=tile.index)
    data = row.values_list("data", flat=True).first()
    return b"" if data is None else bytes(data)


@use_case(audited=False)
def _seal(limit: int) -> int:
    _transaction_lock()
    waiting = list(
        AuditPending.objects.order_by("event_id").values_list("event_id", "event__body")[:limit]
    )
    if not waiting:
        return 0
    size = log_size()
    leaves = [translog.leaf_hash(body) for _event_id, body in waiting]
    AuditLeaf.objects.bulk_create(
        [
            AuditLeaf(seq=size + index, event_id=event_id, hash=leaves[index])
            for index, (event_id, _body) in enumerate(waiting)
        ],
        batch_size=_BATCH,
    )
    failpoint("seal.mid")
    _write_tiles(translog.grow_tiles(size=size, leaves=leaves, fetch=fetch_tile))
    # By id, not by range: an event with a lower id may have been committed meanwhile.
    for start in range(0, len(waiting), _BATCH):
        ids = [event_id for event_id, _body in waiting[start : start + _BATCH]]
        AuditPending.objects.filter(event_id__in=ids).delete()
    return len(waiting)


def _write_tiles(tiles: dict[translog.TileId, bytes]) -> None:
    """Store tiles: update those that exist (partial ones at the end), create the others."""
    new = [
        AuditTile(level=tile.level, index=tile.index, data=data)
        for tile, data in tiles.items()
        if not AuditTile.objects.filter(level=tile.level, index=tile.index).update(data=data)
    ]
    AuditTile.objects.bulk_create(new)


@use_case(audited=False)
def _sign(actor: Actor, *, force: bool) -> Checkpoint | None:
    _transaction_lock()
    size = log_size()
    last = Checkpoint.objects.order_by("-size", "-pk").first()
    if not force and not _is_due(size, last):
        return None
    tiles = translog.TileReader(fetch_tile)
    if not _is_continued(actor, tiles=tiles, size=size, last=last):
        return None
    origin, root = conf.get().audit.origin, tiles.root(size)
    note = notes.sign_checkpoint(
        origin=origin, size=size, root=root, private_key=log_key.private_key()
    )
    return Checkpoint.objects.create(size=size, root=root.hex(), note=note)


def _is_due(size: int, last: Checkpoint | None) -> bool:
    """Return whether a checkpoint is due."""
    if last is None:
        return size > 0
    age = clock.now() - last.created_at
    return age >= timedelta(
        seconds=CHECKPOINT_INTERVAL_SECONDS
        if size != last.size
        else IDLE_CHECKPOINT_INTERVAL_SECONDS
    )


def _is_continued(
    actor: Actor, *, tiles: translog.TileReader, size: int, last: Checkpoint | None
) -> bool:
    """Return whether the log continues what was signed and published; if not, record an alarm."""
    try:
        published = _published_checkpoints.latest_checkpoint(vkey())
    except (notes.NoteError, OSError):
        # It may be signed by a former key: the verification reports that.
        published = None
    if published is not None and published.size > size:
        _record_alarm(actor, "log.rollback_detected", data={"size": published.size})
        return False
    try:
        intact = (last is None or _continues(tiles, size, last.size, last.root)) and (
            published is None or _continues(tiles, size, published.size, published.root.hex())
        )
        tiles.root(size)
    except translog.MissingTile:
        intact = False
    if not intact:
        _record_alarm(actor, "log.verification_failed", data={"finding": "tree_not_continued"})
    return intact


def _continues(tiles: translog.TileReader, size: int, old_size: int, old_root: str) -> bool:
    return old_size <= size and tiles.root(old_size).hex() == old_root


def _record_alarm(actor: Actor, kind: str, *, data: dict[str, object]) -> None:
    """Record an alarm, unless the same one was recorded within `ALARM_SECONDS`."""
    since = clock.now() - timedelta(seconds=ALARM_SECONDS)
    if not AuditEvent.objects.filter(type=kind, at__gte=since).exists():
        event_log.record(actor, kind, data=data)


@use_case(audited=False)
def _record_published(checkpoint: Checkpoint, *, folder: str) -> None:
    checkpoint.published_to = folder[:300]
    checkpoint.save(update_fields=["published_to"])


@contextmanager
def _session_lock() -> Iterator[None]:
    """Hold a MySQL lock around the whole transaction.

    Released inside the transaction, it would let others read the log before our commit.
    """
    if connection.vendor != "mysql":
        yield
        return
    # Lock names are global on the server, so the database's name is part of them.
    name = f"imagegen.seal.{connection.settings_dict['NAME']}"[:64]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, _LOCK_SECONDS])
        if not cursor.fetchone()[0]:
            raise SealerBusy("Another process has been sealing the log for a minute.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [name])


def _transaction_lock() -> None:
    """Take the lock that lets one transaction at a time write to the log."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        elif connection.vendor == "sqlite":
            # A write that changes nothing takes the database's write lock before we read, even
            # if the site does not use immediate transactions.
            name = AuditPending._meta.db_table  # noqa: SLF001 - Django's documented API
            table = connection.ops.quote_name(name)
            cursor.execute(f"DELETE FROM {table} WHERE 1 = 0")  # noqa: S608 - our own table's name
