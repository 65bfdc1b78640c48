"""Make a small image that bears the AI marking, to see what other software does with it."""

from __future__ import annotations

from PIL import Image

from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging import metadata
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.pipeline import Qualities, encode

#: Formats in which copies of images are placed.
FORMATS = ("png", "jpeg")


def make_sample(name: str) -> bytes:
    """Return a marked image of 64 x 48 pixels in a format, such as `png`."""
    marks = metadata.XmpFields(digital_source_type=GENERATED, ai_system="probe")
    picture = Image.new("RGB", (64, 48), (90, 120, 150))
    return encode(picture, name, marks=marks, qualities=Qualities()).data


def bears_mark(data: bytes) -> bool:
    """Return whether the metadata of a file say that AI made or changed the image."""
    try:
        return bool(metadata.read_xmp(data).digital_source_type)
    except InvalidImage:
        return False
