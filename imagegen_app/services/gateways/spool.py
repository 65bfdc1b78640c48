"""Locate the spool: the folder that stores an attempt's answer until its cost is settled.

Hosts that do not share their state folder have a spool each: an attempt notes which one its answer is in.
"""

from __future__ import annotations

import platform
import secrets
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.services.gateways import whole_files

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.models import Attempt

ID_FILE_NAME = "state-folder-id"


def folder() -> Path:
    """Return the spool's folder; created on first use, readable by its owner only."""
    path = conf.state_dir() / "spool"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def answer_of(attempt: Attempt) -> SpooledAnswer:
    """Return the spooled answer of one attempt; it may not exist yet."""
    return SpooledAnswer(folder() / str(attempt.pk))


def folder_id() -> str:
    """Return the ID of this host's state folder, created on first use; hosts that share it have the same.

    Empty if it can be neither read nor created, such as on a full disk: an answer is then looked for on
    whichever host takes its job.
    """
    state_dir = conf.state_dir()
    with suppress(OSError):
        return _read_id(state_dir)
    return ""


def place_of_answer() -> dict[str, str]:
    """Return the fields of an attempt whose answer is in this host's spool."""
    return {"answer_folder": folder_id(), "answer_host": platform.node()[:80]}


def is_on_other_host(attempt: Attempt) -> bool:
    """Return whether the answer was written to the state folder of another host, which has it still."""
    own = folder_id()
    if not own or attempt.answer_folder in {"", own}:
        return False
    # Somebody may have copied the folder here.
    return not answer_of(attempt).is_complete


@lru_cache(maxsize=8)
def _read_id(state_dir: Path) -> str:
    path = state_dir / ID_FILE_NAME
    if not path.exists():
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Another process may be first; its ID is used.
        with suppress(FileExistsError):
            whole_files.write_new(path, secrets.token_hex(16).encode(), mode=0o600)
    return path.read_text(encoding="ascii").strip()[:32]
