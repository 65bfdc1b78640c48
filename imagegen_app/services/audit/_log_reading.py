"""Read the log in chunks of whole tiles: events, leaves, tiles and personal texts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.models import Min

from imagegen_app.core import events, translog
from imagegen_app.core.canonical import format_timestamp
from imagegen_app.models import (
    AuditEvent,
    AuditLeaf,
    AuditPersonalText,
    AuditTile,
)
from imagegen_app.services.foundation import event_log

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMNS: Final = (
    "uid",
    "at",
    "type",
    "severity",
    "actor_kind",
    "actor_id",
    "object_type",
    "object_id",
    "request_id",
)
#: The row of an event: its position, key and body, the columns, and its job and asset.
_ROW: Final = ("leaf__seq", "pk", "body", *_COLUMNS, "job_id", "asset_id")
_BODY, _FIRST_COLUMN = 2, 3
_AFTER_COLUMNS: Final = _FIRST_COLUMN + len(_COLUMNS)


class PersonalText(NamedTuple):
    """A personal text, stored outside the log, and the salt of its commitment."""

    salt: bytes
    value: str
    #: The person whose text it is, such as `person:42`; empty for the system, and once erased.
    subject: str
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs from an event's body, where the body is the one that was sealed."""

    columns: tuple[str, ...] = ()
    #: Names of the personal fields whose text does not match its commitment.
    texts: tuple[str, ...] = ()
    #: Names of the personal fields whose text is gone, although no erasure took it.
    missing_texts: tuple[str, ...] = ()
    #: Names of the personal fields that are stored as the text of another than the event's actor.
    misattributed_texts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.texts or self.missing_texts or self.misattributed_texts)


NO_DIFFERENCES: Final = Differences()


@dataclass(slots=True)
class LogEntry:
    """One position in the log with its three hashes: of the body, the leaf row and the tile."""

    seq: int
    event_id: int | None
    #: Type and time of the event, for people; empty unless something differs.
    title: str
    #: Hash of the body as it is now; empty where the event is missing.
    body_hash: bytes
    #: The leaf row's hash; None where the row is missing.
    leaf: bytes | None
    #: The hash in the tile; empty where the tile is missing or too short.
    tile: bytes
    differences: Differences = NO_DIFFERENCES
    #: Whether the body, though its hash agrees, is none that the application writes.
    is_unreadable: bool = False
    #: How many personal texts of the event are erased.
    erased: int = 0
    #: How many personal texts this event records as erased.
    recorded_erasures: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether the hashes of body and leaf agree, and that of the tile if there is one."""
        return bool(self.body_hash) and self.body_hash == self.leaf == (self.tile or self.leaf)


@dataclass(slots=True)
class Chunk:
    """A range of the log as it is stored: from `first` until before `last`."""

    first: int
    last: int
    #: Hash and event key by position.
    leaves: dict[int, tuple[bytes, int]]
    #: The event's row by position.
    rows: dict[int, tuple[Any, ...]]
    #: Personal texts by position and field.
    texts: dict[int, dict[str, PersonalText]]
    #: Level-0 tiles by index.
    tiles: dict[int, bytes]
    #: By index, tiles that are missing or too short, and the first position that each lacks.
    short_tiles: dict[int, int] = field(default_factory=dict)

    def entries(self) -> Iterator[LogEntry]:
        """Yield an entry for every position in order, missing ones included."""
        width, size, sha256 = translog.TILE_WIDTH, translog.HASH_BYTES, hashlib.sha256
        for seq in range(self.first, self.last):
            index, offset = divmod(seq, width)
            tile = self.tiles.get(index, b"")[offset * size : (offset + 1) * size]
            leaf, event_id = self.leaves.get(seq, (None, None))
            row = self.rows.get(seq)
            if row is None:
                yield LogEntry(seq, event_id, "", b"", leaf, tile)
                continue
            body_hash = sha256(b"\x00" + row[_BODY].encode()).digest()
            entry = LogEntry(seq, row[1], "", body_hash, leaf, tile)
            # Columns and texts can only be compared with the body that was sealed.
            if body_hash in (leaf, tile):
                try:
                    self._compare(entry, row)
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    # Whoever can change the body can change the leaf with it.
                    entry.is_unreadable = True
            if entry.differences or entry.is_unreadable or not entry.is_sound:
                entry.title = f"{row[5]}, {row[4]:%Y-%m-%d %H:%M:%S} UTC"
            yield entry

    def _compare(self, entry: LogEntry, row: tuple[Any, ...]) -> None:
        """Compare the event's columns and personal texts with its body."""
        body = json.loads(row[_BODY])
        columns = _changed_columns(body, row)
        commitments, texts = body["commitments"], self.texts.get(entry.seq, {})
        changed: tuple[str, ...] = ()
        missing: tuple[str, ...] = ()
        misattributed: tuple[str, ...] = ()
        if commitments or texts:
            person = event_log.person_of(body["actor"]["kind"], body["actor"]["id"])
            entry.erased = sum(text.is_erased for text in texts.values())
            missing = tuple(sorted(commitments.keys() - texts.keys()))
            changed = tuple(
                name
                for name, text in texts.items()
                if name not in commitments or not _is_original(text, commitments[name])
            )
            # The commitment does not bind it, but it follows from the actor, whom the body names.
            misattributed = tuple(
                name
                for name, text in texts.items()
                if text.subject != ("" if text.is_erased else person)
            )
        if columns or changed or missing or misattributed:
            entry.differences = Differences(columns, changed, missing, misattributed)
        if body["type"] == "privacy.erased":
            entry.recorded_erasures = int(body["data"].get("count", 0))


