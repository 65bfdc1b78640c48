"""Draw things on a table: each a few outlines in a unit square, ground at 0, top at 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from imagegen_app.providers.drawing.canvas import Point, smooth, stroke
from imagegen_app.providers.drawing.palette import WHITE, Palette, darker, lighter, mix
from imagegen_app.providers.drawing.pen import Pen, turned

if TYPE_CHECKING:
    import random


def _bottle(pen: Pen, palette: Palette, _: random.Random) -> float:
    pen.round(
        [
            (0.15, 0.0),
            (0.165, 0.015),
            (0.168, 0.5),
            (0.16, 0.6),
            (0.075, 0.74),
            (0.058, 0.8),
            (0.058, 0.9),
        ],
        palette.main,
        glossy=0.55,
    )
    pen.round([(0.07, 0.87), (0.072, 0.88), (0.072, 0.99), (0.066, 1.0)], palette.deep)
    label = lighter(palette.back, 0.55)
    body = [(-0.168, 0.16), (0.168, 0.16), (0.168, 0.44), (-0.168, 0.44)]
    pen.canvas.fill(pen.at(body), turned(label, glossy=0.3))
    for y, half in ((0.37, 0.07), (0.32, 0.1), (0.23, 0.05)):
        pen.line([(-half, y), (half, y)], mix(label, palette.deep, 0.75), width=0.012)
    return 0.17


def _mug(pen: Pen, palette: Palette, _: random.Random) -> float:
    handle = [(0.33, 0.68), (0.5, 0.7), (0.56, 0.48), (0.5, 0.26), (0.32, 0.2)]
    pen.line(smooth(handle, closed=False), darker(palette.main, 0.2), width=0.085)
    pen.line(
        smooth([(x - 0.012, y + 0.01) for x, y in handle], closed=False),
        lighter(palette.main, 0.22),
        width=0.03,
    )
    pen.round([(0.3, 0.0), (0.34, 0.03), (0.355, 0.12), (0.36, 0.86)], palette.main, glossy=0.5)
    pen.disc(0.86, 0.36, 0.075, lighter(palette.main, 0.5))
    pen.disc(0.855, 0.325, 0.06, darker(palette.main, 0.4))
    pen.disc(0.838, 0.3, 0.045, (92, 58, 36))
    pen.disc(0.842, 0.2, 0.026, (140, 96, 62), x=-0.04)
    for x in (-0.1, 0.06):
        steam = [(x, 0.92), (x + 0.05, 1.05), (x - 0.04, 1.18), (x + 0.03, 1.34)]
        pen.canvas.soft(
            pen.at(stroke(smooth(steam, closed=False), width=0.03)),
            WHITE,
            blur=pen.height * 0.022,
            opacity=0.75,
        )
    return 0.36


def _lamp(pen: Pen, palette: Palette, _: random.Random) -> float:
    x, y = pen.at([(0.0, 0.62)])[0]
    pen.canvas.glow(x, y, pen.height * 0.95, (255, 236, 190), opacity=0.75)
    pen.round([(0.2, 0.0), (0.2, 0.03), (0.03, 0.05), (0.02, 0.08)], palette.deep)
    pen.round([(0.02, 0.05), (0.02, 0.7)], mix(palette.accent, palette.deep, 0.3), glossy=0.7)
    pen.round(
        [(0.33, 0.6), (0.32, 0.62), (0.2, 0.98), (0.19, 1.0)],
        lighter(palette.main, 0.18),
        glossy=0.5,
    )
    pen.disc(0.6, 0.33, 0.035, (255, 243, 214))
    return 0.22


def _chair(pen: Pen, palette: Palette, _: random.Random) -> float:
    wood = (150, 108, 74)
    for x, top, foot in ((-0.25, 0.44, 0.1), (0.27, 0.44, 0.1)):
        pen.line([(x, top), (x * 1.1, foot)], darker(wood, 0.25), width=0.032)
    back = smooth(
        [
            (-0.27, 0.5),
            (-0.31, 0.78),
            (-0.28, 0.97),
            (0.0, 1.0),
            (0.28, 0.97),
            (0.31, 0.78),
            (0.27, 0.5),
            (0.0, 0.47),
        ]
    )
    pen.flat(back, palette.main, shade=0.2)
    pen.canvas.soft(
        pen.at([(-0.25, 0.5), (0.25, 0.5), (0.22, 0.58), (-0.22, 0.58)]),
        palette.deep,
        blur=pen.height * 0.02,
        opacity=0.45,
    )
    for x, foot in ((-0.33, -0.39), (0.33, 0.39)):
        pen.line([(x, 0.42), (foot, 0.0)], wood, width=0.042)
        pen.line([(x - 0.008, 0.42), (foot - 0.008, 0.0)], lighter(wood, 0.25), width=0.012)
    seat = smooth(
        [
            (-0.4, 0.43),
            (-0.36, 0.52),
            (0.0, 0.55),
            (0.36, 0.52),
            (0.4, 0.43),
            (0.32, 0.375),
            (0.0, 0.36),
            (-0.32, 0.375),
        ]
    )
    pen.flat(seat, lighter(palette.main, 0.1), shade=0.24)
    return 0.42


def _shoe(pen: Pen, palette: Palette, _: random.Random) -> float:
    upper = smooth(
        [
            (-0.74, 0.14),
            (-0.76, 0.36),
            (-0.7, 0.66),
            (-0.62, 0.74),
            (-0.42, 0.66),
            (-0.24, 0.68),
            (-0.02, 0.52),
            (0.2, 0.38),
            (0.5, 0.32),
            (0.7, 0.24),
            (0.74, 0.14),
            (0.4, 0.11),
            (-0.4, 0.11),
        ]
    )
    pen.flat(upper, palette.main, shade=0.26)
    pen.canvas.fill(
        pen.at(
            smooth(
                [
                    (-0.66, 0.68),
                    (-0.6, 0.73),
                    (-0.42, 0.65),
                    (-0.26, 0.66),
                    (-0.32, 0.58),
                    (-0.5, 0.58),
                ]
            )
        ),
        darker(palette.main, 0.5),
    )
    toe = smooth([(0.36, 0.35), (0.52, 0.32), (0.7, 0.24), (0.74, 0.14), (0.46, 0.13), (0.36, 0.2)])
    pen.flat(toe, lighter(palette.main, 0.28), shade=0.18)
    stripe = [(-0.5, 0.16), (-0.34, 0.2), (-0.06, 0.42), (-0.14, 0.48), (-0.38, 0.3), (-0.56, 0.22)]
    pen.flat(smooth(stripe), palette.accent)
    for i in range(4):
        x, y = -0.2 + i * 0.105, 0.61 - i * 0.066
        pen.line(
            [(x - 0.06, y - 0.08), (x + 0.06, y + 0.02)], lighter(palette.back, 0.6), width=0.026
        )
    white = lighter(palette.back, 0.7)
    turns = [math.pi * (0.5 + k / 24) for k in range(25)]
    heel = [(-0.71 + 0.075 * math.cos(t), 0.075 + 0.075 * math.sin(t)) for t in turns]
    sole = heel + [(-x, y) for x, y in reversed(heel)]
    pen.flat(sole, white, shade=0.12)
    return 0.78


def _bag(pen: Pen, palette: Palette, _: random.Random) -> float:
    handle = [(-0.2, 0.6), (-0.19, 0.85), (-0.1, 0.98), (0.1, 0.98), (0.19, 0.85), (0.2, 0.6)]
    pen.line(smooth(handle, closed=False), darker(palette.main, 0.35), width=0.05)
    body = smooth(
        [
            (-0.46, 0.03),
            (-0.43, 0.3),
            (-0.37, 0.63),
            (-0.3, 0.67),
            (0.3, 0.67),
            (0.37, 0.63),
            (0.43, 0.3),
            (0.46, 0.03),
            (0.4, 0.0),
            (-0.4, 0.0),
        ]
    )
    pen.canvas.fill(pen.at(body), turned(palette.main, glossy=0.25))
    flap = smooth(
        [(-0.385, 0.66), (0.385, 0.66), (0.36, 0.4), (0.12, 0.3), (-0.12, 0.3), (-0.36, 0.4)]
    )
    pen.canvas.soft(
        pen.at([(x, y - 0.02) for x, y in flap]), palette.deep, blur=pen.height * 0.012, opacity=0.5
    )
    pen.flat(flap, lighter(palette.main, 0.1), shade=0.14)
    pen.line(
        smooth([(-0.35, 0.43), (-0.12, 0.335), (0.12, 0.335), (0.35, 0.43)], closed=False),
        lighter(palette.main, 0.4),
        width=0.007,
    )
    pen.disc(0.35, 0.04, 0.04, darker(palette.accent, 0.15))
    pen.disc(0.355, 0.027, 0.027, lighter(palette.accent, 0.4))
    return 0.46


def _vase(pen: Pen, palette: Palette, rng: random.Random) -> float:
    green = mix((86, 122, 84), palette.deep, 0.2)
    for i in range(5):
        lean = (i - 2) * 0.13 + rng.uniform(-0.05, 0.05)
        tip = 1.0 - abs(i - 2) * 0.07 + rng.uniform(-0.04, 0.04)
        stem = smooth([(0.0, 0.45), (lean * 0.4, 0.62), (lean, tip)], closed=False)
        pen.line(stem, darker(green, 0.2), width=0.011)
        for k in range(4, len(stem), 4):
            x, y = stem[k]
            for side in (-1, 1):
                pen.canvas.fill(
                    pen.at(_leaf(x, y, 0.115, math.pi / 2 - lean - side * 0.85)),
                    lighter(green, 0.08 + 0.22 * (side > 0)),
                )
    pen.round(
        [(0.11, 0.0), (0.14, 0.02), (0.23, 0.2), (0.19, 0.38), (0.085, 0.5), (0.1, 0.56)],
        palette.main,
        glossy=0.4,
    )
    pen.disc(0.56, 0.1, 0.018, darker(palette.main, 0.5))
    return 0.22


def _leaf(x: float, y: float, length: float, angle: float) -> list[Point]:
    c, s = math.cos(angle), math.sin(angle)
    shape = [(0.0, 0.0), (0.35, 0.17), (0.75, 0.12), (1.0, 0.0), (0.75, -0.12), (0.35, -0.17)]
    return smooth(
        [(x + (u * c - v * s) * length, y + (u * s + v * c) * length) for u, v in shape], steps=5
    )


def _candle(pen: Pen, palette: Palette, _: random.Random) -> float:
    pen.round([(0.3, 0.0), (0.33, 0.02), (0.335, 0.68)], palette.main, glossy=0.5)
    pen.disc(0.68, 0.335, 0.06, lighter(palette.main, 0.45))
    pen.disc(0.675, 0.3, 0.048, lighter(palette.back, 0.6))
    x, y = pen.at([(0.0, 0.82)])[0]
    pen.canvas.glow(x, y, pen.height * 0.6, (255, 214, 130), opacity=0.85)
    pen.line([(0.0, 0.68), (0.0, 0.75)], (60, 50, 44), width=0.014)
    pen.canvas.fill(
        pen.at(smooth([(0.0, 0.73), (0.045, 0.79), (0.0, 0.95), (-0.045, 0.79)])),
        [(0.0, (255, 244, 200)), (1.0, (250, 168, 64))],
        vertical=True,
    )
    label = [(-0.335, 0.2), (0.335, 0.2), (0.335, 0.44), (-0.335, 0.44)]
    pen.canvas.fill(pen.at(label), turned(lighter(palette.back, 0.5), glossy=0.3))
    for y, half in ((0.36, 0.13), (0.29, 0.09)):
        pen.line([(-half, y), (half, y)], mix(palette.back, palette.deep, 0.7), width=0.014)
    return 0.34


def _box(pen: Pen, palette: Palette, _: random.Random) -> float:
    pen.flat([(-0.46, 0.1), (0.1, 0.0), (0.1, 0.66), (-0.46, 0.72)], palette.main, shade=0.1)
    pen.flat([(0.1, 0.0), (0.46, 0.14), (0.46, 0.74), (0.1, 0.66)], darker(palette.main, 0.3))
    pen.flat(
        [(-0.46, 0.72), (0.1, 0.66), (0.46, 0.74), (-0.08, 0.81)],
        lighter(palette.main, 0.35),
        shade=0.05,
    )
    pen.flat([(-0.24, 0.061), (-0.12, 0.039), (-0.12, 0.684), (-0.24, 0.697)], palette.accent)
    pen.flat(
        [(-0.24, 0.697), (-0.12, 0.684), (0.25, 0.768), (0.14, 0.782)],
        lighter(palette.accent, 0.3),
        shade=0.05,
    )
    return 0.46


def _perfume(pen: Pen, palette: Palette, _: random.Random) -> float:
    glass = lighter(palette.main, 0.35)
    body = smooth(
        [
            (-0.3, 0.03),
            (-0.3, 0.3),
            (-0.3, 0.6),
            (-0.26, 0.64),
            (0.0, 0.645),
            (0.26, 0.64),
            (0.3, 0.6),
            (0.3, 0.3),
            (0.3, 0.03),
            (0.26, 0.0),
            (-0.26, 0.0),
        ]
    )
    pen.canvas.fill(pen.at(body), turned(glass, glossy=0.7))
    liquid = [(-0.25, 0.06), (0.25, 0.06), (0.25, 0.46), (-0.25, 0.46)]
    pen.canvas.fill(pen.at(liquid), turned(palette.main, glossy=0.4))
    pen.round([(0.09, 0.64), (0.09, 0.72)], (206, 178, 110), glossy=0.7)
    pen.round([(0.14, 0.72), (0.145, 0.74), (0.145, 0.97), (0.13, 1.0)], palette.deep, glossy=0.5)
    pen.flat([(-0.13, 0.18), (0.13, 0.18), (0.13, 0.36), (-0.13, 0.36)], lighter(palette.back, 0.6))
    pen.line([(-0.08, 0.27), (0.08, 0.27)], palette.deep, width=0.012)
    return 0.3


#: A thing draws itself and returns half its foot's width.
Thing = Callable[[Pen, Palette, "random.Random"], float]
#: Things that are wide are drawn smaller: the height of each as a share of the usual one.
THINGS: dict[str, tuple[Thing, float]] = {
    "bottle": (_bottle, 1.0),
    "mug": (_mug, 0.62),
    "lamp": (_lamp, 1.0),
    "chair": (_chair, 0.95),
    "shoe": (_shoe, 0.64),
    "bag": (_bag, 0.86),
    "vase": (_vase, 1.0),
    "candle": (_candle, 0.74),
    "box": (_box, 0.78),
    "perfume": (_perfume, 0.8),
}
WORDS: dict[str, str] = {
    **{name: name for name in THINGS},
    "bottles": "bottle",
    "drink": "bottle",
    "flask": "bottle",
    "wine": "bottle",
    "oil": "bottle",
    "cup": "mug",
    "coffee": "mug",
    "tea": "mug",
    "mugs": "mug",
    "espresso": "mug",
    "lamps": "lamp",
    "light": "lamp",
    "lantern": "lamp",
    "chairs": "chair",
    "armchair": "chair",
    "sofa": "chair",
    "stool": "chair",
    "furniture": "chair",
    "shoes": "shoe",
    "sneaker": "shoe",
    "sneakers": "shoe",
    "trainer": "shoe",
    "boot": "shoe",
    "handbag": "bag",
    "backpack": "bag",
    "bags": "bag",
    "purse": "bag",
    "tote": "bag",
    "flower": "vase",
    "flowers": "vase",
    "plant": "vase",
    "bouquet": "vase",
    "pot": "vase",
    "candles": "candle",
    "jar": "candle",
    "cream": "candle",
    "package": "box",
    "parcel": "box",
    "gift": "box",
    "packaging": "box",
    "cologne": "perfume",
    "fragrance": "perfume",
    "serum": "perfume",
    "cosmetic": "perfume",
}
