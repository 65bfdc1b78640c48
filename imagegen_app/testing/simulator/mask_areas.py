"""Read which area of an image a mask changes, by the meaning that its provider gives it."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image, ImageOps

#: What marks the area to be changed: transparency, white or black.
Polarity = Literal["transparent", "white", "black"]


def changed_area(data: bytes, polarity: Polarity) -> bytes:
    """Return a grey PNG, 255 where the image is to be changed.

    :raises ValueError: if the mask cannot be read.
    """
    try:
        with Image.open(io.BytesIO(data)) as mask:
            if polarity == "transparent":
                area = ImageOps.invert(mask.convert("RGBA").getchannel("A"))
            else:
                area = mask.convert("L")
                area = ImageOps.invert(area) if polarity == "black" else area
    except OSError:
        raise ValueError("a mask cannot be read") from None
    buffer = io.BytesIO()
    area.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
