"""Say which checkpoints the log continues, by the hashes in its tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core import translog
from imagegen_app.services.audit import sealing

if TYPE_CHECKING:
    from collections.abc import Iterable


class Continuation:
    """The log as it is stored now."""

    def __init__(self) -> None:
        self.size = sealing.log_size()
        self._tiles = translog.TileReader(sealing.fetch_tile)

    def includes(self, size: int, root: bytes) -> bool:
        """Return whether the log continues a checkpoint of this size and root."""
        if size > self.size:
            return False
        try:
            return self._tiles.root(size) == root
        except translog.MissingTile:
            return False


def is_behind(checkpoints: Iterable[tuple[int, bytes]]) -> bool:
    """Return whether the log does not continue one of these checkpoints."""
    log = Continuation()
    return any(not log.includes(*checkpoint) for checkpoint in checkpoints)
