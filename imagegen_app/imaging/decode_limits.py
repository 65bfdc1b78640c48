"""Bound what decoding a file may cost, by what its structure declares and before it is decoded.

Nothing here decodes pixels: markers, chunks and boxes are walked, in time in proportion to the
file's bytes. The same figures limit the task of a decoder process (`isolation.py`).
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.imaging import containers, heif_boxes
from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

MIB = 1024 * 1024
#: Resident memory of a decoder process, at most, whatever the file.
MAX_MEMORY_BYTES = 512 * MIB
#: Of that, what decoding one image may take, with the copies of its file; the rest is the
#: interpreter and the libraries. 40 megapixels of common JPEG, PNG and AVIF need less, WebP does up
#: to a file of 7 MiB (36 megapixels up to 30 MiB).
MAX_DECODING_BYTES = 472 * MIB
#: Scans of one JPEG. Encoders write at most about 20; each further one costs a pass over all
#: pixels, and an empty one takes only 12 bytes of the file.
MAX_SCANS = 100
#: Tasks for images with more pixels may wait for each other, but nothing small waits for them.
HEAVY_PIXELS = 4_500_000
#: A JPEG with more scans than an encoder writes counts as heavy, however small it is.
_USUAL_SCANS = 24

#: A marker that is neither a restart, nor stuffed data, nor fill: what libjpeg acts on.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_MAX_SEGMENTS = 20_000
#: Deflate makes at most 1032 bytes of one.
_DEFLATE_RATIO = 1032
#: How much longer than its processor time a task may take by the clock.
_BUSY_FACTOR = 5
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class DeclaredImage:
    """What a file declares about its pixels, without any of them being decoded."""

    width: int = 0
    height: int = 0
    #: Passes over all pixels: more than one in a progressive JPEG.
    scans: int = 1
    #: Bytes that the decoder holds for each pixel at its peak, with the decoded image.
    bytes_per_pixel: float = 8
    #: How often the file is held while it is decoded: some decoders copy it.
    copies: int = 1

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """What one task may take in a decoder process."""

    #: Seconds of processor time; the kernel ends the process that exceeds them.
    cpu_seconds: float
    #: Seconds until the parent process stops waiting.
    wall_seconds: float
    #: Bytes of address space beside what the process has already.
    memory: int
    #: Seconds of processor time after which the task is no longer a quick one.
    quick_seconds: float = 1.0
    #: Whether it is expected to take long, so that quick tasks must not wait for it.
    is_heavy: bool = False


def task_limits(data: bytes | None, seconds: float) -> TaskLimits:
    """Return the limits for a task on a file, in proportion to the pixels that it declares.

    `seconds` is the processor time that the largest may take. Raises nothing: whatever cannot be read is
    refused by the decoder process, which needs little for that.
    """
    if data is None:
        return TaskLimits(seconds, _BUSY_FACTOR * seconds, MAX_MEMORY_BYTES)
    try:
        image = declared_image(data)
    except InvalidImage:
        image = DeclaredImage()
    megapixels = image.pixels / 1e6
    # Measured: 0.3 s for each megapixel with all renditions; slow machines get ten times that.
    cpu = min(seconds, 5 + 3 * megapixels)
    return TaskLimits(
        cpu_seconds=cpu,
        # A busy machine gives a decoder, which gives way to all else, a part of a processor.
        wall_seconds=_BUSY_FACTOR * cpu,
        memory=int(min(MAX_MEMORY_BYTES, 128 * MIB + 3 * len(data) + 64 * image.pixels)),
        quick_seconds=0.5 + 0.75 * megapixels,
        is_heavy=image.pixels > HEAVY_PIXELS or image.scans > _USUAL_SCANS,
    )


def declared_image(data: bytes) -> DeclaredImage:
    """Return what a PNG, JPEG, WebP, AVIF or HEIC declares; all zero for other bytes.

    :raises InvalidImage: if it has too many parts, or declares what no decoder should begin with.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return _declared_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _declared_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        size = containers.read_container(data, "webp")
        # libwebp's animation decoder, the only one that Pillow has, holds two canvases and gives
        # out a third one; a plane of alpha is decoded beside them.
        has_alpha = data[12:16] == b"VP8X" and bool(data[20:21] and data[20] & 0x10)
        return DeclaredImage(size.width, size.height, bytes_per_pixel=12 + has_alpha, copies=2)
    if data[4:8] == b"ftyp":
        boxes = heif_boxes.read_boxes(data)
        # The planes and a part of them twice, the interleaved pixels, and the copy of these that
        # the decoder gives out.
        held = boxes.plane_bytes + 0.5 + 2 * (4 if boxes.has_alpha else 3)
        return DeclaredImage(boxes.width, boxes.height, bytes_per_pixel=max(held, 8), copies=2)
    return DeclaredImage()


