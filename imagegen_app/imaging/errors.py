"""Define why an image file is not accepted: each reason with a message for people."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from PIL import Image

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.i18n import gettext_noop

#: The exceptions that Pillow's decoders raised in tests with malformed files.
PILLOW_ERRORS: tuple[type[BaseException], ...] = (
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

#: Every reason with its message.
MESSAGES: dict[str, str] = {
    "empty": gettext_noop("The file is empty."),
    "too_large": gettext_noop("The file is larger than allowed."),
    "too_many_pixels": gettext_noop("The image has more pixels than allowed."),
    "ratio": gettext_noop("The image is too long and narrow."),
    "animated": gettext_noop("Animated images are not accepted; upload a single image."),
    "truncated": gettext_noop("The image is incomplete: its end is missing."),
    "damaged": gettext_noop("The image is damaged and cannot be decoded."),
    "too_much_memory": gettext_noop(
        "Decoding the image needs more memory than allowed; make it smaller, or save it as JPEG or "
        "PNG."
    ),
    "too_many_scans": gettext_noop(
        "The JPEG has more scans than any encoder writes; save it again as a usual JPEG."
    ),
    "not_encodable": gettext_noop("The image could not be re-encoded within the limits."),
    "decoder_died": gettext_noop("The image crashed the decoder; it is not accepted."),
    "decoder_timeout": gettext_noop(
        "Decoding the image took longer than allowed; make it smaller, or save it again."
    ),
    "decoder_busy": gettext_noop(
        "The server is checking other images at the moment; try again in a minute."
    ),
    "not_an_image": gettext_noop("This is not an image in a known format."),
    "svg": gettext_noop(
        "SVG drawings are not accepted because they can contain scripts; use PNG, JPEG, WebP or "
        "AVIF."
    ),
    "html": gettext_noop("This is a web page, not an image."),
    "xml": gettext_noop("This is an XML document, not an image."),
    "json": gettext_noop("This is a JSON document, not an image."),
    "script": gettext_noop("This is program code, not an image."),
    "program": gettext_noop("This is a program, not an image."),
    "gif": gettext_noop("GIF is not accepted; use PNG, JPEG, WebP or AVIF."),
    "tiff": gettext_noop("TIFF is not accepted; use PNG, JPEG, WebP or AVIF."),
    "bmp": gettext_noop("BMP is not accepted; use PNG, JPEG, WebP or AVIF."),
    "ico": gettext_noop("Icon files are not accepted; use PNG, JPEG, WebP or AVIF."),
    "psd": gettext_noop("Photoshop documents are not accepted; use PNG, JPEG, WebP or AVIF."),
    "eps": gettext_noop("PostScript is not accepted; use PNG, JPEG, WebP or AVIF."),
    "pdf": gettext_noop("This is a PDF document; use PNG, JPEG, WebP or AVIF."),
    "archive": gettext_noop("This is an archive, not an image."),
    "jpeg2000": gettext_noop("JPEG 2000 is not accepted; use PNG, JPEG, WebP or AVIF."),
    "jxl": gettext_noop("JPEG XL is not accepted; use PNG, JPEG, WebP or AVIF."),
    "heic": gettext_noop("HEIC is not accepted; use PNG, JPEG, WebP or AVIF."),
    "heic_reader_missing": gettext_noop(
        "This site cannot read HEIC; install the extra “heif” of imagegen-app, or use PNG, JPEG,"
        " WebP or AVIF."
    ),
    "mask_shape": gettext_noop(
        "The mask has other proportions than the image; draw it over the whole image."
    ),
    "mask_size": gettext_noop(
        "The mask is not as large as the image that it was drawn over; draw it again."
    ),
    "mask_mode": gettext_noop("The mask is not a grey picture; draw it again."),
    "mask_empty": gettext_noop(
        "Nothing is masked: mark what is to be changed, or choose another operation."
    ),
    "mask_full": gettext_noop(
        "The whole image is masked: leave something that stays, or make a new image."
    ),
    "mask_too_large": gettext_noop(
        "The mask's file is larger than the model accepts; draw it with fewer details."
    ),
    "hdr_pq": gettext_noop("HDR images (PQ) are not accepted; save the image without HDR."),
    "hdr_hlg": gettext_noop("HDR images (HLG) are not accepted; save the image without HDR."),
    "video": gettext_noop("This is a video, not an image."),
}


class InvalidImage(BadResponse):
    """The file is not an image that we accept.

    On a job it is always the provider's file: one that is handed in is refused before there is a job.
    """

    code = "bad_image"

    def __init__(self, reason: str, *, detail: str = "") -> None:
        super().__init__(MESSAGES.get(reason, MESSAGES["damaged"]), detail=detail or reason)
        #: A stable name for the reason: a key of `MESSAGES`.
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.reason,), {"detail": self.detail})
