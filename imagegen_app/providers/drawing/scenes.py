"""Compose an image from a prompt: a still life, a landscape, a town or plain shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image

from imagegen_app.providers.drawing import outdoors, products
from imagegen_app.providers.drawing import palette as colours
from imagegen_app.providers.drawing.canvas import Canvas, Point, ellipse, smooth
from imagegen_app.providers.drawing.palette import darker, lighter, mix
from imagegen_app.providers.drawing.pen import Pen, turned
from imagegen_app.providers.drawing.stage import Stage

if TYPE_CHECKING:
    pass

_LANDSCAPE = frozenset(
    [
        "beach",
        "coast",
        "desert",
        "field",
        "forest",
        "hill",
        "hills",
        "horizon",
        "lake",
        "landscape",
        "meadow",
        "mountain",
        "mountains",
        "nature",
        "ocean",
        "river",
        "sea",
        "sky",
        "sunrise",
        "sunset",
        "valley",
        "water",
        "winter",
        "summer",
        "autumn",
    ]
)
_WATER = frozenset(["beach", "coast", "lake", "ocean", "river", "sea", "water"])
_TOWN = frozenset(["building", "buildings", "city", "night", "skyline", "street", "town", "urban"])
_SHAPES = frozenset(["abstract", "background", "gradient", "pattern", "shapes", "texture", "wave"])
_WIDE = 1.2
#: Things drawn lower than this are wide.
_WIDE_THING = 0.7


def draw(
    prompt: str, *, width: int, height: int, seed: int = 0, negative_prompt: str = ""
) -> Image.Image:
    """Draw an image; the same arguments always give the same image."""
    rng = colours.seeded_random(prompt, negative_prompt, seed)
    palette = colours.choose_palette(prompt, rng=rng, negative_prompt=negative_prompt)
    unwanted = set(colours.words(negative_prompt))
    wanted = [word for word in colours.words(prompt) if word not in unwanted]
    stage = Stage(
        canvas=Canvas(width, height, stops=[(0.0, palette.back), (1.0, palette.ground)]),
        palette=palette,
        rng=rng,
        unit=min(width, height),
        side=rng.choice((-1, 1)),
    )
    thing = next((products.WORDS[word] for word in wanted if word in products.WORDS), "")
    named = frozenset(wanted)
    if thing:
        _still_life(stage, thing)
    elif named & _TOWN:
        outdoors.town(stage)
    elif named & _LANDSCAPE:
        outdoors.landscape(stage, water=bool(named & _WATER))
    elif named & _SHAPES:
        _shapes(stage)
    else:
        _anything(stage)
    return stage.canvas.image


def _anything(stage: Stage) -> None:
    kind = stage.rng.choice(("landscape", "shapes", "thing", "thing"))
    if kind == "landscape":
        outdoors.landscape(stage, water=stage.with_probability(0.5))
    elif kind == "shapes":
        _shapes(stage)
    else:
        _still_life(stage, stage.rng.choice(sorted(products.THINGS)))


def _still_life(stage: Stage, thing: str) -> None:
    canvas, palette, unit, side = stage.canvas, stage.palette, stage.unit, stage.side
    width, height = canvas.width, canvas.height
    floor = height * 0.7
    canvas.ground(
        [
            (0.0, mix(palette.back, palette.main, 0.16)),
            (0.55, palette.back),
            (0.66, lighter(palette.back, 0.1)),
            (0.74, palette.ground),
            (1.0, darker(palette.ground, 0.12)),
        ]
    )
    light = (width * (0.5 - 0.22 * side), height * 0.3)
    canvas.glow(*light, max(width, height) * 0.62, colours.WHITE, opacity=0.7)
    middle = width * (0.5 if width < height * _WIDE else 0.5 + 0.09 * side)
    _backdrop(stage, middle, floor)
    _frond_shadow(stage)
    base = height * 0.85
    draw_thing, share = products.THINGS[thing]
    tall = unit * 0.6 * share
    podium = stage.with_probability(0.45)
    if podium:
        base = _podium(stage, middle, base, wide=share < _WIDE_THING)
    pen = Pen(canvas, x=middle, ground=base, height=tall)
    foot = _FEET[thing] * tall
    shadow = mix(palette.deep, palette.ground, 0.15)
    cast = ellipse(
        middle + foot * (0.2 if podium else 0.9) * side,
        base + unit * 0.004,
        foot * 1.25,
        unit * 0.022,
    )
    canvas.soft(cast, shadow, blur=unit * 0.025, opacity=0.55)
    contact = ellipse(middle, base, foot * 1.02, unit * 0.01)
    canvas.soft(contact, darker(shadow, 0.4), blur=unit * 0.008, opacity=0.75)
    draw_thing(pen, palette, stage.rng)
    if not podium:
        _companions(stage, middle, base, foot)


_FEET = {
    "bottle": 0.16,
    "mug": 0.32,
    "lamp": 0.2,
    "chair": 0.4,
    "shoe": 0.76,
    "bag": 0.44,
    "vase": 0.15,
    "candle": 0.32,
    "box": 0.4,
    "perfume": 0.29,
}


def _backdrop(stage: Stage, x: float, floor: float) -> None:
    canvas, palette, unit = stage.canvas, stage.palette, stage.unit
    kind = stage.rng.choice(("disc", "arch", "wall"))
    tone = mix(palette.back, palette.accent, 0.55)
    stops = [(0.0, lighter(tone, 0.22)), (1.0, darker(tone, 0.06))]
    if kind == "disc":
        canvas.fill(
            ellipse(x + unit * 0.1, floor - unit * 0.34, unit * 0.29, unit * 0.29),
            stops,
            vertical=True,
        )
    elif kind == "arch":
        half, top = unit * 0.27, floor - unit * 0.36
        arch = [p for p in ellipse(x, top, half, half) if p[1] <= top]
        arch.sort()
        canvas.fill([(x - half, floor), *arch, (x + half, floor)], stops, vertical=True)


def _frond_shadow(stage: Stage) -> None:
    """Let the shadow of a palm leaf fall onto the wall from the corner near the light."""
    canvas, unit, side = stage.canvas, stage.unit, stage.side
    dark = mix(stage.palette.back, stage.palette.deep, 0.5)
    corner = canvas.width * (0.5 - 0.5 * side)
    stem = smooth(
        [
            (corner - side * unit * 0.08, -unit * 0.06),
            (corner + side * unit * 0.14, unit * 0.12),
            (corner + side * unit * 0.27, unit * 0.34),
        ],
        closed=False,
        steps=6,
    )
    for k in range(1, len(stem)):
        (ax, ay), (x, y) = stem[k - 1], stem[k]
        along = math.atan2(y - ay, x - ax)
        length = unit * 0.2 * (1.08 - 0.75 * k / len(stem))
        for turn in (-0.8, 0.8):
            canvas.soft(_leaflet(x, y, length, along + turn), dark, blur=unit * 0.009, opacity=0.2)


def _leaflet(x: float, y: float, length: float, angle: float) -> list[Point]:
    c, s = math.cos(angle) * length, math.sin(angle) * length
    wide = 0.07
    return smooth(
        [
            (x, y),
            (x + 0.45 * c - wide * s, y + 0.45 * s + wide * c),
            (x + c, y + s),
            (x + 0.45 * c + wide * s, y + 0.45 * s - wide * c),
        ],
        steps=6,
    )


def _podium(stage: Stage, x: float, base: float, *, wide: bool) -> float:
    canvas, palette, unit = stage.canvas, stage.palette, stage.unit
    half, flat, tall = unit * (0.36 if wide else 0.3), unit * 0.055, unit * 0.12
    top = base - tall * 0.45
    tone = lighter(palette.ground, 0.3)
    canvas.soft(
        ellipse(x + unit * 0.03, top + tall, half * 1.08, flat * 1.15),
        palette.deep,
        blur=unit * 0.03,
        opacity=0.5,
    )
    lower = [p for p in ellipse(x, top + tall, half, flat) if p[1] >= top + tall]
    lower.sort(reverse=True)
    canvas.fill([(x - half, top), (x + half, top), *lower], turned(tone, glossy=0.3))
    canvas.fill(ellipse(x, top, half, flat), [(0.0, lighter(tone, 0.55)), (1.0, tone)])
    return top + flat * 0.25


def _companions(stage: Stage, x: float, base: float, foot: float) -> None:
    canvas, palette, unit, side = stage.canvas, stage.palette, stage.unit, stage.side
    at = x - side * (foot + unit * stage.rng.uniform(0.1, 0.14))
    for radius, tone in ((0.062, palette.accent), (0.036, lighter(palette.main, 0.3))):
        r = unit * radius
        y = base - r * 0.86 + unit * 0.03
        canvas.soft(
            ellipse(at + side * r * 0.5, y + r * 0.92, r * 1.15, r * 0.24),
            palette.deep,
            blur=unit * 0.009,
            opacity=0.5,
        )
        _ball(canvas, at, y, r, tone)
        at -= side * unit * 0.115


def _ball(canvas: Canvas, x: float, y: float, r: float, tone: colours.Colour) -> None:
    canvas.fill(
        ellipse(x, y, r, r),
        [(0.0, lighter(tone, 0.22)), (0.45, tone), (1.0, darker(tone, 0.42))],
        vertical=True,
    )
    canvas.glow(x - r * 0.32, y - r * 0.38, r * 0.6, colours.WHITE, opacity=0.6)


def _shapes(stage: Stage) -> None:
    canvas, palette, rng, unit = stage.canvas, stage.palette, stage.rng, stage.unit
    width, height = canvas.width, canvas.height
    tones = [
        palette.main,
        palette.accent,
        palette.back,
        lighter(palette.main, 0.45),
        mix(palette.accent, palette.back, 0.5),
        palette.ground,
    ]
    mesh = Image.new("RGB", (4, 4))
    for spot in range(16):
        mesh.putpixel((spot % 4, spot // 4), rng.choice(tones))
    canvas.image = mesh.resize((width, height), Image.Resampling.BICUBIC)
    for i in range(4):
        line = height * (0.42 + 0.15 * i)
        wave = smooth(
            [
                (width * k / 4 - (2 if k == 0 else -2), line + unit * rng.uniform(-0.12, 0.12))
                for k in range(5)
            ],
            closed=False,
            steps=24,
        )
        tone = (
            mix(palette.main, palette.deep, i / 3)
            if i % 2
            else mix(palette.accent, palette.main, i / 4)
        )
        band = [*wave, (width + 4, height + 4), (-4, height + 4)]
        canvas.soft(
            [(x, y - unit * 0.012) for x, y in band], palette.deep, blur=unit * 0.02, opacity=0.3
        )
        canvas.fill(band, [(0.0, lighter(tone, 0.32)), (0.5, tone), (1.0, darker(tone, 0.12))])
    for _ in range(4):
        r = unit * rng.uniform(0.035, 0.12)
        x, y = width * rng.uniform(0.12, 0.88), height * rng.uniform(0.14, 0.72)
        canvas.soft(
            ellipse(x + r * 0.3, y + r * 0.9, r, r * 0.6), palette.deep, blur=r * 0.35, opacity=0.32
        )
        _ball(canvas, x, y, r, rng.choice([palette.main, palette.accent, palette.back]))
