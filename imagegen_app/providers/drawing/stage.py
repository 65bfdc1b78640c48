"""Define the state that the parts of one drawing share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from imagegen_app.providers.drawing.canvas import Canvas
    from imagegen_app.providers.drawing.palette import Palette


@dataclass(slots=True)
class Stage:
    """The canvas of one drawing, with the palette, random source and measures of its parts."""

    canvas: Canvas
    palette: Palette
    rng: random.Random
    #: The shorter side, which everything is measured by.
    unit: int
    #: The side that the shadows fall to: -1 or 1.
    side: int

    def with_probability(self, probability: float) -> bool:
        """Return True with the given probability (0.0 to 1.0)."""
        return self.rng.random() < probability
