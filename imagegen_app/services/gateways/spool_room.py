"""Secure room on the spool's disk for an answer before its call is sent."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from imagegen_app import conf
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.services.gateways import spool

if TYPE_CHECKING:
    from imagegen_app.models import Job

#: Bytes of base64 text for one pixel of an image that cannot be compressed.
_BYTES_PER_PIXEL = 4
#: For everything else that an answer holds.
_EXTRA_BYTES = 1024 * 1024
#: No answer is read beyond this size.
_MAX_BYTES = 128 * 1024 * 1024


class NoRoom(Exception):
    """The disk of the spool has no room for another answer, or cannot be written to."""


def expected_bytes(job: Job) -> int:
    """Return how large the answer to a job may be."""
    images = int(job.width * job.height * job.count * _BYTES_PER_PIXEL)
    return min(images, _MAX_BYTES) + _EXTRA_BYTES


def require_room(size: int = 0) -> None:
    """Check quickly that the disk can be written to and has room for `size` more bytes.

    :raises NoRoom: if not.
    """
    try:
        disk = os.statvfs(spool.folder())
    except OSError as error:
        raise NoRoom(_name(error)) from None
    if disk.f_flag & os.ST_RDONLY:
        raise NoRoom("the file system is read-only")
    # Some file systems, such as Btrfs, count no inodes.
    if disk.f_files and not disk.f_favail:
        raise NoRoom("no free inodes")
    free, mark = disk.f_bavail * disk.f_frsize, conf.get().spool.min_free_bytes
    if free < mark + size:
        raise NoRoom(f"{free // 1024**2} MB free, {(mark + size) // 1024**2} MB needed")


def reserve(answer: SpooledAnswer, *, size: int) -> None:
    """Take the room for an answer of this size.

    :raises NoRoom: if the disk is too full or cannot be written to.
    """
    require_room(size)
    try:
        answer.reserve(size)
    except OSError as error:
        raise NoRoom(_name(error)) from None


def probe() -> None:
    """Check that a small answer can be written, which a quota or a permission may prevent.

    :raises NoRoom: if not.
    """
    try:
        answer = SpooledAnswer(spool.folder() / f"probe-{uuid4().hex}")
    except OSError as error:
        raise NoRoom(_name(error)) from None
    reserve(answer, size=_EXTRA_BYTES)
    answer.release_room()


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
