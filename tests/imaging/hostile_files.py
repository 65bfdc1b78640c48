"""Make files that cost far more to decode than their bytes suggest; the same ones in every run."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

from PIL import Image

from .sample_images import encoded, png_chunk, seeded_random

#: Just below the limit of 40 megapixels.
SIDE = 6_300
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")


def jpeg_of_scans(count: int, *, side: int = SIDE) -> bytes:
    """Return a progressive JPEG with `count` further scans, which change nothing."""
    data = encoded(Image.new("L", (side, side), 128), "jpeg", progressive=True)
    scan = min(_scans(data), key=len)
    return data[:-2] + scan * count + data[-2:]


def _scans(data: bytes) -> list[bytes]:
    """Return each scan, from its marker to the next one."""
    at, scans = 2, []
    while (found := _MARKER.search(data, at)) and found[1] != b"\xd9":
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
        if found[1] == b"\xda":
            following = _MARKER.search(data, at)
            scans.append(data[found.start() : following.start() if following else len(data)])
    return scans


def jpeg_with_thumbnail_of_scans(count: int) -> bytes:
    """Return a usual JPEG, in whose metadata stands a JPEG with many scans."""
    inner = jpeg_of_scans(count, side=16)
    data = encoded(Image.new("L", (64, 64), 128), "jpeg")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner + data[2:]


def flat(name: str, *, mode: str = "RGB", side: int = SIDE, **options: Any) -> bytes:
    """Return a file of one colour: a few hundred bytes for all its pixels."""
    colour: Any = (120, 40, 20, 128)[: len(mode)] if mode != "L" else 30
    return encoded(Image.new(mode, (side, side), colour), name, **options)


def avif_declaring(width: int, height: int, *, side: int = 64) -> bytes:
    """Return an AVIF whose boxes declare another size than its frames have."""
    data = flat("avif", mode="L", side=side, speed=10)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def avif_of_items(count: int) -> bytes:
    """Return an AVIF that declares a number of items."""
    data = flat("avif", mode="L", side=64, speed=10)
    at = data.index(b"iinf") + 8
    return data[:at] + struct.pack(">H", count) + data[at + 2 :]


def avif_of_boxes(groups: int, count: int) -> bytes:
    """Return an AVIF of many groups of properties, none of which has too many by itself."""
    properties = _box(b"iprp", _box(b"ipco", _box(b"ispe", b"\0" * 12) * count))
    return _box(b"ftyp", b"avif\0\0\0\0mif1avif") + _box(b"meta", b"\0" * 4 + properties) * groups


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def slow_webp(*, width: int = 6_300, height: int = 5_200) -> bytes:
    """Return a lossless WebP of noise in few colours, at the limit of its pixels and bytes."""
    noise = Image.frombytes("L", (width // 4, height // 4), _noise(width // 4 * (height // 4)))
    image = noise.point(lambda value: value & 0xE0).resize(
        (width, height), Image.Resampling.NEAREST
    )
    return encoded(image.convert("RGB"), "webp", lossless=True, quality=0, method=0)


def interlaced_png(*, side: int = SIDE) -> bytes:
    """Return a PNG of zeros that is written in seven passes: one byte for a thousand."""
    row = b"\0" * (1 + 3 * side)
    packed = zlib.compressobj(9)
    # A little more than the seven passes need: each of their rows has a byte of its own.
    body = b"".join(packed.compress(row) for _ in range(side + 4))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", body + packed.flush())
        + png_chunk(b"IEND", b"")
    )


def photograph(name: str, *, mode: str = "RGB", width: int = 7_300, height: int = 5_400) -> bytes:
    """Return an honest image of 39 megapixels with soft detail."""
    options: dict[str, Any] = {
        "jpeg": {"quality": 90},
        "webp": {"quality": 85, "method": 0},
        "png": {"compress_level": 1},
        "avif": {"quality": 75, "speed": 10},
    }[name]
    columns, rows = width // 16, height // 16
    small = Image.frombytes("RGB", (columns, rows), _noise(columns * rows * 3))
    # Soft detail would make a PNG larger than any file may be.
    soft = Image.Resampling.NEAREST if name == "png" else Image.Resampling.BICUBIC
    image = small.resize((width, height), soft)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    return encoded(image, name, **options)


def _noise(length: int) -> bytes:
    return seeded_random(7).randbytes(length)
