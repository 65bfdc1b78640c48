"""Verify the log: read everything again, and report what is not as it was sealed.

Three records of each event are compared: its body, its leaf and its tile. One that differs is
named. If all three were changed alike, the signed checkpoints show it, and between which positions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.core import log_restores, translog
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import AuditPending, AuditTile
from imagegen_app.services.audit import (
    _continuation,
    _given_up,
    _log_reading,
    _lost_records,
    _signed_roots,
    _unreceipted_events,
    sealing,
)
from imagegen_app.services.audit._log_findings import Findings
from imagegen_app.services.gateways import publication_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagegen_app.core.log_restores import AcceptedRestore
    from imagegen_app.services.audit._log_findings import Finding, Kind
    from imagegen_app.services.audit._log_reading import LogEntry
    from imagegen_app.services.audit._published_checkpoints import GivenUp

#: Events read at once; whole tiles.
CHUNK: Final = 16 * translog.TILE_WIDTH


class NoSuchCheckpoint(ValueError):
    """The log has no valid checkpoint of this size to start from."""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of a verification."""

    ok: bool
    #: Sealed events.
    size: int
    #: Root hash of the sealed events, in hexadecimal.
    root: str
    #: Checkpoints whose signature and root were compared.
    checkpoints: int
    #: Copies outside of the database whose signature and root were compared.
    copies: int
    #: Places whose copies could not be read, each with the reason; no finding.
    unreached: Mapping[str, str]
    #: The restores of the log that were accepted: each is a warning for ever, and no finding.
    restores: Sequence[AcceptedRestore]
    #: Copies that were given up by that; they count for nothing.
    given_up: int
    #: Whether the log does not continue some of its copies, as after a backup was restored.
    is_behind_copies: bool
    #: Events that are not sealed yet.
    unsealed: int
    findings: tuple[Finding, ...]
    #: All findings, including those beyond the listed ones.
    finding_count: int
    #: Personal texts that are erased, which is not a finding.
    erased: int
    #: Personal texts that erasure events in the log account for.
    erased_recorded: int
    seconds: float

    @property
    def first(self) -> Finding | None:
        """The finding at the lowest position in the log; if none has a position, the first one."""
        placed = [finding for finding in self.findings if finding.seq is not None]
        if placed:
            return min(placed, key=lambda finding: finding.seq or 0)
        return self.findings[0] if self.findings else None

    @property
    def remedy(self) -> str:
        """What to do if the log was restored from a backup; empty if nothing speaks for that."""
        return publication_status.restore_remedy() if self.is_behind_copies else ""

    @property
    def restore_warnings(self) -> list[str]:
        """What was lost by the restores that were accepted, in the reader's language."""
        return [publication_status.restore_warning(one) for one in self.restores]


def verify(
    *,
    since: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    given_up: GivenUp = frozenset(),
) -> VerificationReport:
    """Read the whole log and compare it with itself and with what was signed and published.

    With `since`, the size of a valid checkpoint, the events that it covers are trusted and not
    read. `progress` gets the number of events read so far and the size of the log. Published
    checkpoints that are `given_up`, beside those that were given up before, are not compared.

    :raises NoSuchCheckpoint: if there is none of that size.
    :raises KeyUnreadable: if the log's key cannot be read.
    """
    started = time.perf_counter()
    findings = Findings()
    # Checkpoints and tiles are read before the size: the log may grow meanwhile, never shrink.
    restores = _given_up.accepted_restores()
    given_up |= log_restores.all_given_up(restores)
    signed = _signed_roots.collect(findings, given_up=given_up)
    roots = signed.roots
    tiled = _tiled_size()
    size = sealing.log_size()
    begin = translog.Frontier() if since is None else _trusted(since, roots, findings)
    walk = _Walk(findings, roots=roots, frontier=begin)
    walk.run(size, progress=progress)
    if tiled > size:
        findings.add_gap(size, tiled, at_end=True)
    if roots and max(roots) > size:
        findings.add(
            "rollback",
            gettext_noop("A checkpoint of %(signed)s events is signed, but the log has %(size)s."),
            signed=max(roots),
            size=size,
        )
    _lost_records.find_events_without_position(findings)
    _lost_records.compare_erasures(findings)
    signed_size = max((entry for entry in roots if entry <= size), default=0)
    _unreceipted_events.find(findings, unsigned_from=signed_size)
    return VerificationReport(
        ok=not findings.count,
        size=size,
        root=walk.frontier.root().hex(),
        checkpoints=signed.checkpoints,
        copies=signed.copies,
        unreached=signed.unreached,
        restores=restores,
        given_up=signed.given_up,
        is_behind_copies=bool(findings.count) and _continuation.is_behind(signed.copied),
        unsealed=AuditPending.objects.count(),
        findings=tuple(findings.named),
        finding_count=findings.count,
        erased=walk.erased,
        erased_recorded=walk.erased_recorded,
        seconds=time.perf_counter() - started,
    )


