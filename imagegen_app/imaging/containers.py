"""Read sizes, completeness and metadata from PNG, JPEG, WebP and AVIF files, without decoding."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Parts of a file (chunks, segments, boxes), at most.
MAX_PARTS = 20_000
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_IN_PNG = b"XML:com.adobe.xmp\0"
#: The type of the box that holds Content Credentials in AVIF.
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_VP8X_HEAD = 10
_VP8_HEAD = 10
_VP8L_HEAD = 5
_PNG_HEAD = 8


@dataclass(frozen=True, slots=True)
class ContainerInfo:
    """What the structure of a file shows without decoding it."""

    #: In pixels; 0 where only decoding shows the size.
    width: int = 0
    height: int = 0
    #: Whether the file is shorter than its structure requires.
    is_truncated: bool = False
    #: Whether the file seems to contain Content Credentials.
    has_credentials: bool = False


def read_container(data: bytes, name: str) -> ContainerInfo:
    """Read the structure of a file; `name` is its format: `png`, `jpeg`, `webp` or `avif`.

    :raises InvalidImage: if it has more than `MAX_PARTS` parts.
    """
    if name == "png":
        return _read_png(data)
    if name == "webp":
        return _read_webp(data)
    if name == "avif":
        return _read_avif(data)
    # JPEG: Pillow reads the size from the header without decoding, and detects a missing end.
    return ContainerInfo(has_credentials=b"jumb" in data and b"c2pa" in data)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and data of each complete chunk of a PNG, up to IEND.

    :raises InvalidImage: if there are more than `MAX_PARTS` chunks.
    """
    at = _PNG_HEAD
    for _ in range(MAX_PARTS):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            return
        kind = data[at + 4 : at + 8]
        yield kind, data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return
        at += 12 + length
    raise InvalidImage("damaged", detail="too many chunks")


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and data of each complete chunk of a WebP.

    :raises InvalidImage: if there are more than `MAX_PARTS` chunks.
    """
    at, end = 12, min(len(data), int.from_bytes(data[4:8], "little") + 8)
    for _ in range(MAX_PARTS):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 > end or at + 8 + length > end:
            return
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + (length & 1)
    raise InvalidImage("damaged", detail="too many chunks")


def is_lossless_webp(data: bytes) -> bool:
    """Return whether the pixels of a WebP are compressed losslessly."""
    return any(kind == b"VP8L" for kind, _ in riff_chunks(data))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and data of the segments of a JPEG before its first scan."""
    at = 2
    for _ in range(MAX_PARTS):
        if at + 4 > len(data) or data[at] != 0xFF:  # noqa: PLR2004 - starts a marker
            return
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte
            at += 1
            continue
        if marker in {0xD9, 0xDA}:
            return
        length = int.from_bytes(data[at + 2 : at + 4])
        if length < 2 or at + 2 + length > len(data):  # noqa: PLR2004 - the length counts itself
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _read_png(data: bytes) -> ContainerInfo:
    width = height = 0
    ended = credentials = False
    for kind, body in png_chunks(data):
        if kind == b"IHDR" and not width:
            width, height = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
        credentials = credentials or kind == b"caBX"
        ended = kind == b"IEND"
    return ContainerInfo(width, height, is_truncated=not ended, has_credentials=credentials)


def _read_webp(data: bytes) -> ContainerInfo:
    width = height = 0
    credentials = False
    # The first bytes of the first chunk hold the size, whether or not the chunk is complete.
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) >= _VP8X_HEAD:
        width = int.from_bytes(body[4:7], "little") + 1
        height = int.from_bytes(body[7:10], "little") + 1
    elif kind == b"VP8 " and len(body) >= _VP8_HEAD and body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
    elif kind == b"VP8L" and len(body) >= _VP8L_HEAD and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    for kind, _ in riff_chunks(data):
        credentials = credentials or kind == b"C2PA"
    is_truncated = int.from_bytes(data[4:8], "little") + 8 > len(data)
    return ContainerInfo(width, height, is_truncated=is_truncated, has_credentials=credentials)


def _read_avif(data: bytes) -> ContainerInfo:
    at, is_truncated = 0, False
    for _ in range(MAX_PARTS):
        if at >= len(data):
            break
        length, head = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if length == 0:
            # The last box: it extends to the end of the file.
            break
        if length < head or at + length > len(data):
            # Only an incomplete box of a known type counts: other bytes after a file are ignored.
            is_truncated = data[at + 4 : at + 8] in {b"ftyp", b"meta", b"mdat", b"moov", b"uuid"}
            break
        at += length
    return ContainerInfo(is_truncated=is_truncated, has_credentials=C2PA_UUID in data)


def xmp_packet(data: bytes, name: str, *, cap: int) -> bytes:
    """Return the XMP packet of a PNG, JPEG or WebP; empty if there is none or it exceeds the cap.

    `cap` is in bytes.

    :raises InvalidImage: if the file has more than `MAX_PARTS` parts.
    """
    packet = b""
    if name == "png":
        for kind, body in png_chunks(data):
            if kind == b"iTXt" and body.startswith(_XMP_IN_PNG):
                packet = _international_text(body[len(_XMP_IN_PNG) :], cap=cap)
    elif name == "webp":
        for kind, body in riff_chunks(data):
            if kind == b"XMP ":
                packet = body
    elif name == "jpeg":
        for marker, body in jpeg_segments(data):
            if marker == 0xE1 and body.startswith(_XMP_IN_JPEG):  # noqa: PLR2004 - APP1
                packet = body[len(_XMP_IN_JPEG) :]
                break
    return packet if len(packet) <= cap else b""


def _international_text(rest: bytes, *, cap: int) -> bytes:
    """Return the text of an iTXt chunk, given what follows its keyword."""
    compressed = rest[:1] == b"\1"
    # Compression flag and method, then language and translated keyword, each ended by a zero byte.
    parts = rest[2:].split(b"\0", maxsplit=2)
    text = parts[-1] if len(parts) == 3 else b""  # noqa: PLR2004 - language, keyword, text
    if not compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, cap + 1)
    except zlib.error:
        return b""
