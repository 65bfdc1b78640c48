"""Make a small, plain image of an unfinished one that a provider sends while it generates.

Pure functions, to be run in a decoder process: the bytes come from outside.
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from imagegen_app.imaging import sparing
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage
from imagegen_app.imaging.inspect import ImageLimits, open_checked

#: The longer side, in pixels.
MAX_SIDE: Final = 512
MAX_BYTES: Final = 128 * 1024
MEDIA_TYPE: Final = "image/webp"
#: Tried in turn until the file is small enough.
_QUALITIES: Final = (72, 45, 20)


def make_preview(data: bytes, *, limits: ImageLimits) -> bytes:
    """Return an image as a WebP of at most `MAX_SIDE` pixels a side, with nothing but pixels.

    :raises InvalidImage: if it is not an image that we accept, or cannot be made small enough.
    """
    raw, inspected = open_checked(data, limits=limits)
    image = sparing.normalise(raw, orientation=inspected.orientation)
    try:
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BILINEAR)
        image.info = {}
        for quality in _QUALITIES:
            out = io.BytesIO()
            image.save(out, "WEBP", quality=quality, method=2)
            if out.tell() <= MAX_BYTES:
                return out.getvalue()
    except MemoryError as error:
        raise InvalidImage("too_much_memory", detail="a preview") from error
    except PILLOW_ERRORS as error:
        raise InvalidImage("not_encodable", detail=type(error).__name__) from error
    raise InvalidImage("too_large", detail=f"a preview of more than {MAX_BYTES} bytes")
