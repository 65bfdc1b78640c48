"""Read all marking of a file, its Content Credentials and XMP fields, in one call.

What reads them is a C library and a parser: bytes that are not our own are read in a decoder
process, which is handed this function.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagegen_app.imaging.content_credentials import ContentCredentials, read_content_credentials
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.metadata import ReadXmpFields, read_xmp


@dataclass(frozen=True, slots=True)
class Marking:
    """What a file says about itself; untrusted text, cleaned and limited in length."""

    credentials: ContentCredentials
    marks: ReadXmpFields


def read_marking(data: bytes, media_type: str, trust_anchors: str = "") -> Marking:
    """Return the marking of an image file; of a damaged one, what can be read."""
    credentials = read_content_credentials(data, media_type, trust_anchors=trust_anchors)
    try:
        return Marking(credentials, read_xmp(data))
    except InvalidImage as error:
        return Marking(credentials, ReadXmpFields(problem=str(error)))
