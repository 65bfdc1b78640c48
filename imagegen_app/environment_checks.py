"""Check the machine and the process that the app runs in, for `manage.py check`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Iterator


def state_folder(settings: conf.Settings) -> Iterator[CheckMessage]:
    """Yield a warning if the state folder cannot be written to, or its disk is nearly full."""
    try:
        folder = conf.state_dir()
    except conf.InvalidSettings:
        return
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        disk = os.statvfs(existing)
    except OSError:
        return
    free, mark = disk.f_bavail * disk.f_frsize, settings.spool.min_free_bytes
    problem = ""
    if not os.access(existing, os.W_OK | os.X_OK) or disk.f_flag & os.ST_RDONLY:
        problem = "cannot be written to"
    elif free < mark:
        problem = f"has {free // 1024**2} MB free, less than the {mark // 1024**2} MB to be kept"
    if problem:
        yield CheckWarning(
            f"The state folder {folder} {problem}: no call is sent.",
            hint="Make room or correct IMAGEGEN['STATE_DIR'], or lower SPOOL's MIN_FREE_BYTES.",
            id="imagegen.W051",
        )


def pillow_limits() -> Iterator[CheckMessage]:
    """Yield a warning if Pillow's own limits were loosened."""
    from PIL import Image, ImageFile  # noqa: PLC0415 - faster start

    if Image.MAX_IMAGE_PIXELS is None or ImageFile.LOAD_TRUNCATED_IMAGES:
        yield CheckWarning(
            "Pillow's limits were loosened for the whole process.",
            hint="Find the package that sets MAX_IMAGE_PIXELS or LOAD_TRUNCATED_IMAGES.",
            id="imagegen.W021",
        )
