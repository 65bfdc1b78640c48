"""Publish checkpoints to a folder that the database's administrator cannot change."""

from __future__ import annotations

import logging
from pathlib import Path

from imagegen_app import conf
from imagegen_app.core import notes
from imagegen_app.services.audit.log_key import write_atomically

LATEST = "latest.txt"
_log = logging.getLogger(__name__)


def folder() -> Path | None:
    """Return the folder of the setting `AUDIT['PUBLISH_TO']`, or None if it is not set."""
    configured = conf.get().audit.publish_to
    return Path(configured) if configured else None


def latest_checkpoint(vkey: str) -> notes.Checkpoint | None:
    """Return the newest published checkpoint; None where nothing is published.

    :raises NoteError: if the file is not a checkpoint signed by this key.
    :raises OSError: if the file exists and cannot be read.
    """
    target = folder()
    if target is None:
        return None
    try:
        note = (target / LATEST).read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise notes.MalformedNote("the published checkpoint is not UTF-8") from None
    return notes.verify_checkpoint(note, vkey)


def publish(note: str, *, size: int) -> str:
    """Write a checkpoint to the site's folder and return the folder; empty if it was not written.

    A folder that cannot be written is only logged, since the next checkpoint covers this one.
    """
    target = folder()
    if target is None:
        return ""
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_atomically(target / f"checkpoint-{size}.txt", note.encode())
        write_atomically(target / LATEST, note.encode())
    except OSError as error:
        _log.warning("A checkpoint could not be published to %s: %s", target, error.strerror)
        return ""
    return str(target)
