"""Collect the roots that were signed: the stored checkpoints, and the copies outside of the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.core import log_keys, notes
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import Checkpoint, LogKeyHandover
from imagegen_app.services.audit import _published_checkpoints, log_key
from imagegen_app.services.gateways import checkpoint_places, publication_status

if TYPE_CHECKING:
    from imagegen_app.core.log_keys import KeyRing
    from imagegen_app.services.audit._log_findings import Findings


@dataclass(slots=True)
class SignedRoots:
    """The roots that were signed by a key of this log."""

    #: By size of the log; two for one size contradict each other.
    roots: dict[int, set[bytes]] = field(default_factory=dict)
    #: Stored checkpoints.
    checkpoints: int = 0
    #: Copies that were read outside of the database.
    copies: int = 0
    #: Places that could not be read, each with the reason.
    unreached: dict[str, str] = field(default_factory=dict)

    def add(self, checkpoint: notes.Checkpoint) -> None:
        """Add a valid checkpoint."""
        self.roots.setdefault(checkpoint.size, set()).add(checkpoint.root)


def collect(findings: Findings) -> SignedRoots:
    """Return the signed roots, and add a finding for each checkpoint that is none of this log.

    :raises KeyUnreadable: if the log's key cannot be read.
    """
    ring, found = log_key.ring(), SignedRoots()
    _check_handovers(ring, findings)
    rows = Checkpoint.objects.order_by("size", "pk").values_list("pk", "size", "root", "note")
    for key, size, root, note in rows.iterator(chunk_size=1000):
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
        if (checkpoint.size, checkpoint.root.hex()) != (size, root):
            findings.add(
                "checkpoint",
                gettext_noop("Checkpoint %(key)s: its columns differ from its note."),
                key=key,
            )
        found.add(checkpoint)
    places = checkpoint_places.readable(checkpoint_places.build_places())
    for name, place in places.items():
        try:
            copies = _published_checkpoints.read_all(ring, place)
        except checkpoint_places.PlaceFailed as error:
            found.unreached[name] = str(error)
            continue
        _add_copies(name, copies, found, findings)
    return found


def _check_handovers(ring: KeyRing, findings: Findings) -> None:
    """Add a finding for each stored handover that does not join the log's keys."""
    joined = {handover.note for handover in ring.handovers}
    for row in LogKeyHandover.objects.order_by("pk"):
        try:
            handover = log_keys.read_handover(row.note)
            is_sound = row.note in joined and (handover.old, handover.size) == (row.vkey, row.size)
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
    for checkpoint in copies.checkpoints.values():
        found.copies += 1
        found.add(checkpoint)
    recorded = publication_status.newest_copy(place)
    if recorded is None:
        return
    size = recorded.checkpoint.size
    # Older copies may be cleared away; whether the newer ones have its root is compared elsewhere.
    if not any(copy.size >= size for copy in copies.checkpoints.values()):
        findings.add(
            "published",
            gettext_noop(
                "The checkpoint of %(size)s events was published to “%(place)s” and is no longer "
                "there."
            ),
            size=size,
            place=place,
        )
