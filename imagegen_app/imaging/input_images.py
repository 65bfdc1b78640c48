"""Make what is sent to a provider of an input image: upright, 8-bit sRGB, and nothing but pixels.

Pure functions, to be run in a decoder process. Uploads carry the place where a photograph was
taken, serial numbers, comments and further pictures; none of it is needed to edit the image.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops

from imagegen_app.core.source_types import marked_source_type
from imagegen_app.core.types import Size
from imagegen_app.imaging import ancillary, colour, containers, masks, metadata, sparing
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage
from imagegen_app.imaging.inspect import FORMATS, ImageLimits, Inspected, open_checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.capabilities import InputRule
    from imagegen_app.core.mask_drawings import MaskDrawing

#: The quality of a JPEG made of a lossy image, and of those that must become smaller.
_QUALITY, _SMALLER_QUALITIES = 95, (90, 80)
#: How much a side shrinks where a file is still too large, and how often.
_SHRINK, _MAX_SHRINKS = 0.75, 8
#: How far the shape of a mask may differ from that of the picture: less is rounding.
_MAX_SHAPE_DIFFERENCE = 0.02
#: From this orientation on, width and height change places.
_FIRST_TURNED = 5


@dataclass(frozen=True, slots=True)
class NormalisedImage:
    """An input image as it is sent."""

    data: bytes = field(repr=False)
    sha256: str
    media_type: str
    width: int
    height: int
    #: The file that it was made of; the size is the stored one.
    source: Inspected
    #: The source type that the file's own metadata claims, if it marks the image as generated.
    digital_source_type: str = ""


def normalise_picture(data: bytes, *, limits: ImageLimits, rule: InputRule) -> NormalisedImage:
    """Return a picture as a file that the model takes.

    A common JPEG that is upright and sRGB keeps its compressed pixels, and loses all else; every
    other image is encoded anew. It is made smaller if the model's rule asks for it.

    :raises InvalidImage: if it is not an image that we accept.
    """
    raw, inspected = open_checked(data, limits=replace(limits, reads_heic=True))
    claimed = metadata.parse_xmp(raw.info.get("xmp", b"")).digital_source_type
    is_plain = colour.is_plain(raw)
    image = sparing.normalise(raw, orientation=inspected.orientation)
    size = Size(image.width, image.height)
    kept = b""
    if (
        inspected.format == "jpeg"
        and inspected.orientation == 1
        and "jpeg" in rule.formats
        and rule.fitted(size) == size
        and is_plain
    ):
        kept = ancillary.only_pixels_of_jpeg(data)
    if kept and not (rule.max_bytes and len(kept) > rule.max_bytes):
        return _result(kept, "jpeg", size, inspected, claimed)
    is_lossless = inspected.format == "png" or (
        inspected.format == "webp" and containers.is_lossless_webp(data)
    )
    encoded, name, fitted = _encoded(image, rule=rule, is_lossless=is_lossless)
    return _result(encoded, name, fitted, inspected, claimed)


def normalise_mask(
    data: bytes,
    *,
    limits: ImageLimits,
    rule: InputRule,
    picture: NormalisedImage | None,
    drawing: MaskDrawing | None = None,
) -> NormalisedImage:
    """Return a mask as a grey PNG that is as large as the picture, white where it is to be changed.

    In a mask with transparent pixels, these are what is to be changed. It is scaled without
    smoothing, so that an edge stays where it was drawn. A mask that was drawn over the stored
    pixels of a turned photograph is turned with it. `drawing` tells how it was drawn: without data,
    that is all there is of it.

    :raises InvalidImage: if it is not an image that we accept, has another shape, or masks nothing
        or everything.
    """
    if drawing is not None and not data:
        data = masks.drawn(drawing)
    raw, inspected = open_checked(data, limits=replace(limits, reads_heic=True))
    if drawing is not None and drawing.is_from_editor:
        masks.require_as_drawn(raw, drawing)
    area = _upright(_edit_area(raw), inspected.orientation)
    raw.close()
    masks.require_area(area)
    if picture is not None:
        area = _fitted(area, picture, is_turned=inspected.orientation != 1)
    if drawing is not None:
        # The edge was chosen in pixels of the image; what is sent of it may be smaller.
        area = masks.feathered(area, drawing.feather * area.width / drawing.size.width)
    size = Size(area.width, area.height)
    area.info = {}
    encoded = _written(area, "png", {"compress_level": 9})
    if rule.max_bytes and len(encoded) > rule.max_bytes:
        raise InvalidImage("mask_too_large", detail=f"{len(encoded)} bytes")
    return _result(encoded, "png", size, inspected, "")


def _edit_area(image: Image.Image) -> Image.Image:
    """Return a mask's values, which are no colours: no profile is applied to them."""
    try:
        if image.has_transparency_data:
            changed = ImageChops.invert(image.convert("RGBA").getchannel("A"))
            if changed.getbbox() is not None:
                return changed
        return colour.to_eight_bits(image).convert("L")
    except PILLOW_ERRORS as error:
        raise InvalidImage("damaged", detail=type(error).__name__) from error


