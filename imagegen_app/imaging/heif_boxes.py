"""Read the declared sizes of AVIF and HEIC files from their boxes, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Items (tiles, alpha planes, metadata) of one file; the largest grids of cameras have about 100.
MAX_ITEMS = 500
_MAX_BOXES = 20_000
_HEAD = 8
_ISPE_LENGTH = 12
#: Bits of `av1C`: more than 8 bits a sample, no colour, chroma at half the width and height.
_DEEP, _GREY, _HALF_WIDTH, _HALF_HEIGHT = 0x40, 0x10, 0x08, 0x04


@dataclass(frozen=True, slots=True)
class HeifBoxes:
    """What the boxes of a file declare."""

    #: Of the largest image in the file, whatever its role: a grid, a tile or an alpha plane.
    width: int = 0
    height: int = 0
    has_alpha: bool = False
    #: Bytes of each pixel in the decoded planes, by depth and chroma.
    plane_bytes: float = 3


def read_boxes(data: bytes) -> HeifBoxes:
    """Return the largest size and the kind of pixels that an AVIF or HEIC declares.

    :raises InvalidImage: if it has too many boxes or items.
    """
    sizes: list[tuple[int, int]] = []
    planes: list[float] = []
    is_deep = False
    has_alpha = False
    for kind, body in _properties(data):
        if kind == b"ispe" and len(body) >= _ISPE_LENGTH:
            sizes.append((int.from_bytes(body[4:8]), int.from_bytes(body[8:12])))
        elif kind == b"auxC":
            has_alpha = has_alpha or body[4:].rstrip(b"\0").endswith((b":alpha", b"auxid:1"))
        elif kind == b"av1C" and len(body) >= 4:  # noqa: PLR2004 - its fixed part
            planes.append(_plane_bytes(body[2]))
            is_deep = is_deep or bool(body[2] & _DEEP)
        elif kind == b"iinf":
            _require_few_items(body)
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    alpha = has_alpha * (2 if is_deep else 1)
    return HeifBoxes(width, height, has_alpha, max(planes, default=3.0) + alpha)


def _plane_bytes(flags: int) -> float:
    """Return the bytes of each pixel by the third byte of a codec configuration box (`av1C`)."""
    samples = 1.0 if flags & _GREY else 3.0
    if flags & _HALF_WIDTH and not flags & _GREY:
        samples = 1.5 if flags & _HALF_HEIGHT else 2.0
    return samples * (2 if flags & _DEEP else 1)


def _require_few_items(body: bytes) -> None:
    count = int.from_bytes(body[4:6]) if body[:1] == b"\0" else int.from_bytes(body[4:8])
    if count > MAX_ITEMS:
        raise InvalidImage("damaged", detail=f"{count} items")


def _properties(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes inside of `meta` that say what the items are."""
    # All boxes together: each holds thousands of others.
    budget = iter(range(_MAX_BOXES))
    for kind, body in _boxes(data, budget):
        if kind != b"meta":
            continue
        # `meta` begins with its version and flags.
        for inner, content in _boxes(body[4:], budget):
            if inner == b"iinf":
                yield inner, content
            elif inner == b"iprp":
                for group, properties in _boxes(content, budget):
                    if group == b"ipco":
                        yield from _boxes(properties, budget)


def _boxes(data: bytes, budget: Iterator[int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the boxes, one after the other.

    :raises InvalidImage: if `budget` ends before they do.
    """
    at = 0
    while at + _HEAD <= len(data):
        if next(budget, None) is None:
            raise InvalidImage("damaged", detail="too many boxes")
        length, head = int.from_bytes(data[at : at + 4]), _HEAD
        kind = data[at + 4 : at + 8]
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if length == 0:
            length = len(data) - at
        if length < head:
            return
        yield kind, data[at + head : at + length]
        at += length
