"""Say which formats a person may choose input images in."""

from __future__ import annotations

from imagegen_app.imaging.inspect import can_read_heic


def input_formats() -> dict[str, str]:
    """Return the media types of files that are read as input images, each by the format's name."""
    found = {
        "PNG": "image/png",
        "JPEG": "image/jpeg",
        "WebP": "image/webp",
        "AVIF": "image/avif",
    }
    # Only where it is read: a telephone converts its photographs where a form does not ask for it.
    return {**found, "HEIC": "image/heic"} if can_read_heic() else found
