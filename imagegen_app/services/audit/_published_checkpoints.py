"""Read the copies of checkpoints that stand in places outside of the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.core import notes
from imagegen_app.services.gateways import checkpoint_places

if TYPE_CHECKING:
    from imagegen_app.core.log_keys import KeyRing
    from imagegen_app.services.gateways.checkpoint_places import ReadablePlace


@dataclass(slots=True)
class Copies:
    """What one place has."""

    #: Valid checkpoints by the names of their files.
    checkpoints: dict[str, notes.Checkpoint] = field(default_factory=dict)
    #: Why others are no checkpoints of this log, by the names of their files.
    invalid: dict[str, notes.NoteError] = field(default_factory=dict)


def read_all(ring: KeyRing, place: ReadablePlace) -> Copies:
    """Return all copies of a place, the newest `MAX_COPIES` at most.

    :raises PlaceFailed: if they cannot be read at present.
    """
    found = Copies()
    for name, note in place.copies():
        try:
            found.checkpoints[name] = ring.verify_checkpoint(note)
        except notes.NoteError as error:
            found.invalid[name] = error
    return found


def newest(ring: KeyRing, place: ReadablePlace) -> notes.Checkpoint | None:
    """Return the checkpoint of the largest log that a place has; copies that are none are skipped.

    :raises PlaceFailed: if they cannot be read at present.
    """
    for _name, note in place.copies():
        try:
            return ring.verify_checkpoint(note)
        except notes.NoteError:
            # The verification reports it.
            continue
    return None


def newest_in_folders(ring: KeyRing) -> list[notes.Checkpoint]:
    """Return the newest checkpoint of each folder that can be read."""
    found = []
    for place in checkpoint_places.readable(checkpoint_places.build_places()).values():
        if isinstance(place, checkpoint_places.FolderPlace):
            try:
                found.append(newest(ring, place))
            except checkpoint_places.PlaceFailed:
                continue
    return [checkpoint for checkpoint in found if checkpoint is not None]
