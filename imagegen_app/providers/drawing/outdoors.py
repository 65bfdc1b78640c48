"""Draw the outdoors: hills, water, a town."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from imagegen_app.providers.drawing import palette as colours
from imagegen_app.providers.drawing.canvas import Canvas, Point, ellipse
from imagegen_app.providers.drawing.palette import darker, lighter, mix

if TYPE_CHECKING:
    from imagegen_app.providers.drawing.stage import Stage

#: The share of a ridge without trees.
_BARE = 0.45


def landscape(stage: Stage, *, water: bool) -> None:
    """Draw hills under a low sun, with or without water."""
    canvas, palette, rng, unit = stage.canvas, stage.palette, stage.rng, stage.unit
    width, height = canvas.width, canvas.height
    warm = mix(palette.accent, (255, 214, 170), 0.55)
    canvas.ground(
        [
            (0.0, mix(palette.main, palette.back, 0.35)),
            (0.3, mix(palette.back, palette.main, 0.18)),
            (0.58, warm),
            (1.0, lighter(warm, 0.3)),
        ]
    )
    sun = (width * rng.uniform(0.25, 0.75), height * rng.uniform(0.24, 0.42))
    canvas.glow(*sun, unit * 0.8, (255, 246, 222), opacity=0.9)
    canvas.fill(ellipse(*sun, unit * 0.062, unit * 0.062), (255, 250, 236))
    for _ in range(5):
        x, y = rng.uniform(0, width), height * rng.uniform(0.08, 0.36)
        canvas.soft(
            ellipse(x, y, unit * rng.uniform(0.12, 0.3), unit * 0.014),
            colours.WHITE,
            blur=unit * 0.014,
            opacity=0.5,
        )
    layers = 5
    for i in range(layers):
        depth = i / (layers - 1)
        tone = mix(mix(warm, palette.main, 0.35), palette.deep, depth**0.8)
        line = height * (0.5 + 0.1 * i + (0.03 if water else 0.0))
        ridge = _ridge(rng, width, line, unit * (0.13 - 0.018 * i), rough=i in {0, 1})
        canvas.fill(
            [*ridge, (width + 2, height + 2), (-2, height + 2)],
            [(0.0, tone), (1.0, mix(tone, warm, 0.3 * (1 - depth)))],
            vertical=True,
        )
        if water and i == 1:
            _water(stage, warm, sun[0], line + unit * 0.06)
            break
        if i >= layers - 2:
            _trees(canvas, rng, ridge, darker(tone, 0.25), unit * (0.045 + 0.05 * depth))
    if water:
        shore = _ridge(rng, width, height * 0.94, unit * 0.05, rough=False)
        canvas.fill([*shore, (width + 2, height + 2), (-2, height + 2)], darker(palette.deep, 0.1))
        _trees(canvas, rng, shore, darker(palette.deep, 0.35), unit * 0.1)


def _ridge(rng: random.Random, width: int, line: float, rise: float, *, rough: bool) -> list[Point]:
    waves = [(rng.uniform(0.6, 1.4) * k, rng.uniform(0, 7), 1 / k) for k in (1, 2.3, 5.1)]
    if rough:
        waves += [(13.0, rng.uniform(0, 7), 0.1), (29.0, rng.uniform(0, 7), 0.045)]
    points = []
    for i in range(161):
        at = i / 160
        lift = sum(size * math.sin(2 * math.pi * f * at + shift) for f, shift, size in waves)
        points.append((at * (width + 4) - 2, line - rise * lift))
    return points


def _trees(
    canvas: Canvas, rng: random.Random, ridge: list[Point], tone: colours.Colour, tall: float
) -> None:
    for x, y in ridge[:: rng.randint(3, 5)]:
        if rng.random() < _BARE:
            continue
        h = tall * rng.uniform(0.6, 1.25)
        tip = y - h
        outline: list[Point] = [(x, tip)]
        for k in (1, 2, 3):
            outline += [
                (x + h * 0.085 * k, tip + h * 0.3 * k),
                (x + h * 0.045 * k, tip + h * 0.3 * k),
            ]
        outline += [(2 * x - px, py) for px, py in reversed(outline)]
        canvas.fill(outline, tone)


def _water(stage: Stage, warm: colours.Colour, sun: float, top: float) -> None:
    canvas, palette = stage.canvas, stage.palette
    width, height = canvas.width, canvas.height
    near = mix(palette.main, palette.deep, 0.45)
    canvas.fill(
        [(-2, top), (width + 2, top), (width + 2, height + 2), (-2, height + 2)],
        [(0.0, mix(warm, palette.main, 0.25)), (1.0, near)],
        vertical=True,
    )
    for i in range(26):
        depth = i / 26
        y = top + (height - top) * depth**1.3 + 3
        half = width * (0.02 + 0.05 * abs(math.sin(i * 2.4)) + 0.05 * depth)
        shift = math.sin(i * 1.9) * width * 0.03
        canvas.soft(
            ellipse(sun + shift, y, half, height * (0.0016 + 0.003 * depth)),
            (255, 247, 226),
            blur=max(1.2, height * 0.0022),
            opacity=0.75 - 0.4 * depth,
        )


def town(stage: Stage) -> None:
    """Draw a skyline at dusk."""
    canvas, palette, rng, unit = stage.canvas, stage.palette, stage.rng, stage.unit
    width, height = canvas.width, canvas.height
    dusk = mix(palette.accent, (255, 190, 140), 0.5)
    canvas.ground(
        [
            (0.0, mix(palette.deep, palette.main, 0.3)),
            (0.5, mix(palette.main, dusk, 0.5)),
            (0.85, lighter(dusk, 0.3)),
            (1.0, lighter(dusk, 0.4)),
        ]
    )
    canvas.glow(
        width * rng.uniform(0.3, 0.7), height * 0.72, unit * 0.9, (255, 232, 196), opacity=0.7
    )
    for layer in range(3):
        tone = mix(mix(dusk, palette.main, 0.5), darker(palette.deep, 0.25), 0.35 + 0.32 * layer)
        x = -unit * rng.uniform(0.0, 0.1)
        while x < width:
            w = unit * rng.uniform(0.06, 0.13) * (1 + 0.25 * layer)
            top = height * (rng.uniform(0.3, 0.62) + 0.09 * layer)
            box = [(x, top), (x + w, top), (x + w, height + 2), (x, height + 2)]
            canvas.fill(
                box, [(0.0, tone), (1.0, mix(tone, dusk, 0.35 - 0.1 * layer))], vertical=True
            )
            if layer:
                _windows(stage, x, top, w)
            x += w + unit * rng.uniform(0.0, 0.012)


def _windows(stage: Stage, x: float, top: float, w: float) -> None:
    canvas, unit = stage.canvas, stage.unit
    step, size = unit * 0.024, unit * 0.009
    rows = int((canvas.height - top) / step)
    for row in range(1, rows):
        for column in range(1, int(w / step)):
            if stage.with_probability(0.36):
                left, y = round(x + column * step), round(top + row * step)
                box = (left, y, left + round(size), y + round(size * 1.4))
                canvas.image.paste((255, 222, 150), box)
