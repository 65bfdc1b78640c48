"""Hold an image in the making."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from imagegen_app.providers.drawing.canvas import Canvas
    from imagegen_app.providers.drawing.palette import Palette


@dataclass(slots=True)
class Stage:
    """An image in the making, and what its parts share."""

    canvas: Canvas
    palette: Palette
    chance: random.Random
    #: The shorter side, which everything is measured by.
    unit: int
    #: The side that the shadows fall to: -1 or 1.
    side: int

    def perhaps(self, share: float) -> bool:
        """Say yes in the given share of cases."""
        return self.chance.random() < share
