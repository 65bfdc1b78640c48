"""Convert untrusted image bytes to our own files: a marked master, renditions, perceptual hashes.

The image is decoded once and encoded again, so that nothing but its pixels remains. Signing is
not done here: this code runs in a decoder process that has no key (`isolation.py`).
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from imagegen_app.imaging import colour, containers, metadata, similarity, sparing
from imagegen_app.imaging.dominant_colour import dominant_colour
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage
from imagegen_app.imaging.inspect import FORMATS, Format, ImageLimits, Inspected, open_checked
from imagegen_app.imaging.metadata import XmpFields
from imagegen_app.imaging.similarity import PerceptualHashes

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest side of a rendition in pixels: the limit of WebP, the strictest of the formats.
MAX_SIDE = 16_383

_EXIF_SOFTWARE = 0x0131
#: Images with more pixels are encoded with faster settings.
_LARGE_PIXELS = 12_000_000
#: For a PNG with at most this many colours (greys, drawings, halftones) zlib's full search is
#: used: it makes such files half as large.
_MAX_SEARCHED_COLOURS = 4096
#: zlib strategies: `Z_RLE` (runs only) and `Z_DEFAULT_STRATEGY` (full search).
_RUNS, _SEARCH = 3, 0


class MarkMissing(Exception):
    """The XMP metadata could not be read back from the encoded file."""


@dataclass(frozen=True, slots=True)
class Qualities:
    """Encoder settings; the qualities are from 0 to 100."""

    #: The master, unless its format is lossless.
    master: int = 95
    jpeg: int = 80
    webp: int = 80
    avif: int = 60
    #: 0 (slow, small) to 10 (fast, large).
    avif_speed: int = 8
    #: 0 (fast, large) to 6 (slow, small).
    webp_method: int = 4
    #: zlib's level, 0 to 9; only for images with few colours, see `_MAX_SEARCHED_COLOURS`.
    #: Others use zlib's run-length strategy: after PNG's filters it gives files as small as level 6
    #: in a sixth of the time (measured with four images of 1024 x 1024 pixels).
    png_compression: int = 3


@dataclass(frozen=True, slots=True)
class ProcessingOptions:
    """Which files are to be made from an image."""

    marks: XmpFields
    limits: ImageLimits = field(default_factory=ImageLimits)
    #: The widths of the renditions in pixels; those larger than the image are left out.
    widths: tuple[int, ...] = (320, 640, 960, 1280, 1920)
    formats: tuple[str, ...] = ("avif", "webp", "jpeg")
    qualities: Qualities = field(default_factory=Qualities)


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """One encoded file and its properties."""

    data: bytes = field(repr=False)
    sha256: str
    #: `png`, `jpeg`, `webp` or `avif`.
    format: str
    media_type: str
    extension: str
    width: int
    height: int
    instance_id: str


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """All files made from an image, not signed yet."""

    inspected: Inspected
    master: EncodedFile
    renditions: tuple[EncodedFile, ...]
    fingerprint: PerceptualHashes
    #: The code of the colour that it is found by.
    colour: str


def prepare(data: bytes, options: ProcessingOptions) -> ProcessedImage:
    """Inspect the bytes and make the master, the renditions and the perceptual hashes.

    :raises InvalidImage: if the bytes are not an image that we accept.
    :raises MarkMissing: if the metadata cannot be read back from a file that was written.
    """
    raw, inspected = open_checked(data, limits=options.limits)
    is_lossless = inspected.format == "webp" and containers.is_lossless_webp(data)
    image = sparing.normalise(raw, orientation=inspected.orientation)
    # The master is written last: resizing holds two images of this size, and a large master is as
    # large as a third one.
    hashes = similarity.perceptual_hashes(image)
    found_by = dominant_colour(image).value
    renditions = tuple(_renditions(image, options))
    master = encode(
        image,
        sparing.master_format(image, inspected.format, is_lossless=is_lossless),
        marks=options.marks,
        qualities=options.qualities,
        is_master=True,
        is_lossless=is_lossless,
    )
    return ProcessedImage(inspected, master, renditions, hashes, found_by)


def rendition_sizes(width: int, height: int, widths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the sizes of the renditions, largest first.

    Widths larger than the image are left out; if none remains, the only size is that of the image.
    """
    sizes = {(w, max(1, round(height * w / width))) for w in widths if 0 < w <= width}
    sizes = {size for size in sizes if max(size) <= MAX_SIDE}
    if not sizes:
        scale = min(1.0, MAX_SIDE / max(width, height))
        sizes = {(max(1, int(width * scale)), max(1, int(height * scale)))}
    return sorted(sizes, reverse=True)


