"""Name what can be wrong with the bytes of a picture, each with one sentence for a person."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from PIL import Image

from imagegen_app.core.errors import BadResponse

#: Everything that Pillow's decoders were seen to let out on hostile bytes.
PILLOW_FAULTS: tuple[type[BaseException], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    # A warning becomes an exception where warnings are errors.
    Image.DecompressionBombWarning,
    UserWarning,
)

#: Every reason with its sentence.
SENTENCES: dict[str, str] = {
    "empty": "The file is empty.",
    "too_large": "The file is larger than allowed.",
    "too_many_pixels": "The picture has more pixels than allowed.",
    "ratio": "The picture is too long and narrow.",
    "animated": "Animated pictures are not accepted; hand in a single picture.",
    "truncated": "The picture is incomplete: its end is missing.",
    "damaged": "The picture is damaged and cannot be decoded.",
    "too_much_memory": "Decoding the picture needs more memory than allowed.",
    "not_encodable": "The picture could not be written anew within the limits.",
    "decoder_died": "The picture made the decoder stop; it is not accepted.",
    "decoder_timeout": "Decoding the picture took longer than allowed.",
    "not_an_image": "This is not a picture in a known format.",
    "svg": "SVG drawings are not accepted, as they can carry scripts; use PNG, JPEG, WebP or AVIF.",
    "html": "This is a web page, not a picture.",
    "xml": "This is an XML document, not a picture.",
    "json": "This is a JSON document, not a picture.",
    "script": "This is program code, not a picture.",
    "program": "This is a program, not a picture.",
    "gif": "GIF is not accepted; use PNG, JPEG, WebP or AVIF.",
    "tiff": "TIFF is not accepted; use PNG, JPEG, WebP or AVIF.",
    "bmp": "BMP is not accepted; use PNG, JPEG, WebP or AVIF.",
    "ico": "Icon files are not accepted; use PNG, JPEG, WebP or AVIF.",
    "psd": "Photoshop documents are not accepted; use PNG, JPEG, WebP or AVIF.",
    "eps": "PostScript is not accepted; use PNG, JPEG, WebP or AVIF.",
    "pdf": "This is a PDF document; use PNG, JPEG, WebP or AVIF.",
    "archive": "This is an archive, not a picture.",
    "jpeg2000": "JPEG 2000 is not accepted; use PNG, JPEG, WebP or AVIF.",
    "jxl": "JPEG XL is not accepted; use PNG, JPEG, WebP or AVIF.",
    "heic": "HEIC is not accepted; use PNG, JPEG, WebP or AVIF.",
    "video": "This is a video, not a picture.",
    "mpo": "This JPEG holds several pictures (MPO); hand in a single picture.",
}


class BadImage(BadResponse):
    """The bytes are no picture that we accept."""

    code = "bad_image"
    remedy = "Use a single PNG, JPEG, WebP or AVIF picture within the limits."

    def __init__(self, reason: str, *, detail: str = "") -> None:
        super().__init__(SENTENCES.get(reason, SENTENCES["damaged"]), detail=detail)
        #: The stable name of what is wrong: a key of `SENTENCES`.
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.reason,), {"detail": self.detail})
