"""Paint smooth shapes: masks are drawn enlarged and reduced, light and shadow drawn small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from imagegen_app.providers.drawing.palette import Colour

Point = tuple[float, float]
Stops = Sequence[tuple[float, "Colour"]]

_FINE = 3
_COARSE = 8
_STEPS = 128


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 10) -> list[Point]:
    """Return a curve through the points (Catmull-Rom)."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = (points[(i + k - 1) % count] for k in range(4))
        else:
            p0, p1, p2, p3 = (points[min(max(i + k - 1, 0), count - 1)] for k in range(4))
        for step in range(steps):
            t = step / steps
            curve.append(
                (_spline(p0[0], p1[0], p2[0], p3[0], t), _spline(p0[1], p1[1], p2[1], p3[1], t))
            )
    if not closed:
        curve.append(points[-1])
    return curve


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def ellipse(x: float, y: float, rx: float, ry: float) -> list[Point]:
    """Return the outline of an ellipse."""
    turns = [2 * math.pi * i / 96 for i in range(96)]
    return [(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns]


def stroke(points: Sequence[Point], *, width: float) -> list[Point]:
    """Return the outline of a line of the given width along the points."""
    left: list[Point] = []
    right: list[Point] = []
    for i, (x, y) in enumerate(points):
        ax, ay = points[max(i - 1, 0)]
        bx, by = points[min(i + 1, len(points) - 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        dx, dy = (by - ay) / length * width / 2, (ax - bx) / length * width / 2
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return left + right[::-1]


def ramp(stops: Stops, *, size: tuple[int, int], vertical: bool = False) -> Image.Image:
    """Return an image that runs through the colour stops (0.0 to 1.0)."""
    line = Image.new("RGB", (_STEPS, 1))
    pixels = []
    for i in range(_STEPS):
        at = i / (_STEPS - 1)
        before = max((s for s in stops if s[0] <= at), default=stops[0], key=lambda s: s[0])
        after = min((s for s in stops if s[0] >= at), default=stops[-1], key=lambda s: s[0])
        span = after[0] - before[0]
        share = (at - before[0]) / span if span else 0.0
        pixels.append(
            tuple(round(a + (b - a) * share) for a, b in zip(before[1], after[1], strict=True))
        )
    for x, pixel in enumerate(pixels):
        line.putpixel((x, 0), pixel)
    if vertical:
        line = line.transpose(Image.Transpose.ROTATE_270)
    return line.resize(size, Image.Resampling.BILINEAR)


class Canvas:
    """An image being painted."""

    def __init__(self, width: int, height: int, *, stops: Stops) -> None:
        self.width, self.height = width, height
        self.image = ramp(stops, size=(width, height), vertical=True)

    def ground(self, stops: Stops) -> None:
        """Paint over everything with stops that run down the image."""
        self.image = ramp(stops, size=(self.width, self.height), vertical=True)

    def fill(
        self,
        outline: Sequence[Point],
        colour: Colour | Stops,
        *,
        opacity: float = 1.0,
        vertical: bool = False,
    ) -> None:
        """Fill an outline with a colour, or with stops that run across or down it."""
        left = math.floor(min(p[0] for p in outline)) - 1
        top = math.floor(min(p[1] for p in outline)) - 1
        width = math.ceil(max(p[0] for p in outline)) + 1 - left
        height = math.ceil(max(p[1] for p in outline)) + 1 - top
        # Only what is inside the image is drawn, however far a shape reaches out.
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, self.width), min(top + height, self.height)
        if x1 <= x0 or y1 <= y0:
            return
        mask = Image.new("L", ((x1 - x0) * _FINE, (y1 - y0) * _FINE), 0)
        points = [((x - x0) * _FINE, (y - y0) * _FINE) for x, y in outline]
        ImageDraw.Draw(mask).polygon(points, fill=round(255 * opacity))
        mask = mask.reduce(_FINE)
        if isinstance(colour[0], int):
            self.image.paste(colour, (x0, y0, x1, y1), mask)  # type: ignore[arg-type]
            return
        shade = ramp(colour, size=(width, height), vertical=vertical)  # type: ignore[arg-type]
        box = (x0 - left, y0 - top, x1 - left, y1 - top)
        self.image.paste(shade.crop(box), (x0, y0), mask)

    def soft(
        self, outline: Sequence[Point], colour: Colour, *, blur: float, opacity: float
    ) -> None:
        """Paint a shape without an edge: a shadow, a glow, a beam of light."""
        scale = max(1.0, min(float(_COARSE), blur / 2))
        reach = blur * 3
        x0 = max(0, math.floor(min(p[0] for p in outline) - reach))
        y0 = max(0, math.floor(min(p[1] for p in outline) - reach))
        x1 = min(self.width, math.ceil(max(p[0] for p in outline) + reach))
        y1 = min(self.height, math.ceil(max(p[1] for p in outline) + reach))
        if x1 <= x0 or y1 <= y0:
            return
        # A margin outside of the image keeps the blur from darkening at its border.
        pad = math.ceil(reach / scale)
        size = (math.ceil((x1 - x0) / scale), math.ceil((y1 - y0) / scale))
        mask = Image.new("L", (size[0] + 2 * pad, size[1] + 2 * pad), 0)
        points = [((x - x0) / scale + pad, (y - y0) / scale + pad) for x, y in outline]
        ImageDraw.Draw(mask).polygon(points, fill=round(255 * opacity))
        mask = mask.filter(ImageFilter.GaussianBlur(blur / scale))
        mask = mask.crop((pad, pad, pad + size[0], pad + size[1]))
        mask = mask.resize((x1 - x0, y1 - y0), Image.Resampling.BICUBIC)
        self.image.paste(colour, (x0, y0, x1, y1), mask)

    def glow(self, x: float, y: float, radius: float, colour: Colour, *, opacity: float) -> None:
        """Paint light that fades out evenly from a point."""
        light = Image.radial_gradient("L").point(
            [round(255 * opacity * max(0.0, 1 - v / 181) ** 2) for v in range(256)]
        )
        side = max(2, round(radius * 2))
        light = light.resize((side, side), Image.Resampling.BICUBIC)
        left, top = round(x - radius), round(y - radius)
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + side, self.width), min(top + side, self.height)
        if x1 > x0 and y1 > y0:
            mask = light.crop((x0 - left, y0 - top, x1 - left, y1 - top))
            self.image.paste(colour, (x0, y0, x1, y1), mask)
