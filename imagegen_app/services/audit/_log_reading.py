"""Read the log in chunks of whole tiles: events, leaves, tiles and the texts beside them."""

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
#: The row of an event: its place, key and body, the columns, and what it belongs to.
_ROW: Final = ("leaf__seq", "pk", "body", *_COLUMNS, "job_id", "asset_id")
_BODY, _FIRST_COLUMN = 2, 3
_AFTER_COLUMNS: Final = _FIRST_COLUMN + len(_COLUMNS)


class PersonalText(NamedTuple):
    """A personal text beside the log, and the salt of its commitment."""

    salt: bytes
    value: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What of an event differs from its sound body."""

    columns: tuple[str, ...] = ()
    #: Names of the personal fields whose text is not what was committed to.
    texts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.texts)


NO_DIFFERENCES: Final = Differences()


@dataclass(slots=True)
class LogEntry:
    """One position in the log with its three hashes: of the body, of the leaf row and of the tile."""

    seq: int
    event_id: int | None
    #: Type and time, for people.
    title: str
    #: Hash of the body as it is now; empty where the event is gone.
    body_hash: bytes
    #: The leaf row's hash; None where the row is gone.
    leaf: bytes | None
    #: The tile's hash; empty where the tile is too short.
    tile: bytes
    differences: Differences = NO_DIFFERENCES
    #: Personal texts that are gone.
    erased: int = 0
    #: Personal texts whose erasure this event tells of.
    erasures: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether body and leaf agree, and the tile where there is one."""
        return bool(self.body_hash) and self.body_hash == self.leaf == (self.tile or self.leaf)


@dataclass(slots=True)
class Chunk:
    """A span of the log as it is stored."""

    first: int
    last: int
    #: Hash and event by place.
    leaves: dict[int, tuple[bytes, int]]
    #: The event's row by place.
    rows: dict[int, tuple[Any, ...]]
    #: Personal texts by place and field.
    secrets: dict[int, dict[str, PersonalText]]
    #: Level-0 tiles by index.
    tiles: dict[int, bytes]
    #: Tiles that are absent or too short, each with the first place that it lacks.
    short_tiles: dict[int, int] = field(default_factory=dict)

    def entries(self) -> Iterator[LogEntry]:
        """Give every place in order, gaps too."""
        width, size, sha256 = translog.TILE_WIDTH, translog.HASH_BYTES, hashlib.sha256
        for seq in range(self.first, self.last):
            index, offset = divmod(seq, width)
            tile = self.tiles.get(index, b"")[offset * size : (offset + 1) * size]
            leaf, event_id = self.leaves.get(seq, (None, None))
            row = self.rows.get(seq)
            if row is None:
                yield LogEntry(seq, event_id, "", b"", leaf, tile)
                continue
            found = sha256(b"\x00" + row[_BODY].encode()).digest()
            entry = LogEntry(seq, row[1], "", found, leaf, tile)
            # A body that is not the sealed one is no measure for anything else.
            if found in (leaf, tile):
                self._compare(entry, row)
            if entry.differences or not entry.is_sound:
                entry.title = f"{row[5]}, {row[4]:%Y-%m-%d %H:%M:%S} UTC"
            yield entry

    def _compare(self, entry: LogEntry, row: tuple[Any, ...]) -> None:
        """Compare the columns and the texts beside the log with the body."""
        body = json.loads(row[_BODY])
        columns = _changed_columns(body, row)
        promised, texts = body["commitments"], self.secrets.get(entry.seq, {})
        if promised or texts:
            entry.erased = len(promised.keys() - texts.keys())
            changed = tuple(
                name
                for name, text in texts.items()
                if name not in promised or not _is_original(text, promised[name])
            )
        else:
            changed = ()
        if columns or changed:
            entry.differences = Differences(columns, changed)
        if body["type"] == "privacy.erased":
            entry.erasures = int(body["data"].get("count", 0))


def read(first: int, last: int) -> Chunk:
    """Read the places from the first until before the last."""
    span = {"leaf__seq__gte": first, "leaf__seq__lt": last}
    leaves = AuditLeaf.objects.filter(seq__gte=first, seq__lt=last)
    rows = AuditEvent.objects.filter(**span).values_list(*_ROW)
    texts: dict[int, dict[str, PersonalText]] = {}
    for seq, name, salt, value in AuditPersonalText.objects.filter(
        event__leaf__seq__gte=first, event__leaf__seq__lt=last
    ).values_list("event__leaf__seq", "field", "salt", "value"):
        texts.setdefault(seq, {})[name] = PersonalText(bytes(salt), value)
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
        secrets=texts,
        tiles={index: bytes(data) for index, data in tiles.items()},
    )
    for index in range(low, high + 1):
        width = min(translog.TILE_WIDTH, last - index * translog.TILE_WIDTH)
        held = len(chunk.tiles.get(index, b"")) // translog.HASH_BYTES
        if held < width:
            chunk.short_tiles[index] = max(first, index * translog.TILE_WIDTH + held)
    return chunk


def next_seq(seq: int) -> int:
    """Return the next place from here that is taken, or this one if none is."""
    found = AuditLeaf.objects.filter(seq__gte=seq).aggregate(first=Min("seq"))["first"]
    return seq if found is None else int(found)


def _changed_columns(body: dict[str, Any], row: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of the columns that differ from the body."""
    actor, about = body["actor"], body["object"]
    kind, key = ("", "") if about is None else (about["kind"], about["id"])
    told = (
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
        [name for name, before, now in zip(_COLUMNS, told, stored, strict=True) if before != now]
        if told != stored
        else []
    )
    # The body names the job or image only where it is about that one.
    for place, name in enumerate(("job", "asset"), start=_AFTER_COLUMNS):
        if kind == name and row[place] is not None and str(row[place]) != key:
            changed.append(f"{name}_id")
    return tuple(changed)


def _is_original(text: PersonalText, commitment: dict[str, Any]) -> bool:
    try:
        return events.matches_commitment(text.value, salt=text.salt, commitment=commitment)
    except events.InvalidCommitment:
        # A salt that was cut short is no original either.
        return False
