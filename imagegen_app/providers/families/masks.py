"""Prepare input images and masks for models that lack a native operation.

Our mask has one meaning everywhere: a grey image as large as the image, white where it is to
be changed. A mask whose alpha channel is used is read the other way: transparent is changed.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from imagegen_app.core.errors import InvalidRequest, UnsupportedParameter
from imagegen_app.core.types import InputRole, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.types import ImageInput

#: How a provider marks what is to be changed.
MaskStyle = Literal["alpha", "white", "black"]
_MAX_PIXELS = 40_000_000
_MIDDLE = 128
_FORMATS = ("PNG", "JPEG", "WEBP")
#: What Pillow raises for bytes that are not a valid image.
_DECODING = (OSError, ValueError, SyntaxError, RuntimeError, IndexError, struct.error, MemoryError)


def open_image(data: bytes) -> Image.Image:
    """Decode an input image, upright and with 8 bits a channel.

    :raises InvalidRequest: if it is no PNG, JPEG or WebP, too large or broken.
    """
    try:
        opened = Image.open(io.BytesIO(data), formats=_FORMATS)
        if opened.width * opened.height > _MAX_PIXELS:
            raise InvalidRequest(detail="an input image has too many pixels")
        opened.load()
        image = _eight_bits(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, Image.DecompressionBombError, *_DECODING):
        raise InvalidRequest(detail="an input image cannot be read") from None
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image
    # Pillow's own conversion would clip 16-bit grey at 255 instead of scaling it.
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def edit_area(data: bytes) -> Image.Image:
    """Decode a mask to a grey image, white where the image is to be changed.

    :raises InvalidRequest: if it is no image.
    """
    image = open_image(data)
    if image.mode in {"RGBA", "LA"} or "transparency" in image.info:
        changed = ImageChops.invert(image.convert("RGBA").getchannel("A"))
        if changed.getbbox() is not None:
            return changed
    return image.convert("L")


def encode(data: bytes, *, style: MaskStyle, is_binary: bool = False) -> bytes:
    """Turn our mask into a PNG as a provider reads it.

    `alpha` is transparent where the image is to be changed, `white` white and `black` black there.
    `is_binary` is for providers that take no values in between.

    :raises InvalidRequest: if it is no image.
    """
    area = edit_area(data)
    if is_binary:
        area = area.point(_nearer_end)
    if style == "alpha":
        return png(_with_hole(area))
    return png(area if style == "white" else ImageChops.invert(area))


def is_partial(data: bytes) -> bool:
    """Return whether our mask leaves a part of the image and changes another.

    :raises InvalidRequest: if it is no image.
    """
    lowest, highest = edit_area(data).point(_nearer_end).getextrema()
    return lowest != highest


def _nearer_end(value: int) -> int:
    return 255 if value >= _MIDDLE else 0


def restyled(
    inputs: Sequence[ImageInput], *, style: MaskStyle, is_binary: bool = False
) -> tuple[ImageInput, ...]:
    """Return input images with their masks as a provider reads them; see `encode`.

    :raises InvalidRequest: if a mask is no image.
    """
    return tuple(
        replace(
            one, media_type="image/png", data=encode(one.data, style=style, is_binary=is_binary)
        )
        if one.role is InputRole.MASK
        else one
        for one in inputs
    )


def split(
    inputs: Sequence[ImageInput],
    *,
    style: MaskStyle,
    is_binary: bool = False,
    must_be_partial: bool = False,
) -> tuple[list[ImageInput], ImageInput | None]:
    """Return a call's images, and its mask as a provider reads it; see `encode`.

    `must_be_partial` is for providers that take no mask of the whole image, or of nothing.

    :raises InvalidRequest: if the mask is no image.
    :raises UnsupportedParameter: if it does not mark a part, and must.
    """
    given = [one for one in inputs if one.role is InputRole.MASK]
    if must_be_partial and not all(is_partial(mask.data) for mask in given):
        raise UnsupportedParameter(detail="mask: must mark a part of the image, and not all of it")
    read = restyled(given, style=style, is_binary=is_binary)
    images = [one for one in inputs if one.role is not InputRole.MASK]
    return images, next(iter(read), None)


def padded(data: bytes, *, size: Size, anchor: str = "center") -> tuple[bytes, bytes]:
    """Put an image on a larger transparent canvas; returns the PNG and its alpha mask.

    :raises InvalidRequest: if the image cannot be read or is larger than the canvas.
    """
    image = open_image(data).convert("RGBA")
    left, top = place(Size(image.width, image.height), size=size, anchor=anchor)
    canvas = Image.new("RGBA", (size.width, size.height), (0, 0, 0, 0))
    canvas.paste(image, (left, top))
    area = Image.new("L", canvas.size, 255)
    area.paste(0, (left, top, left + image.width, top + image.height))
    return png(canvas), png(_with_hole(area))


def place(inner: Size, *, size: Size, anchor: str) -> tuple[int, int]:
    """Return where the image goes on the canvas.

    :raises InvalidRequest: if the canvas is smaller.
    """
    if inner.width > size.width or inner.height > size.height:
        raise InvalidRequest(detail="the new size is smaller than the image")
    across, down = size.width - inner.width, size.height - inner.height
    left = {"left": 0, "right": across}.get(anchor, across // 2)
    top = {"top": 0, "bottom": down}.get(anchor, down // 2)
    return left, top


def edges(inner: Size, *, size: Size, anchor: str) -> dict[str, int]:
    """Return by how many pixels an image grows at each edge to fill the canvas.

    :raises InvalidRequest: if the canvas is smaller.
    """
    left, top = place(inner, size=size, anchor=anchor)
    right, bottom = size.width - inner.width - left, size.height - inner.height - top
    return {"left": left, "right": right, "top": top, "bottom": bottom}


def png(image: Image.Image) -> bytes:
    """Encode a PNG, quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _with_hole(area: Image.Image) -> Image.Image:
    hole = Image.new("RGBA", area.size, (0, 0, 0, 255))
    hole.putalpha(ImageChops.invert(area))
    return hole
