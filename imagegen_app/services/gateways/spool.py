"""Locate the spool: the folder that stores an attempt's answer until its cost is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.providers.answers import SpooledAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.models import Attempt


def folder() -> Path:
    """Return the spool's folder; created on first use, readable by its owner only."""
    path = conf.state_dir() / "spool"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def answer_of(attempt: Attempt) -> SpooledAnswer:
    """Return the spooled answer of one attempt; it may not exist yet."""
    return SpooledAnswer(folder() / str(attempt.pk))
