"""Find entries that stand in the log without having been entered by the sealer.

The triggers let anybody who may write to the database append, since the application must. So each
leaf has a receipt, which counts until a checkpoint is signed that covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core import notes
from imagegen_app.models import AuditLeaf, Checkpoint
from imagegen_app.services.foundation import event_receipts

if TYPE_CHECKING:
    from imagegen_app.core.log_keys import KeyRing


def find(*, since: int) -> list[int]:
    """Return the positions from `since` on whose leaf has no valid receipt."""
    rows = AuditLeaf.objects.filter(seq__gte=since).order_by("seq")
    return [
        seq
        for seq, digest, receipt in rows.values_list("seq", "hash", "receipt").iterator(
            chunk_size=1000
        )
        if not event_receipts.is_valid_leaf(seq, bytes(digest), receipt)
    ]


def signed_size(ring: KeyRing, size: int) -> int:
    """Return the largest size, up to `size`, that a key of the log signed; 0 if there is none."""
    rows = Checkpoint.objects.filter(size__lte=size).order_by("-size", "-pk")
    for note in rows.values_list("note", flat=True).iterator(chunk_size=100):
        try:
            signed = ring.verify_checkpoint(note).size
        except notes.NoteError:
            # Not signed by us: the verification reports it.
            continue
        if signed <= size:
            return signed
    return 0