def read(first: int, last: int) -> Chunk:
    """Read the positions from `first` until before `last`."""
    in_range = {"leaf__seq__gte": first, "leaf__seq__lt": last}
    leaves = AuditLeaf.objects.filter(seq__gte=first, seq__lt=last)
    rows = AuditEvent.objects.filter(**in_range).values_list(*_ROW)
    texts: dict[int, dict[str, PersonalText]] = {}
    for seq, name, salt, value, person, erased_by in AuditPersonalText.objects.filter(
        event__leaf__seq__gte=first, event__leaf__seq__lt=last
    ).values_list("event__leaf__seq", "field", "salt", "value", "subject", "erased_by"):
        text = PersonalText(bytes(salt), value, person, is_erased=erased_by is not None)
        texts.setdefault(seq, {})[name] = text
    low, high = first // translog.TILE_WIDTH, (last - 1) // translog.TILE_WIDTH
    tiles = dict(
        AuditTile.objects.filter(level=0, index__gte=low, index__lte=high).values_list(
            "index", "data"
        )
    )
    chunk = Chunk(
        first=first,
        last=last,
        leaves={
            seq: (bytes(digest), event_id)
            for seq, digest, event_id in leaves.values_list("seq", "hash", "event_id")
        },
        rows={row[0]: row for row in rows},
        texts=texts,
        tiles={index: bytes(data) for index, data in tiles.items()},
    )
    for index in range(low, high + 1):
        width = min(translog.TILE_WIDTH, last - index * translog.TILE_WIDTH)
        stored = len(chunk.tiles.get(index, b"")) // translog.HASH_BYTES
        if stored < width:
            chunk.short_tiles[index] = max(first, index * translog.TILE_WIDTH + stored)
    return chunk


def next_seq(seq: int) -> int:
    """Return the first position from `seq` on that has a leaf, or `seq` if there is none."""
    first = AuditLeaf.objects.filter(seq__gte=seq).aggregate(first=Min("seq"))["first"]
    return seq if first is None else int(first)


def _changed_columns(body: dict[str, Any], row: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of the columns that differ from the body."""
    actor, about = body["actor"], body["object"]
    kind, key = ("", "") if about is None else (about["kind"], about["id"])
    sealed = (
        body["uid"],
        body["at"],
        body["type"],
        body["severity"],
        actor["kind"],
        actor["id"],
        kind,
        key,
        body["request_id"],
    )
    stored = (str(row[3]), format_timestamp(row[4]), *row[5:_AFTER_COLUMNS])
    changed = (
        [name for name, before, now in zip(_COLUMNS, sealed, stored, strict=True) if before != now]
        if sealed != stored
        else []
    )
    for index, name in enumerate(("job", "asset"), start=_AFTER_COLUMNS):
        # A body of version 1 holds the key of a job or asset only where that is the event's object.
        is_known = body["v"] > 1 or (kind == name and row[index] is not None)
        expected = body[name] if body["v"] > 1 else key
        if is_known and (None if row[index] is None else str(row[index])) != expected:
            changed.append(f"{name}_id")
    return tuple(changed)


def _is_original(text: PersonalText, commitment: dict[str, Any]) -> bool:
    if text.is_erased:
        return not (text.salt or text.value)
    try:
        return events.matches_commitment(text.value, salt=text.salt, commitment=commitment)
    except events.InvalidCommitment:
        # A salt of the wrong length was changed, too.
        return False
