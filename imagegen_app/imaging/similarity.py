"""Compare images by how they look: perceptual hashes from a cosine transform.

At a distance of up to 8 bits between two 64-bit hashes it is the same image, at 9 to 14 bits
likely the same. All flat images have similar hashes, so they must never count as a match.
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
    """Hashes of how an image looks; those of similar images differ in few bits."""

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
    #: Whether the image has too little contrast to be compared; it never counts as a match.
    is_flat: bool


def perceptual_hashes(image: Image.Image) -> PerceptualHashes:
    """Return the hashes of an image; transparent parts count as white."""
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
    """Return the number of bits in which two hexadecimal hashes differ.

    :raises ValueError: if they differ in length, or are not hexadecimal.
    """
    if len(first) != len(second):
        raise ValueError("hashes of different length cannot be compared")
    return (int(first, 16) ^ int(second, 16)).bit_count()


def _grey(image: Image.Image) -> Image.Image:
    """Return a small square grey version, from which all hashes are computed."""
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
    # Without the first coefficient: it is the mean brightness, not a feature of the image.
    middle = median(flat[1:])
    number = 0
    for value in flat:
        number = number << 1 | (value > middle)
    return f"{number:0{len(flat) // 4}x}"
