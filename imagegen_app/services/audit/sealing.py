"""Give committed events their place in the log, and sign what the log has become."""

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
#: A log that grew is signed again after this time,
CHECKPOINT_INTERVAL_SECONDS: Final = 60
#: and one that did not after this.
IDLE_CHECKPOINT_INTERVAL_SECONDS: Final = 3600
#: The same alarm is not raised again within this time: it makes the log grow itself.
ALARM_SECONDS: Final = 3600

#: One lock for all writers of leaves, tiles and checkpoints; any number that nobody else uses.
_LOCK_NUMBER: Final = 0x696D_6167_6567_656E
_LOCK_SECONDS: Final = 60
_BATCH: Final = 500


class SealerBusy(RuntimeError):
    """Another process has been sealing the log for longer than we wait."""


def vkey() -> str:
    """Return the line that tells an auditor which key signs this log.

    :raises KeyUnreadable: if the key cannot be read.
    """
    return log_key.vkey()


def seal(limit: int = MAX_EVENTS_PER_SEAL) -> int:
    """Give waiting events the next places in the log; return how many.

    :raises SealerBusy: if another process seals and does not end.
    """
    with _session_lock():
        return _seal(limit)


def seal_all() -> int:
    """Seal until no event waits; return how many got their places.

    :raises SealerBusy: if another process seals and does not end.
    """
    total = 0
    while sealed := seal():
        total += sealed
        # A full round may have left some; whoever appends meanwhile is not waited for.
        if sealed < MAX_EVENTS_PER_SEAL:
            break
    return total


def make_checkpoint(actor: Actor, *, force: bool = False) -> Checkpoint | None:
    """Sign the log's size and root where it is time to, and publish the statement.

    A checkpoint leaves no event: the log would grow by being signed, and never rest. A tree that
    does not continue what was signed or published last is not signed, but raises an alarm.

    :raises KeyUnreadable: if the log's key cannot be read.
    :raises SealerBusy: if another process seals and does not end.
    """
    with _session_lock():
        made = _sign(actor, force=force)
    if made is None:
        return None
    place = _published_checkpoints.publish(made.note, size=made.size)
    if place:
        _record_published(made, place=place)
    return made


def log_size() -> int:
    """Return how many events are sealed."""
    last = AuditLeaf.objects.aggregate(last=Max("seq"))["last"]
    return 0 if last is None else int(last) + 1


def fetch_tile(tile: translog.TileId) -> bytes:
    """Return a stored tile's hashes; nothing where there is no such tile."""
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
            AuditLeaf(seq=size + place, event_id=event_id, hash=leaves[place])
            for place, (event_id, _body) in enumerate(waiting)
        ],
        batch_size=_BATCH,
    )
    failpoint("seal.mid")
    _write_tiles(translog.grow_tiles(size=size, leaves=leaves, fetch=fetch_tile))
    # By name, not by range: an event with a lower id may have been committed meanwhile.
    for start in range(0, len(waiting), _BATCH):
        ids = [event_id for event_id, _body in waiting[start : start + _BATCH]]
        AuditPending.objects.filter(event_id__in=ids).delete()
    return len(waiting)


def _write_tiles(tiles: dict[translog.TileId, bytes]) -> None:
    """Write tiles; the right edge exists already, the others do not."""
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
    if not force and not _is_time(size, last):
        return None
    tiles = translog.TileReader(fetch_tile)
    if _alarmed(actor, tiles=tiles, size=size, last=last):
        return None
    origin, root = conf.get().audit.origin, tiles.root(size)
    note = notes.sign_checkpoint(
        origin=origin, size=size, root=root, private_key=log_key.private_key()
    )
    return Checkpoint.objects.create(size=size, root=root.hex(), note=note)


def _is_time(size: int, last: Checkpoint | None) -> bool:
    """Return whether a checkpoint is due."""
    if last is None:
        return size > 0
    age = clock.now() - last.created_at
    return age >= timedelta(
        seconds=CHECKPOINT_INTERVAL_SECONDS
        if size != last.size
        else IDLE_CHECKPOINT_INTERVAL_SECONDS
    )


def _alarmed(
    actor: Actor, *, tiles: translog.TileReader, size: int, last: Checkpoint | None
) -> bool:
    """Say, with an event, that the tree does not continue what was signed or published."""
    try:
        shown = _published_checkpoints.latest_checkpoint(vkey())
    except (notes.NoteError, OSError):
        # What is published may be of a former key: the verifier speaks about it.
        shown = None
    if shown is not None and shown.size > size:
        _alarm(actor, "log.rollback_detected", data={"size": shown.size})
        return True
    try:
        intact = (last is None or _continues(tiles, size, last.size, last.root)) and (
            shown is None or _continues(tiles, size, shown.size, shown.root.hex())
        )
        tiles.root(size)
    except translog.MissingTile:
        intact = False
    if not intact:
        _alarm(actor, "log.verification_failed", data={"finding": "tree_not_continued"})
    return not intact


def _continues(tiles: translog.TileReader, size: int, old_size: int, old_root: str) -> bool:
    return old_size <= size and tiles.root(old_size).hex() == old_root


def _alarm(actor: Actor, kind: str, *, data: dict[str, object]) -> None:
    """Record an alarm, unless it was recorded lately."""
    since = clock.now() - timedelta(seconds=ALARM_SECONDS)
    if not AuditEvent.objects.filter(type=kind, at__gte=since).exists():
        event_log.record(actor, kind, data=data)


@use_case(audited=False)
def _record_published(checkpoint: Checkpoint, *, place: str) -> None:
    checkpoint.published_to = place[:300]
    checkpoint.save(update_fields=["published_to"])


@contextmanager
def _session_lock() -> Iterator[None]:
    """Hold MySQL's lock around the transaction: within it, others would see the log before us."""
    if connection.vendor != "mysql":
        yield
        return
    # Its names count for the whole server, so each database has its own.
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
    """Let one transaction at a time write to the log."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
        elif connection.vendor == "sqlite":
            # A write that changes nothing takes the one write lock before we read, also where
            # the site did not choose immediate transactions.
            table = connection.ops.quote_name(AuditPending._meta.db_table)  # noqa: SLF001 - Django's documented API
            cursor.execute(f"DELETE FROM {table} WHERE 1 = 0")  # noqa: S608 - our own table's name
