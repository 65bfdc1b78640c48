"""Turn a stranger's bytes into our own files: a marked master, its renditions, its fingerprint.

Everything is decoded once and encoded anew, so that nothing but pixels comes through. Signing is
not done here: this runs in a child process that knows no key (`isolation.py`).
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from imagegen_app.imaging import colour, containers, metadata, similarity
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage
from imagegen_app.imaging.inspect import FORMATS, Format, ImageLimits, Inspected, open_checked
from imagegen_app.imaging.metadata import XmpFields
from imagegen_app.imaging.similarity import PerceptualHashes

if TYPE_CHECKING:
    from collections.abc import Iterator

#: WebP can be no longer; the other formats can.
MAX_SIDE = 16_383

_EXIF_SOFTWARE = 0x0131
_LARGE = 12_000_000
#: Greys, drawings and halftones have no more; there zlib's search makes files half as large.
_MAX_PALETTE_COLOURS = 4096
_RUNS, _SEARCH = 3, 0


class MarkMissing(Exception):
    """A written mark could not be read back from the encoded file."""


@dataclass(frozen=True, slots=True)
class Qualities:
    """How the files are encoded."""

    #: The master, where its format loses at all.
    master: int = 95
    jpeg: int = 80
    webp: int = 80
    avif: int = 60
    #: 0 (slow, small) to 10 (fast, large).
    avif_speed: int = 8
    #: 0 (fast, large) to 6 (slow, small).
    webp_method: int = 4
    #: 0 to 9. Images of many colours are written with zlib's runs alone, whatever the level: after
    #: PNG's own filters they come out as small as by level 6's search, in a sixth of its time (four
    #: squares of 1024). What repeats itself needs the search: see `_FEW_COLOURS`.
    png_compression: int = 3


@dataclass(frozen=True, slots=True)
class ProcessingOptions:
    """What is to be made of an image."""

    marks: XmpFields
    limits: ImageLimits = field(default_factory=ImageLimits)
    #: The widths of the renditions; none is made larger than the image.
    widths: tuple[int, ...] = (320, 640, 960, 1280, 1920)
    formats: tuple[str, ...] = ("avif", "webp", "jpeg")
    qualities: Qualities = field(default_factory=Qualities)


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """One file that we made, and its facts."""

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
    """All that is made of an image, not yet signed."""

    inspected: Inspected
    master: EncodedFile
    renditions: tuple[EncodedFile, ...]
    fingerprint: PerceptualHashes


def prepare(data: bytes, plan: ProcessingOptions) -> ProcessedImage:
    """Inspect the bytes and make the master, the renditions and the fingerprint.

    :raises InvalidImage: if the bytes are no image that we accept.
    :raises MarkMissing: if a mark cannot be read back from a file that was written.
    """
    raw, inspected = open_checked(data, limits=plan.limits)
    is_lossless = inspected.format == "webp" and containers.is_lossless_webp(data)
    picture = colour.normalise(raw, orientation=inspected.orientation)
    raw.close()
    master = encode(
        picture,
        inspected.format,
        marks=plan.marks,
        qualities=plan.qualities,
        is_master=True,
        is_lossless=is_lossless,
    )
    seen = similarity.perceptual_hashes(picture)
    return ProcessedImage(inspected, master, tuple(_renditions(picture, plan)), seen)


def rendition_sizes(width: int, height: int, widths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the sizes to make, largest first: never larger than the image, never none."""
    sizes = {(w, max(1, round(height * w / width))) for w in widths if 0 < w <= width}
    sizes = {size for size in sizes if max(size) <= MAX_SIDE}
    if not sizes:
        scale = min(1.0, MAX_SIDE / max(width, height))
        sizes = {(max(1, int(width * scale)), max(1, int(height * scale)))}
    return sorted(sizes, reverse=True)


