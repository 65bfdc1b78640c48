"""Collect the roots that were signed: the stored checkpoints, and the copies outside of the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from imagegen_app.core import log_keys, notes
from imagegen_app.core.canonical import format_timestamp
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import Checkpoint, CheckpointCopy, LogKeyHandover
from imagegen_app.services.audit import _published_checkpoints, log_key
from imagegen_app.services.gateways import checkpoint_places

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.core.log_keys import KeyRing
    from imagegen_app.services.audit._log_findings import Findings
    from imagegen_app.services.audit._published_checkpoints import GivenUp

#: A clock may be put back between signing and publishing.
_MAX_CLOCK_STEP: Final = timedelta(hours=1)


@dataclass(slots=True)
class SignedRoots:
    """The roots that were signed by a key of this log."""

    #: By size of the log; two for one size contradict each other.
    roots: dict[int, set[bytes]] = field(default_factory=dict)
    #: Stored checkpoints.
    checkpoints: int = 0
    #: Copies that were read outside of the database; without those that were given up.
    copies: int = 0
    #: Copies that were given up when a restore of the log was accepted; they are not compared.
    given_up: int = 0
    #: The checkpoints of the copies: size and root.
    copied: set[tuple[int, bytes]] = field(default_factory=set)
    #: Places that could not be read, each with the reason.
    unreached: dict[str, str] = field(default_factory=dict)

    def add(self, checkpoint: notes.Checkpoint) -> None:
        """Add a valid checkpoint."""
        self.roots.setdefault(checkpoint.size, set()).add(checkpoint.root)


class _Recorded(NamedTuple):
    """A copy, as the site recorded it."""

    size: int
    signed_at: datetime
    published_at: datetime


def collect(findings: Findings, *, given_up: GivenUp) -> SignedRoots:
    """Return the signed roots, and add a finding for each checkpoint that is none of this log.

    Copies that are `given_up` are only counted: they are of a branch that the log does not continue.

    :raises KeyUnreadable: if the log's key cannot be read.
    """
    ring, found = log_key.ring(), SignedRoots()
    _check_handovers(ring, findings)
    columns = ("pk", "size", "root", "created_at", "note")
    rows = Checkpoint.objects.order_by("size", "pk").values_list(*columns)
    for key, size, root, at, note in rows.iterator(chunk_size=1000):
        found.checkpoints += 1
        try:
            checkpoint = ring.verify_checkpoint(note)
        except notes.NoteError as error:
            findings.add(
                "checkpoint",
                gettext_noop("Checkpoint %(key)s of %(size)s events: %(error)s."),
                key=key,
                size=size,
                error=error,
            )
            continue
        is_same = (checkpoint.size, checkpoint.root.hex()) == (size, root)
        if not is_same or not _is_time(at, checkpoint.signed_at):
            findings.add(
                "checkpoint",
                gettext_noop("Checkpoint %(key)s: its columns differ from its note."),
                key=key,
            )
        found.add(checkpoint)
    places = checkpoint_places.readable(checkpoint_places.build_places())
    for name, place in places.items():
        # Before the copies: what is published meanwhile is there before it is recorded.
        recorded = _recorded_copies(name)
        try:
            copies = _published_checkpoints.read_all(ring, place, given_up=given_up)
        except checkpoint_places.PlaceFailed as error:
            found.unreached[name] = str(error)
            continue
        _add_copies(name, copies, found, findings)
        _compare_recorded(name, recorded, copies, findings)
    return found


def _recorded_copies(place: str) -> list[_Recorded]:
    """Return what the site recorded as published to a place."""
    columns = ("checkpoint__size", "checkpoint__created_at", "published_at")
    rows = CheckpointCopy.objects.filter(place=place).order_by("pk").values_list(*columns)
    return [_Recorded(*row) for row in rows.iterator(chunk_size=1000)]


def _is_time(column: datetime, signed: str) -> bool:
    """Return whether a column has the time that was signed; notes of older versions name none."""
    return not signed or format_timestamp(column) == signed


def _check_handovers(ring: KeyRing, findings: Findings) -> None:
    """Add a finding for each stored handover that does not join the log's keys."""
    joined = {handover.note for handover in ring.handovers}
    for row in LogKeyHandover.objects.order_by("pk"):
        try:
            handover = log_keys.read_handover(row.note)
            is_sound = row.note in joined and (handover.old, handover.size) == (row.vkey, row.size)
            is_sound = is_sound and _is_time(row.retired_at, handover.at)
        except notes.NoteError:
            is_sound = False
        if not is_sound:
            findings.add(
                "checkpoint",
                gettext_noop(
                    "The record of the log's retired key %(key)s is not as it was signed."
                ),
                key=row.vkey,
            )


def _add_copies(
    place: str, copies: _published_checkpoints.Copies, found: SignedRoots, findings: Findings
) -> None:
    for file, error in copies.invalid.items():
        findings.add(
            "published",
            gettext_noop("The copy %(file)s in “%(place)s” cannot be trusted: %(error)s."),
            file=file,
            place=place,
            error=error,
        )
    found.given_up += len(copies.given_up)
    for checkpoint in copies.checkpoints.values():
        found.copies += 1
        found.copied.add((checkpoint.size, checkpoint.root))
        found.add(checkpoint)


def _compare_recorded(
    place: str, recorded: list[_Recorded], copies: _published_checkpoints.Copies, findings: Findings
) -> None:
    """Compare what the site recorded as published to a place with what is there."""
    # Older copies may be cleared away; whether the newer ones have their roots is compared elsewhere.
    newest = max((one.size for one in recorded), default=0)
    if recorded and not any(one.size >= newest for one in copies.checkpoints.values()):
        findings.add(
            "published",
            gettext_noop(
                "The checkpoint of %(size)s events was published to “%(place)s” and is no longer "
                "there."
            ),
            size=newest,
            place=place,
        )
    for one in recorded:
        if one.signed_at - one.published_at > _MAX_CLOCK_STEP:
            findings.add(
                "published",
                gettext_noop(
                    "The checkpoint of %(size)s events is recorded as published to “%(place)s” "
                    "before it was signed."
                ),
                size=one.size,
                place=place,
            )
