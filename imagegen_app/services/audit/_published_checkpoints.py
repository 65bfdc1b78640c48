"""Keep copies of checkpoints where the database's administrator cannot reach them."""

from __future__ import annotations

import logging
from pathlib import Path

from imagegen_app import conf
from imagegen_app.core import notes
from imagegen_app.services.audit.log_key import write_atomically

LATEST = "latest.txt"
_log = logging.getLogger(__name__)


def folder() -> Path | None:
    """Return the folder that the site chose for published checkpoints, if it chose one."""
    chosen = conf.get().audit.publish_to
    return Path(chosen) if chosen else None


def latest_checkpoint(vkey: str) -> notes.Checkpoint | None:
    """Return the newest published checkpoint; None where nothing is published.

    :raises NoteError: if the file is not signed by this key, or is no checkpoint.
    :raises OSError: if it is there and cannot be read.
    """
    place = folder()
    if place is None:
        return None
    try:
        note = (place / LATEST).read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise notes.MalformedNote("the published checkpoint is not UTF-8") from None
    return notes.verify_checkpoint(note, vkey)


def publish(note: str, *, size: int) -> str:
    """Write a checkpoint into the site's folder and return the folder; empty if it is nowhere.

    A folder that cannot be written does not stop the work: the next checkpoint says the same
    and more.
    """
    place = folder()
    if place is None:
        return ""
    try:
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / f"checkpoint-{size}.txt", note.encode())
        write_atomically(place / LATEST, note.encode())
    except OSError as error:
        _log.warning("A checkpoint could not be published to %s: %s", place, error.strerror)
        return ""
    return str(place)