def _renditions(picture: Image.Image, plan: ProcessingOptions) -> Iterator[EncodedFile]:
    for size in rendition_sizes(picture.width, picture.height, plan.widths):
        if size != picture.size:
            # Each from the one before it: a third of the work, and 53 dB from the long way.
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        for name in plan.formats:
            marks = plan.marks.for_derived(f"{name}-{size[0]}")
            yield encode(picture, name, marks=marks, qualities=plan.qualities)


def encode(
    picture: Image.Image,
    name: str,
    *,
    marks: XmpFields,
    qualities: Qualities,
    is_master: bool = False,
    is_lossless: bool = False,
) -> EncodedFile:
    """Write the image with its marks, and read the marks back.

    :raises InvalidImage: if the encoder refuses the image.
    :raises MarkMissing: if the marks cannot be read back.
    """
    kind = FORMATS[name]
    packet = metadata.build_xmp(marks)
    if picture.width * picture.height > _LARGE:
        # A little larger, and five times as fast: 40 megapixels must be done in time.
        qualities = replace(
            qualities,
            webp_method=min(qualities.webp_method, 2),
            avif_speed=max(qualities.avif_speed, 9),
        )
    options = _options(name, qualities, is_master=is_master, is_lossless=is_lossless)
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = metadata.clean(marks.creator_tool, cap=100)
    options["exif"] = exif.tobytes()
    if name == "png":
        # Pillow silently drops `xmp=` for PNG.
        chunk = PngImagePlugin.PngInfo()
        chunk.add_itxt("XML:com.adobe.xmp", packet.decode())
        options["pnginfo"] = chunk
        has_few = picture.getcolors(_MAX_PALETTE_COLOURS) is not None
        options["compress_type"] = _SEARCH if has_few else _RUNS
    else:
        options["xmp"] = packet
    if name == "jpeg":
        picture = colour.flatten(picture)
    data = _write(picture, kind, options)
    if metadata.read_xmp(data) != metadata.parse_xmp(packet):
        raise MarkMissing(f"The marks written into a {kind.media_type} could not be read back.")
    return EncodedFile(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        format=name,
        media_type=kind.media_type,
        extension=kind.extension,
        width=picture.width,
        height=picture.height,
        instance_id=marks.instance_id,
    )


def _write(picture: Image.Image, kind: Format, options: dict[str, Any]) -> bytes:
    attempts = [options]
    if kind.name == "webp" and not options.get("lossless"):
        # 2026-11: large and busy images overflow a table of 512 KB ("encoding error 6"),
        # sooner with the fast methods; more effort, and then less detail, makes them fit.
        attempts.append({**options, "method": max(options["method"], 2)})
        attempts.append({**options, "method": 4, "quality": min(options["quality"], 80)})
    fault: BaseException | None = None
    for attempt in attempts:
        out = io.BytesIO()
        try:
            picture.save(out, kind.pillow, **attempt)
        except MemoryError as error:
            raise InvalidImage("too_much_memory", detail=f"writing {kind.name}") from error
        except PILLOW_ERRORS as error:
            fault = error
        else:
            return out.getvalue()
    raise InvalidImage("not_encodable", detail=f"{kind.name}: {type(fault).__name__}") from fault


def _options(
    name: str, qualities: Qualities, *, is_master: bool, is_lossless: bool
) -> dict[str, Any]:
    """Return the encoder's settings for a format."""
    if name == "png":
        return {"compress_level": qualities.png_compression}
    if name == "jpeg" and is_master:
        return {"quality": qualities.master, "subsampling": "4:4:4", "optimize": True}
    if name == "jpeg":
        return {"quality": qualities.jpeg, "progressive": True, "optimize": True}
    if name == "webp" and is_lossless:
        return {"lossless": True, "quality": 60, "method": qualities.webp_method}
    if name == "webp":
        quality = qualities.master if is_master else qualities.webp
        return {"quality": quality, "method": qualities.webp_method}
    subsampling = "4:4:4" if is_master else "4:2:0"
    quality = qualities.master if is_master else qualities.avif
    return {"quality": quality, "speed": qualities.avif_speed, "subsampling": subsampling}
