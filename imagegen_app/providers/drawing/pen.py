"""Draw outlines in a thing's own coordinates, with light on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.providers.drawing.canvas import Canvas, Point, ellipse, smooth, stroke
from imagegen_app.providers.drawing.palette import darker, lighter

if TYPE_CHECKING:
    from imagegen_app.providers.drawing.palette import Colour


class Pen:
    """Draws in a thing's own coordinates: x from its middle, y up from the ground."""

    def __init__(self, canvas: Canvas, *, x: float, ground: float, height: float) -> None:
        self.canvas, self._x, self._ground, self.height = canvas, x, ground, height

    def at(self, points: list[Point]) -> list[Point]:
        return [(self._x + x * self.height, self._ground - y * self.height) for x, y in points]

    def round(self, profile: list[Point], colour: Colour, *, glossy: float = 0.45) -> None:
        """Fill a turned body, given by (radius, height) from its foot to its top."""
        # Points close together make a spline swing out below the foot.
        curve = [(r, max(y, profile[0][1])) for r, y in smooth(profile, closed=False)]
        radius, foot = profile[0]
        bottom = [p for p in ellipse(0.0, foot, radius, radius * 0.12) if p[1] < foot]
        bottom.sort()
        outline = [*curve, *((-r, y) for r, y in reversed(curve)), *bottom]
        self.canvas.fill(self.at(outline), turned(colour, glossy=glossy))

    def disc(self, y: float, rx: float, ry: float, colour: Colour, *, x: float = 0.0) -> None:
        """Fill an ellipse."""
        self.canvas.fill(self.at(ellipse(x, y, rx, ry)), colour)

    def flat(self, points: list[Point], colour: Colour, *, shade: float = 0.16) -> None:
        """Fill a flat shape that gets a little darker downwards."""
        stops = [(0.0, lighter(colour, shade)), (1.0, darker(colour, shade))]
        self.canvas.fill(self.at(points), stops, vertical=True)

    def line(self, points: list[Point], colour: Colour, *, width: float) -> None:
        """Draw a line."""
        self.canvas.fill(self.at(stroke(points, width=width)), colour)


def turned(colour: Colour, *, glossy: float) -> list[tuple[float, Colour]]:
    """Return the light on a round body: soft from the left, dark on the right, a rim at last."""
    return [
        (0.0, darker(colour, 0.34)),
        (0.1, darker(colour, 0.08)),
        (0.2, lighter(colour, glossy * 0.6)),
        (0.27, lighter(colour, glossy)),
        (0.36, lighter(colour, glossy * 0.35)),
        (0.6, darker(colour, 0.08)),
        (0.9, darker(colour, 0.42)),
        (1.0, darker(colour, 0.28)),
    ]
