"""Seal the log: give committed events their positions, and sign its size and root hash."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from django.db.models import Max

from imagegen_app import conf
from imagegen_app.core import notes, translog
from imagegen_app.core.actors import System
from imagegen_app.core.failpoints import failpoint
from imagegen_app.models import (
    AuditEvent,
    AuditLeaf,
    AuditPending,
    AuditTile,
    Checkpoint,
)
from imagegen_app.services.audit import (
    _given_up,
    _published_checkpoints,
    _unreceipted_leaves,
    log_key,
)
from imagegen_app.services.audit._log_lock import SealerBusy as SealerBusy  # noqa: PLC0414 - handed on
from imagegen_app.services.audit._log_lock import session_lock, transaction_lock
from imagegen_app.services.foundation import clock, event_log, event_receipts
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor

MAX_EVENTS_PER_SEAL: Final = 5000
#: A log that grew is signed again after this time.
CHECKPOINT_INTERVAL_SECONDS: Final = 60
#: A log that did not grow is signed again after this time.
IDLE_CHECKPOINT_INTERVAL_SECONDS: Final = 3600
#: The same alarm is not recorded again within this time, since each one makes the log grow.
ALARM_SECONDS: Final = 3600

_BATCH: Final = 500
#: The event that tells of entries which the application did not write.
NO_RECEIPT: Final = "log.events_without_receipt"
#: Entries that one such event names, at most.
_NAMED: Final = 20


class LogDamaged(RuntimeError):
    """Leaves and tiles do not agree, so nothing can be sealed; the verification says where."""


def vkey() -> str:
    """Return the verifier key line (C2SP) of the key that signs this log, for auditors.

    :raises KeyUnreadable: if the key cannot be read.
    """
    return log_key.vkey()


def seal(limit: int = MAX_EVENTS_PER_SEAL) -> int:
    """Give up to `limit` waiting events the next positions in the log; return how many.

    :raises LogDamaged: if leaves and tiles do not agree.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    try:
        with session_lock():
            return _seal(limit)
    except translog.TreeError as error:
        raise LogDamaged(f"The log is damaged ({error}); verify it.") from None


def seal_all() -> int:
    """Seal all events that wait now; return how many.

    :raises LogDamaged: if leaves and tiles do not agree.
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
    """Sign the log's size and root hash; None if it is not due, or the log is damaged.

    With `force`, it is always due. A checkpoint records no event, or else every signature would
    make the log grow. A log that does not continue what was last signed or published is not
    signed: an alarm is recorded as an event.

    :raises KeyUnreadable: if the log's key cannot be read, or was replaced by another one.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    with session_lock():
        return _sign(actor, force=force)


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
    transaction_lock()
    waiting = _waiting(limit)
    if not waiting:
        return 0
    size = log_size()
    unreceipted = [
        size + index
        for index, event in enumerate(waiting)
        if not event_receipts.is_valid(event.body, event.receipt)
    ]
    if unreceipted:
        # Sealed with them, in the same transaction: nobody can remove the alarm before that.
        waiting += _record_unreceipted(unreceipted)
    _store(waiting, size=size)
    return len(waiting)


def _record_unreceipted(entries: list[int]) -> list[_Waiting]:
    """Record the alarm about entries without a valid receipt, and return it to be sealed."""
    data = {
        "count": len(entries),
        "entries": ", ".join(map(str, entries[:_NAMED])),
        "first": entries[0],
    }
    event_log.record(System("sealer"), NO_RECEIPT, data=data)
    return [_Waiting(event.pk, event.body) for event in event_log.write_now()]


class _Waiting(NamedTuple):
    event_id: int
    body: str
    receipt: str = ""


def _waiting(limit: int) -> list[_Waiting]:
    """Return events to seal, in the order of their ids."""
    rows = AuditPending.objects.order_by("event_id")
    return [
        _Waiting(*row) for row in rows.values_list("event_id", "event__body", "receipt")[:limit]
    ]