def _fitted(area: Image.Image, picture: NormalisedImage, *, is_turned: bool) -> Image.Image:
    source = picture.source
    is_over_stored_pixels = (
        not _has_shape(area, picture)
        and not is_turned
        and source.orientation >= _FIRST_TURNED
        and area.size == (source.width, source.height)
    )
    if is_over_stored_pixels:
        area = _upright(area, source.orientation)
    if not _has_shape(area, picture):
        raise InvalidImage("mask_shape", detail=f"{area.width}x{area.height}")
    size = (picture.width, picture.height)
    return area if area.size == size else area.resize(size, Image.Resampling.NEAREST)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    transposition = colour.TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _has_shape(area: Image.Image, picture: NormalisedImage) -> bool:
    ratio = (area.width * picture.height) / (area.height * picture.width)
    return abs(ratio - 1) <= _MAX_SHAPE_DIFFERENCE


def _encoded(image: Image.Image, *, rule: InputRule, is_lossless: bool) -> tuple[bytes, str, Size]:
    """Encode an image within the model's limits, and close it; return file, format and size.

    :raises InvalidImage: if it cannot be made small enough.
    """
    size = rule.fitted(Size(image.width, image.height))
    reason, detail = "too_large", f"{rule.max_bytes} bytes allowed"
    for _ in range(_MAX_SHRINKS):
        if (size.width, size.height) != image.size:
            image = _resized(image, size)
        for name, options in _attempts(image, rule=rule, is_lossless=is_lossless):
            is_to_be_lossless = bool(options.get("lossless"))
            if not sparing.is_within_memory(image, name, is_lossless=is_to_be_lossless):
                reason, detail = "too_much_memory", f"writing {name}"
                continue
            fitting = colour.flatten(image) if name == "jpeg" else image
            try:
                encoded = _written(fitting, name, options)
            except InvalidImage as error:
                # Some encoders take much more memory than others, and have limits of their own.
                # Not the error itself, which would keep this image in memory.
                reason, detail = error.reason, error.detail
                continue
            if not rule.max_bytes or len(encoded) <= rule.max_bytes:
                return encoded, name, size
        size = Size(max(1, int(size.width * _SHRINK)), max(1, int(size.height * _SHRINK)))
    raise InvalidImage(reason, detail=detail)


def _resized(image: Image.Image, size: Size) -> Image.Image:
    """Return the image in another size, and close it; a large one is held twice at most."""
    if image.mode == "RGBA":
        # What Pillow does by itself, but it would keep the first of three.
        premultiplied = image.convert("RGBa")
        image.close()
        image = premultiplied
    resized = image.resize((size.width, size.height), Image.Resampling.LANCZOS)
    image.close()
    return resized.convert("RGBA") if resized.mode == "RGBa" else resized


def _attempts(
    image: Image.Image, *, rule: InputRule, is_lossless: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ways to encode an image for the model, the most faithful first."""
    lossless: list[tuple[str, dict[str, Any]]] = [
        # What Pillow's own default is too, but with a fixed level: the same bytes each time.
        ("png", {"compress_level": 4}),
        ("webp", {"lossless": True, "quality": 50, "method": 2}),
    ]
    lossy: list[tuple[str, dict[str, Any]]] = [
        *(
            # Not optimised: Pillow's buffer for that is too small for images of much noise.
            ("jpeg", {"quality": quality, "subsampling": "4:4:4"})
            for quality in (_QUALITY, *_SMALLER_QUALITIES)
        ),
        ("webp", {"quality": _SMALLER_QUALITIES[0], "method": 2}),
    ]
    if image.mode == "RGBA":
        # A JPEG would lose the transparency: only where the model takes nothing else.
        lossy.sort(key=lambda attempt: attempt[0] == "jpeg")
    ordered = [*lossless, *lossy] if is_lossless or image.mode == "RGBA" else [*lossy, *lossless]
    yield from (attempt for attempt in ordered if attempt[0] in rule.formats)


def _written(image: Image.Image, name: str, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    try:
        image.save(out, FORMATS[name].pillow, **options)
    except MemoryError as error:
        raise InvalidImage("too_much_memory", detail=f"writing {name}") from error
    except PILLOW_ERRORS as error:
        raise InvalidImage("not_encodable", detail=f"{name}: {type(error).__name__}") from error
    return out.getvalue()


def _result(data: bytes, name: str, size: Size, source: Inspected, claimed: str) -> NormalisedImage:
    return NormalisedImage(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=FORMATS[name].media_type,
        width=size.width,
        height=size.height,
        source=source,
        digital_source_type=marked_source_type(claimed),
    )
