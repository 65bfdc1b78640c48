"""Draw, check and soften masks: grey, white where an image is to be changed. Pure functions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageFilter, ImageOps

from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from imagegen_app.core.mask_drawings import MaskDrawing

_WHITE = 255


def drawn(drawing: MaskDrawing) -> bytes:
    """Return a mask as a grey PNG of the image's size, drawn as the words of a drawing say."""
    mask = Image.new("L", (drawing.size.width, drawing.size.height))
    for box in drawing.boxes:
        mask.paste(_WHITE, box)
    if drawing.is_inverted:
        mask = ImageOps.invert(mask)
    out = io.BytesIO()
    mask.save(out, "PNG", compress_level=1)
    return out.getvalue()


def require_as_drawn(mask: Image.Image, drawing: MaskDrawing) -> None:
    """Require that a picture of our editor is what it draws: grey, and of the image's own size.

    :raises InvalidImage: if it is not.
    """
    if mask.mode != "L":
        raise InvalidImage("mask_mode", detail=mask.mode)
    if mask.size != (drawing.size.width, drawing.size.height):
        raise InvalidImage("mask_size", detail=f"{mask.width}x{mask.height} for {drawing.size}")


def require_area(mask: Image.Image) -> None:
    """Require that a mask leaves something to be changed, and something that stays.

    :raises InvalidImage: if it does not.
    """
    darkest, lightest = mask.getextrema()
    if lightest == 0:
        raise InvalidImage("mask_empty")
    if darkest == _WHITE:
        raise InvalidImage("mask_full")


def feathered(mask: Image.Image, sigma: float) -> Image.Image:
    """Return a mask with a soft edge; nothing changes for 0."""
    return mask.filter(ImageFilter.GaussianBlur(sigma)) if sigma > 0 else mask