def _store(waiting: list[_Waiting], *, size: int) -> None:
    """Give events the positions from `size` on.

    :raises TreeError: if the tiles are not those of a log of this size.
    """
    index, width = divmod(size, translog.TILE_WIDTH)
    if len(fetch_tile(translog.TileId(0, index))) != width * translog.HASH_BYTES:
        raise translog.TreeError(f"the last tile is not that of a log of {size} entries")
    leaves = [translog.leaf_hash(event.body) for event in waiting]
    AuditLeaf.objects.bulk_create(
        [
            AuditLeaf(
                seq=seq,
                event_id=event.event_id,
                hash=leaf,
                receipt=event_receipts.leaf_receipt(seq, leaf),
            )
            for seq, (event, leaf) in enumerate(zip(waiting, leaves, strict=True), start=size)
        ],
        batch_size=_BATCH,
    )
    failpoint("seal.mid")
    _write_tiles(translog.grow_tiles(size=size, leaves=leaves, fetch=fetch_tile))
    # By id, not by range: an event with a lower id may have been committed meanwhile.
    for start in range(0, len(waiting), _BATCH):
        ids = [event.event_id for event in waiting[start : start + _BATCH]]
        AuditPending.objects.filter(event_id__in=ids).delete()


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
    transaction_lock()
    size = log_size()
    last = Checkpoint.objects.order_by("-size", "-pk").first()
    if not force and not _is_due(size, last):
        return None
    tiles = translog.TileReader(fetch_tile)
    origin = conf.get().audit.origin
    try:
        signed = (
            [] if last is None else [notes.Checkpoint(origin, last.size, bytes.fromhex(last.root))]
        )
    except ValueError:
        _record_alarm(actor, "log.verification_failed", data={"finding": "checkpoint"})
        return None
    # Only what is quickly read; the other places are compared when something is published.
    ring = log_key.ring()
    published = _published_checkpoints.newest_in_folders(ring, given_up=_given_up.checkpoints())
    if not is_continued(actor, tiles=tiles, size=size, earlier=[*signed, *published]):
        return None
    # Once signed, nothing tells an entry that somebody entered past the sealer from the others.
    if forged := _unreceipted_leaves.find(since=_unreceipted_leaves.signed_size(ring, size)):
        _store(_record_unreceipted(forged), size=size)
        size, tiles = log_size(), translog.TileReader(fetch_tile)
    root, now = tiles.root(size), clock.now()
    note = notes.sign_checkpoint(
        origin=origin, size=size, root=root, private_key=log_key.signing_key(), at=now
    )
    return Checkpoint.objects.create(size=size, root=root.hex(), note=note, created_at=now)


def _is_due(size: int, last: Checkpoint | None) -> bool:
    """Return whether a checkpoint is due."""
    if last is None:
        return size > 0
    age = clock.now() - last.created_at
    interval = (
        CHECKPOINT_INTERVAL_SECONDS if size != last.size else IDLE_CHECKPOINT_INTERVAL_SECONDS
    )
    # One from the future must not keep the log from being signed until then.
    return abs(age) >= timedelta(seconds=interval)


def is_continued(
    actor: Actor,
    *,
    tiles: translog.TileReader,
    size: int,
    earlier: Iterable[notes.Checkpoint],
) -> bool:
    """Return whether the log continues earlier checkpoints; if not, record an alarm.

    To be called inside of a use case.
    """
    for checkpoint in earlier:
        if checkpoint.size > size:
            _record_alarm(actor, "log.rollback_detected", data={"size": checkpoint.size})
            return False
    try:
        intact = all(tiles.root(entry.size) == entry.root for entry in earlier)
        tiles.root(size)
    except translog.MissingTile:
        intact = False
    if not intact:
        _record_alarm(actor, "log.verification_failed", data={"finding": "tree_not_continued"})
    return intact


def _record_alarm(actor: Actor, kind: str, *, data: dict[str, object]) -> None:
    """Record an alarm, unless the same one was recorded within `ALARM_SECONDS`."""
    since = clock.now() - timedelta(seconds=ALARM_SECONDS)
    if not AuditEvent.objects.filter(type=kind, at__gte=since).exists():
        event_log.record(actor, kind, data=data)
