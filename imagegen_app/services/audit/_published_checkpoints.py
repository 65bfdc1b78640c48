"""Read the copies of checkpoints that stand in places outside of the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.core import notes
from imagegen_app.services.gateways import checkpoint_places

if TYPE_CHECKING:
    from imagegen_app.core.log_keys import KeyRing
    from imagegen_app.services.gateways.checkpoint_places import ReadablePlace

#: Size and root of checkpoints that were given up when a restore of the log was accepted.
GivenUp = frozenset[tuple[int, bytes]]


@dataclass(slots=True)
class Copies:
    """What one place has."""

    #: Valid checkpoints by the names of their files.
    checkpoints: dict[str, notes.Checkpoint] = field(default_factory=dict)
    #: Why others are no checkpoints of this log, by the names of their files.
    invalid: dict[str, notes.NoteError] = field(default_factory=dict)
    #: Those that were given up when a restore of the log was accepted, by the names of their files.
    given_up: dict[str, notes.Checkpoint] = field(default_factory=dict)


def read_all(ring: KeyRing, place: ReadablePlace, *, given_up: GivenUp) -> Copies:
    """Return all copies of a place, the newest `MAX_COPIES` at most.

    :raises PlaceFailed: if they cannot be read at present.
    """
    found = Copies()
    for name, note in place.copies():
        if (lost := _given_up(note, given_up)) is not None:
            found.given_up[name] = lost
            continue
        try:
            found.checkpoints[name] = ring.verify_checkpoint(note)
        except notes.NoteError as error:
            found.invalid[name] = error
    return found


def _given_up(note: str, given_up: GivenUp) -> notes.Checkpoint | None:
    """Return the checkpoint of a note if it was given up.

    Its signature was verified then: a key that was replaced since may no longer sign for its size.
    """
    if not given_up:
        return None
    try:
        checkpoint = notes.parse_checkpoint(notes.parse_note(note).text)
    except notes.NoteError:
        return None
    return checkpoint if (checkpoint.size, checkpoint.root) in given_up else None


def newest(ring: KeyRing, place: ReadablePlace, *, given_up: GivenUp) -> notes.Checkpoint | None:
    """Return the checkpoint of the largest log that a place has.

    Copies that are none are skipped, and those that were given up.

    :raises PlaceFailed: if they cannot be read at present.
    """
    for _name, note in place.copies():
        if _given_up(note, given_up) is not None:
            continue
        try:
            return ring.verify_checkpoint(note)
        except notes.NoteError:
            # The verification reports it.
            continue
    return None


def newest_in_folders(ring: KeyRing, *, given_up: GivenUp) -> list[notes.Checkpoint]:
    """Return the newest checkpoint of each folder that can be read; see `newest`."""
    found = []
    for place in checkpoint_places.readable(checkpoint_places.build_places()).values():
        if isinstance(place, checkpoint_places.FolderPlace):
            try:
                found.append(newest(ring, place, given_up=given_up))
            except checkpoint_places.PlaceFailed:
                continue
    return [checkpoint for checkpoint in found if checkpoint is not None]