def _renditions(image: Image.Image, options: ProcessingOptions) -> Iterator[EncodedFile]:
    for size in rendition_sizes(image.width, image.height, options.widths):
        if size != image.size:
            # Each from the next larger one: a third of the work of resizing the master each time,
            # with a difference that nobody sees (PSNR 53 dB).
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        # Sizes that no screen needs may be left out in the formats whose encoders would take more
        # memory than a decoder process has.
        names = [n for n in options.formats if sparing.is_within_memory(image, n)]
        for name in names or ["jpeg"]:
            marks = options.marks.for_derived(f"{name}-{size[0]}")
            yield encode(image, name, marks=marks, qualities=options.qualities)


def encode(
    image: Image.Image,
    name: str,
    *,
    marks: XmpFields,
    qualities: Qualities,
    is_master: bool = False,
    is_lossless: bool = False,
) -> EncodedFile:
    """Encode the image with its XMP metadata, and check that the metadata can be read back.

    `name` is the format: `png`, `jpeg`, `webp` or `avif`.

    :raises InvalidImage: if the encoder refuses the image.
    :raises MarkMissing: if the metadata cannot be read back.
    """
    kind = FORMATS[name]
    packet = metadata.build_xmp(marks)
    is_large = image.width * image.height > _LARGE_PIXELS
    if is_large:
        # Slightly larger files, but five times as fast: 40 megapixels must not exceed the time-out.
        qualities = replace(
            qualities,
            webp_method=min(qualities.webp_method, 2),
            avif_speed=max(qualities.avif_speed, 9),
        )
    options = _options(
        name, qualities, is_master=is_master, is_lossless=is_lossless, is_large=is_large
    )
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = metadata.clean(marks.creator_tool, cap=100)
    options["exif"] = exif.tobytes()
    if name == "png":
        # Pillow silently ignores `xmp=` for PNG.
        chunk = PngImagePlugin.PngInfo()
        chunk.add_itxt("XML:com.adobe.xmp", packet.decode())
        options["pnginfo"] = chunk
        has_few_colours = image.getcolors(_MAX_SEARCHED_COLOURS) is not None
        options["compress_type"] = _SEARCH if has_few_colours else _RUNS
    else:
        options["xmp"] = packet
    if name == "jpeg":
        image = colour.flatten(image)
    data = _write(image, kind, options)
    if metadata.read_xmp(data) != metadata.parse_xmp(packet):
        raise MarkMissing(f"The metadata of a new {kind.media_type} file could not be read back.")
    return EncodedFile(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        format=name,
        media_type=kind.media_type,
        extension=kind.extension,
        width=image.width,
        height=image.height,
        instance_id=marks.instance_id,
    )


def _write(image: Image.Image, kind: Format, options: dict[str, Any]) -> bytes:
    attempts = [options]
    if kind.name == "webp" and not options.get("lossless"):
        # libwebp's first partition is limited to 512 KB ("encoding error 6", seen 2026-11): large
        # images with much detail exceed it, with fast methods first. A slower method, and then
        # a lower quality, make it smaller.
        attempts.append({**options, "method": max(options["method"], 2)})
        attempts.append({**options, "method": 4, "quality": min(options["quality"], 80)})
    if kind.name == "jpeg":
        # Both need a buffer for the whole file, and Pillow's is too small for much noise.
        plain = {k: v for k, v in options.items() if k not in {"optimize", "progressive"}}
        attempts.append(plain)
    last_error: BaseException | None = None
    for attempt in attempts:
        out = io.BytesIO()
        try:
            image.save(out, kind.pillow, **attempt)
        except MemoryError as error:
            raise InvalidImage("too_much_memory", detail=f"writing {kind.name}") from error
        except PILLOW_ERRORS as error:
            last_error = error
        else:
            return out.getvalue()
    detail = f"{kind.name}: {type(last_error).__name__}"
    raise InvalidImage("not_encodable", detail=detail) from last_error


def _options(
    name: str, qualities: Qualities, *, is_master: bool, is_lossless: bool, is_large: bool
) -> dict[str, Any]:
    """Return the encoder's settings for a format."""
    if name == "png":
        return {"compress_level": qualities.png_compression}
    if name == "jpeg" and is_master:
        return {"quality": qualities.master, "subsampling": "4:4:4", "optimize": not is_large}
    if name == "jpeg":
        return {"quality": qualities.jpeg, "progressive": not is_large, "optimize": not is_large}
    if name == "webp" and is_lossless:
        return {"lossless": True, "quality": 60, "method": qualities.webp_method}
    if name == "webp":
        quality = qualities.master if is_master else qualities.webp
        return {"quality": quality, "method": qualities.webp_method}
    subsampling = "4:4:4" if is_master else "4:2:0"
    quality = qualities.master if is_master else qualities.avif
    return {"quality": quality, "speed": qualities.avif_speed, "subsampling": subsampling}
