"""Keep the result files that answers point at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.generation import DrawnImage

_MAX_FILES = 2000


class ResultFiles:
    """The latest result files by their names; they are fetched without a key."""

    def __init__(self) -> None:
        self._files: dict[str, DrawnImage] = {}

    def add(self, name: str, image: DrawnImage) -> None:
        """Keep a file, and forget the oldest one where there are too many."""
        self._files[name] = image
        while len(self._files) > _MAX_FILES:
            self._files.pop(next(iter(self._files)))

    def get(self, name: str) -> DrawnImage | None:
        """Return a file; None where there is none of this name."""
        return self._files.get(name)

    def clear(self) -> None:
        """Delete all files."""
        self._files.clear()