def _tiled_size() -> int:
    """Return how many leaves the tiles hold."""
    last = AuditTile.objects.filter(level=0).order_by("-index").first()
    if last is None:
        return 0
    return last.index * translog.TILE_WIDTH + len(last.data) // translog.HASH_BYTES


def _trusted(size: int, roots: dict[int, set[bytes]], findings: Findings) -> translog.Frontier:
    """Return the tree at a checkpoint, read from the tiles; an empty tree if they differ from it.

    :raises NoSuchCheckpoint: if there is none of that size.
    """
    if size not in roots:
        raise NoSuchCheckpoint(f"The log has no valid checkpoint of {size} events.")
    tiles, stack, start = translog.TileReader(sealing.fetch_tile), [], 0
    try:
        for bit in reversed(range(size.bit_length())):
            if size >> bit & 1:
                stack.append(tiles.span(start, start + (1 << bit)))
                start += 1 << bit
    except translog.MissingTile:
        stack = []
    frontier = translog.Frontier(size, tuple(stack)) if stack or not size else None
    if frontier is None or roots[size] != {frontier.root()}:
        findings.add(
            "tile_mismatch",
            gettext_noop("The tiles do not give the signed root of %(size)s events."),
            size=size,
        )
        return translog.Frontier()
    return frontier


