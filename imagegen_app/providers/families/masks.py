"""Prepare input images and masks for models that lack a native operation.

Our mask has one meaning everywhere: a grey image as large as the image, white where it is to
be changed. A mask whose alpha channel is used is read the other way: transparent is changed.
"""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import Size

_MAX_PIXELS = 40_000_000
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
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        changed = ImageChops.invert(image.convert("RGBA").getchannel("A"))
        if changed.getbbox() is not None:
            return changed
    return image.convert("L")


def alpha_mask(data: bytes) -> bytes:
    """Turn our mask into a PNG that is transparent where the image is to be changed.

    :raises InvalidRequest: if it is no image.
    """
    return png(_with_hole(edit_area(data)))


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


def png(image: Image.Image) -> bytes:
    """Encode a PNG, quickly."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _with_hole(area: Image.Image) -> Image.Image:
    hole = Image.new("RGBA", area.size, (0, 0, 0, 255))
    hole.putalpha(ImageChops.invert(area))
    return hole
