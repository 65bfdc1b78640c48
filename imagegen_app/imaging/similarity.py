"""Compare images by how they look: perceptual hashes from a cosine transform.

Distances of the 64-bit hash: up to 8 is the same image, 9 to 14 is likely the same. A flat
image collides with every other flat one, so its hash must never be called a match.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from operator import mul
from statistics import median, pstdev

from PIL import Image

#: Up to this distance of the 64-bit hash it is the same image.
SAME_MAX_DISTANCE = 8
#: Up to this distance of the 64-bit hash it is likely the same image.
LIKELY = 14

_WORKING_SIDE = 256
_FLAT_BELOW = 3.0


@dataclass(frozen=True, slots=True)
class PerceptualHashes:
    """How an image looks, in a form that can be compared."""

    #: 64 bits as 16 hexadecimal digits.
    phash64: str
    #: 256 bits as 64 hexadecimal digits.
    phash256: str
    #: The 64-bit hash of the mirrored image.
    mirrored: str
    #: The 64-bit hash of the middle 90 % of both sides.
    centre90: str
    #: The 64-bit hash of the middle 80 % of both sides.
    centre80: str
    #: Whether there is too little in the image to compare; never call it a match.
    is_flat: bool


def perceptual_hashes(image: Image.Image) -> PerceptualHashes:
    """Return how the image looks; one with alpha is seen on white."""
    small = _grey(image)
    coefficients = _dct(small, side=32, keep=8)
    mirrored = [[-c if u % 2 else c for u, c in enumerate(row)] for row in coefficients]
    return PerceptualHashes(
        phash64=_bits(coefficients),
        phash256=_bits(_dct(small, side=64, keep=16)),
        mirrored=_bits(mirrored),
        centre90=_bits(_dct(small, side=32, keep=8, crop=0.9)),
        centre80=_bits(_dct(small, side=32, keep=8, crop=0.8)),
        is_flat=pstdev(small.resize((64, 64), Image.Resampling.BOX).tobytes()) < _FLAT_BELOW,
    )


def hamming(first: str, second: str) -> int:
    """Return how many bits of two hashes differ.

    :raises ValueError: if they are not of one length, or not hexadecimal.
    """
    if len(first) != len(second):
        raise ValueError("hashes of different length cannot be compared")
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _grey(image: Image.Image) -> Image.Image:
    """Return a small square grey version, the one source of every hash."""
    square = (_WORKING_SIDE, _WORKING_SIDE)
    small = image.resize(square, Image.Resampling.BOX, reducing_gap=2.0)
    if small.mode == "RGBA":
        white = Image.new("RGBA", square, "white")
        small = Image.alpha_composite(white, small)
    return small.convert("RGB").convert("L")


@cache
def _basis(side: int, keep: int) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(math.cos(math.pi * (2 * x + 1) * u / (2 * side)) for x in range(side))
        for u in range(keep)
    )


def _dct(image: Image.Image, *, side: int, keep: int, crop: float = 1.0) -> list[list[float]]:
    """Return the lowest coefficients of the two-dimensional cosine transform."""
    edge = image.width * (1 - crop) / 2
    box = (edge, edge, image.width - edge, image.height - edge)
    pixels = image.resize((side, side), Image.Resampling.BOX, box=box).tobytes()
    waves = _basis(side, keep)
    lines = [pixels[y * side : (y + 1) * side] for y in range(side)]
    across = [[sum(map(mul, wave, line)) for line in lines] for wave in waves]
    return [[sum(map(mul, wave, column)) for column in across] for wave in waves]


def _bits(coefficients: list[list[float]]) -> str:
    flat = [value for row in coefficients for value in row]
    # The first is the mean brightness, which says nothing about the image's shape.
    middle = median(flat[1:])
    number = 0
    for value in flat:
        number = number << 1 | (value > middle)
    return f"{number:0{len(flat) // 4}x}"