class _Walk:
    """Read the log from a trusted tree to its end, and collect findings on the way."""

    def __init__(
        self,
        findings: Findings,
        *,
        roots: dict[int, set[bytes]],
        frontier: translog.Frontier,
    ) -> None:
        self.findings = findings
        self.roots = roots
        self.frontier = frontier
        self.erased = 0
        self.erased_recorded = 0
        #: The last size at which the root was the signed one.
        self._verified_size = frontier.size
        #: Whether a root has differed: then all later ones differ, too.
        self._has_differed = False
        self._partial: dict[translog.TileId, bytes] = {}

    def run(self, size: int, *, progress: Callable[[int, int], None] | None) -> None:
        """Read the events up to this size."""
        self._compare_root()
        while self.frontier.size < size:
            first = self.frontier.size
            # Chunks end where tiles end, so that only the very last tile is partial.
            last = min(size, (first // CHUNK + 1) * CHUNK)
            chunk = _log_reading.read(first, last)
            if not chunk.leaves:
                later = _log_reading.next_seq(last)
                self.findings.add_gap(first, later)
                return
            self._check(chunk, is_end=last == size)
            if progress is not None:
                progress(last, size)

    def _check(self, chunk: _log_reading.Chunk, *, is_end: bool) -> None:
        for index, lacking in chunk.short_tiles.items():
            self.findings.add(
                "tile_mismatch",
                gettext_noop("Tile %(index)s of level %(level)s is missing or too short."),
                seq=lacking,
                index=index,
                level=0,
            )
        hashes: list[bytes] = []
        missing_from: int | None = None
        for entry in chunk.entries():
            if entry.leaf is None:
                missing_from = entry.seq if missing_from is None else missing_from
            elif missing_from is not None:
                self.findings.add_gap(missing_from, entry.seq)
                missing_from = None
            if entry.is_sound:
                hashes.append(entry.body_hash)
            else:
                hashes.append(self._add_difference(entry))
            self.erased += entry.erased
            self.erased_recorded += entry.recorded_erasures
            if entry.is_unreadable:
                template = gettext_noop(
                    "Entry %(entry)s (event %(event)s, %(title)s): its body is none that the "
                    "application writes."
                )
                self._add("changed_body", entry, template)
            if entry.differences:
                self._add_changed_parts(entry)
        if missing_from is not None:
            self.findings.add_gap(missing_from, chunk.last)
        self._grow(hashes, is_end=is_end)

    def _add_difference(self, entry: LogEntry) -> bytes:
        """Add a finding for what differs, and return the hash that most likely was sealed."""
        body, leaf, tile = entry.body_hash, entry.leaf, entry.tile
        if leaf is None:
            return tile or body or bytes(translog.HASH_BYTES)
        if not body:
            template = gettext_noop("Entry %(entry)s (event %(event)s): the event was deleted.")
            self._add("deleted_event", entry, template)
            return tile or leaf
        if leaf == tile or (not tile and leaf != body):
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its body is not the one that was "
                "sealed."
            )
            self._add("changed_body", entry, template)
            return leaf
        if body == tile:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its leaf is not the one that was "
                "sealed."
            )
            self._add("changed_leaf", entry, template)
            return body
        if body == leaf:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its body and its leaf differ from "
                "its tile: either the tile or both "
                "were changed."
            )
            self._add("tile_mismatch", entry, template)
            return body
        template = gettext_noop(
            "Entry %(entry)s (event %(event)s, %(title)s): its body, its leaf and its tile all "
            "differ."
        )
        self._add("changed_body", entry, template)
        return tile

    def _add_changed_parts(self, entry: LogEntry) -> None:
        for column in entry.differences.columns:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its column %(name)s differs from "
                "its body."
            )
            self._add("changed_column", entry, template, name=column)
        for name in entry.differences.texts:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its personal text (%(name)s) is "
                "not the original."
            )
            self._add("changed_text", entry, template, name=name)
        for name in entry.differences.missing_texts:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its personal text (%(name)s) is "
                "gone, and no erasure took it."
            )
            self._add("missing_text", entry, template, name=name)
        for name in entry.differences.misattributed_texts:
            template = gettext_noop(
                "Entry %(entry)s (event %(event)s, %(title)s): its personal text (%(name)s) is "
                "stored as that of another person."
            )
            self._add("changed_text", entry, template, name=name)

    def _add(self, kind: Kind, entry: LogEntry, template: str, **values: object) -> None:
        self.findings.add(
            kind,
            template,
            seq=entry.seq,
            event_id=entry.event_id,
            entry=entry.seq,
            event=entry.event_id,
            title=entry.title,
            **values,
        )

    def _grow(self, hashes: Sequence[bytes], *, is_end: bool) -> None:
        """Append to the tree; compare its upper tiles, and its root wherever one was signed."""
        first = self.frontier.size
        grown = translog.grow_tiles(size=first, leaves=hashes, fetch=self._fetch_partial)
        for tile, data in grown.items():
            is_full = len(data) == translog.TILE_WIDTH * translog.HASH_BYTES
            # Level 0 was compared event by event; a partial tile is compared once it is complete.
            if tile.level and (is_full or is_end):
                self._compare_tile(tile, data)
        full = translog.TILE_WIDTH * translog.HASH_BYTES
        self._partial |= grown
        self._partial = {tile: data for tile, data in self._partial.items() if len(data) < full}
        end, done = first + len(hashes), 0
        for size in sorted(size for size in self.roots if first < size <= end):
            self.frontier.extend(hashes[done : size - first])
            done = size - first
            self._compare_root()
        self.frontier.extend(hashes[done:])

    def _fetch_partial(self, tile: translog.TileId) -> bytes:
        return self._partial.get(tile) or sealing.fetch_tile(tile)

    def _compare_tile(self, tile: translog.TileId, data: bytes) -> None:
        if not sealing.fetch_tile(tile).startswith(data):
            self.findings.add(
                "tile_mismatch",
                gettext_noop("Tile %(index)s of level %(level)s differs from the events below it."),
                index=tile.index,
                level=tile.level,
            )

    def _compare_root(self) -> None:
        """Compare the root with the one signed at this size; report the first difference only."""
        size = self.frontier.size
        signed = self.roots.get(size)
        if signed is None or self._has_differed:
            return
        if signed == {self.frontier.root()}:
            self._verified_size = size
            return
        self._has_differed = True
        if size == self._verified_size:
            template = gettext_noop("The signed root of %(size)s events differs.")
        elif size - self._verified_size == 1:
            template = gettext_noop(
                "The signed root of %(size)s events differs: entry %(first)s was changed, together "
                "with its leaf and its tile."
            )
        else:
            template = gettext_noop(
                "The signed root of %(size)s events differs: something in entries %(first)s to "
                "%(last)s was changed, together with its leaf and its tile."
            )
        self.findings.add(
            "checkpoint", template, size=size, first=self._verified_size, last=size - 1
        )
