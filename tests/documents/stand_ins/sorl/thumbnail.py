"""Its public functions, with the arguments that they have."""

from __future__ import annotations


def delete(file_: object, delete_file: bool = True) -> None:
    """Forget the thumbnails of a file."""
