"""Keep the files of answers that could not be used, in a folder beside the spool."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING
from uuid import uuid4

from imagegen_app import conf
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.services.gateways import spool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imagegen_app.models import Attempt

#: Parts that are made anew from the body at any time.
_DERIVED = "decoded-"


def folder() -> Path:
    """Return the folder of kept answers; created on first use, readable by its owner only."""
    path = conf.state_dir() / "kept-answers"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def answer_of(attempt: Attempt) -> SpooledAnswer:
    """Return the kept answer of an attempt; it is still in the spool until it is moved."""
    kept = SpooledAnswer(folder() / str(attempt.pk))
    return kept if kept.folder.exists() else spool.answer_of(attempt)


def parts_of(answer: SpooledAnswer) -> Iterable[str]:
    """Return the parts that the provider sent, without those that were made from them."""
    return [part for part in answer.parts() if not part.startswith(_DERIVED)]


def byte_size(answer: SpooledAnswer) -> int:
    """Return how many bytes the provider's parts have."""
    return sum((answer.folder / part).stat().st_size for part in parts_of(answer))


def keep(attempt: Attempt) -> None:
    """Move an attempt's answer out of the spool, durably; repeating it does no harm.

    :raises OSError: if the disk fails; the answer is still in the spool then.
    """
    source, target = spool.answer_of(attempt).folder, folder() / str(attempt.pk)
    if not source.exists():
        return
    for path in source.iterdir():
        if path.suffix == ".partial" or path.name.startswith(_DERIVED):
            path.unlink(missing_ok=True)
    if target.exists():
        shutil.rmtree(source, ignore_errors=True)
        return
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_over(source, target)
    for changed in (target.parent, source.parent):
        _sync(changed)


def copy(answer: SpooledAnswer, *, to: SpooledAnswer) -> None:
    """Copy an answer for another attempt; without using room where the disk can link files.

    :raises OSError: if the disk is full or fails.
    """
    to.folder.mkdir(parents=True, exist_ok=True)
    for name in [*parts_of(answer), "note.json"]:
        source, target = answer.folder / name, to.folder / name
        try:
            # No file of an answer is changed in place, so both may share it.
            target.hardlink_to(source)
        except FileNotFoundError:
            continue
        except OSError:
            shutil.copyfile(source, target)
            _sync(target)
    _sync(to.folder)


def scratch_copy(answer: SpooledAnswer) -> SpooledAnswer:
    """Return a copy of an answer to try to read; discard it afterwards.

    :raises OSError: if the disk is full or fails.
    """
    scratch = SpooledAnswer(spool.folder() / f"scratch-{uuid4().hex}")
    copy(answer, to=scratch)
    return scratch


def remove(attempt_key: object) -> None:
    """Remove the kept files of an attempt, if they are on this host."""
    shutil.rmtree(folder() / str(attempt_key), ignore_errors=True)


def _copy_over(source: Path, target: Path) -> None:
    """Move a folder to another file system: first all of it, then its name."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    for path in [*partial.iterdir(), partial]:
        _sync(path)
    partial.rename(target)
    _sync(target.parent)
    shutil.rmtree(source, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