def require_decodable(data: bytes, *, max_pixels: int) -> None:
    """Refuse a file whose declarations show that decoding it would cost too much.

    :raises InvalidImage: with the reason `too_many_pixels`, `too_many_scans`, `too_much_memory` or
        `damaged`.
    """
    image = declared_image(data)
    if image.pixels > max_pixels:
        raise InvalidImage("too_many_pixels", detail=f"{image.width}x{image.height}")
    if image.scans > MAX_SCANS:
        raise InvalidImage("too_many_scans", detail=f"{image.scans} scans")
    needed = image.pixels * image.bytes_per_pixel + image.copies * len(data)
    if needed > MAX_DECODING_BYTES:
        raise InvalidImage("too_much_memory", detail=f"{math.ceil(needed / MIB)} MiB to decode")


def load_sparingly(image: Image.Image) -> None:
    """Decode the pixels of an opened image, and drop the decoder's own before they are copied."""
    with _decoder_dropped(image):
        image.load()


@contextmanager
def _decoder_dropped(image: Image.Image) -> Iterator[None]:
    """Have a WebP or AVIF image free its decoder before it allocates the pixels.

    Pillow keeps the decoder, with two canvases or all planes, as long as the image. If a version
    of it names things otherwise, nothing changes but the memory that is needed.
    """
    prepare = getattr(image, "load_prepare", None)
    if not hasattr(image, "_decoder") or prepare is None:
        yield
        return

    def prepare_without_decoder() -> None:
        image._decoder = None  # noqa: SLF001 - no public way; see above
        prepare()

    image.load_prepare = prepare_without_decoder  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del image.load_prepare  # type: ignore[attr-defined]


def _declared_jpeg(data: bytes) -> DeclaredImage:
    """Walk all markers, also those between scans, as libjpeg does."""
    width = height = scans = components = 0
    is_progressive = False
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        marker = found[1][0] if found else _END_OF_IMAGE
        if found is None or marker == _END_OF_IMAGE:
            break
        at = found.end()
        body = data[at + 2 : at + 9]
        if marker in _FRAME_HEADERS and not width:
            height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
            components = body[5] if len(body) > 5 else 0  # noqa: PLR2004 - the count of components
            is_progressive = marker in _PROGRESSIVE
        scans += marker == _START_OF_SCAN
        at += int.from_bytes(data[at : at + 2])
    else:
        raise InvalidImage("damaged", detail="too many segments")
    # All coefficients, of two bytes each, are held until the last scan, beside the pixels.
    held = 4 + 2 * min(components, 4) if is_progressive or scans > 1 else 4
    return DeclaredImage(width, height, max(scans, 1), bytes_per_pixel=held)


def _declared_png(data: bytes) -> DeclaredImage:
    width = height = row = compressed = 0
    for kind, body in containers.png_chunks(data):
        if kind == b"IHDR" and not width:
            width, height = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
            bits = body[8] * _PNG_SAMPLES.get(body[9], 1) if len(body) > 9 else 8  # noqa: PLR2004
            row = 1 + math.ceil(width * bits / 8)
        compressed += len(body) if kind == b"IDAT" else 0
    if width and height and row * height > (compressed + 64) * _DEFLATE_RATIO:
        # Refused before the pixels are allocated: so little data cannot contain them.
        raise InvalidImage("damaged", detail="less data than pixels")
    return DeclaredImage(width, height, bytes_per_pixel=4)
