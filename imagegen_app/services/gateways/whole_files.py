"""Write files so that readers see a whole one or none."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that is not there yet.

    :raises FileExistsError: if it is there.
    :raises OSError: if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Linking fails if another process was first.
        os.link(partial, path)
    finally:
        partial.unlink(missing_ok=True)
