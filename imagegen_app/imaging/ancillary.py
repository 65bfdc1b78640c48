"""Part an image file into what its pixels need and what merely travels with them.

Decoders get the first part only, so that no text, profile or other ancillary data can make them
refuse pixels that are intact. The second part is read here, within limits, and never trusted.
"""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from dataclasses import dataclass, field

from PIL import Image

from imagegen_app.imaging import containers
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage

#: Longer profiles are ignored: those of printing presses have up to 3 MB.
MAX_PROFILE_BYTES = 4 * 1024 * 1024
_MAX_EXIF_BYTES = 1024 * 1024
_MAX_XMP_BYTES = 1024 * 1024

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
#: Ancillary chunks that pixels depend on: transparency, and the frames of animations.
_PIXEL_CHUNKS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
_ANCILLARY_BIT = 0x20
_XMP_IN_PNG = b"XML:com.adobe.xmp\0"
_GAMMA_BYTES, _CHROMATICITIES_BYTES, _CODE_POINTS_BYTES = 4, 32, 4
#: Where the boxes of an AVIF or HEIC are that describe its pixels.
_MAX_BOXES_BYTES = 256 * 1024
_MARKER = 0xFF
_JFIF = b"JFIF\0"
#: Version 1.1, no unit, no thumbnail.
_PLAIN_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_ADOBE_BYTES = 12
#: Frame headers; the tables, intervals and sizes that scans need.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF})
#: Kinds of JPEG that every reader understands: baseline, extended, progressive.
_COMMON_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
#: A marker that is not a restart marker or a stuffed byte: it ends the data of a scan.
_AFTER_SCAN = re.compile(rb"\xff[^\xff\x00\xd0-\xd7]")
#: Any number of bytes that may stand before a marker, and the first byte of the marker.
_FILL = re.compile(rb"\xff+")
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([1-8])")
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Ancillary:
    """The ancillary data of a file that we use or report; untrusted."""

    exif: bytes = field(default=b"", repr=False)
    icc_profile: bytes = field(default=b"", repr=False)
    xmp: bytes = field(default=b"", repr=False)
    #: `gAMA` of a PNG: the exponent of the encoding, such as 0.45455; 0.0 for none.
    gamma: float = 0.0
    #: `cHRM` of a PNG: x and y of white, red, green and blue; empty for none.
    chromaticities: tuple[float, ...] = ()
    #: Whether a PNG says that it is sRGB.
    is_srgb: bool = False
    #: Colour primaries and transfer characteristics as in H.273 (`cICP`, `nclx`); empty for none.
    code_points: tuple[int, ...] = ()

    @property
    def orientation(self) -> int:
        """1 to 8 as in EXIF; 1 where there is no readable orientation."""
        value: object = None
        if self.exif:
            exif = Image.Exif()
            # A damaged EXIF block is discarded like all other metadata of the file.
            with contextlib.suppress(*PILLOW_ERRORS):
                exif.load(self.exif)
                value = exif.get(_ORIENTATION)
        if value is None and (found := _XMP_ORIENTATION.search(self.xmp)):
            value = int(found[1])
        return value if isinstance(value, int) and 1 <= value <= 8 else 1  # noqa: PLR2004 - the EXIF range


def separate(data: bytes, name: str) -> tuple[bytes, Ancillary]:
    """Return a PNG, JPEG or WebP without ancillary data, and the ancillary data.

    A WebP is not shortened: its decoder does not look at what it does not need.

    :raises InvalidImage: if the file has too many parts.
    """
    if name == "png":
        return _png(data)
    if name == "jpeg":
        return _jpeg(data)
    return data, _webp(data) if name == "webp" else Ancillary()


def _png(data: bytes) -> tuple[bytes, Ancillary]:
    kept = [_PNG_MAGIC]
    found: dict[bytes, bytes] = {}
    at = len(_PNG_MAGIC)
    for kind, body in containers.png_chunks(data):
        chunk = data[at : at + 12 + len(body)]
        at += len(chunk)
        is_critical = not kind[0] & _ANCILLARY_BIT
        # The checksums of critical chunks are checked by the decoder.
        if is_critical or _is_intact(chunk):
            if is_critical or kind in _PIXEL_CHUNKS:
                kept.append(chunk)
            elif not (kind == b"iTXt" and not body.startswith(_XMP_IN_PNG)):
                found.setdefault(kind, body)
    chromaticities = found.get(b"cHRM", b"")
    gamma = found.get(b"gAMA", b"")
    code_points = found.get(b"cICP", b"")
    return b"".join(kept), Ancillary(
        exif=found.get(b"eXIf", b"")[:_MAX_EXIF_BYTES],
        icc_profile=_inflated_profile(found.get(b"iCCP", b"")),
        xmp=containers.xmp_packet(data, "png", cap=_MAX_XMP_BYTES) if b"iTXt" in found else b"",
        gamma=int.from_bytes(gamma) / 100_000 if len(gamma) == _GAMMA_BYTES else 0.0,
        chromaticities=tuple(v / 100_000 for v in struct.unpack(">8I", chromaticities))
        if len(chromaticities) == _CHROMATICITIES_BYTES
        else (),
        is_srgb=b"sRGB" in found,
        code_points=tuple(code_points[:2]) if len(code_points) == _CODE_POINTS_BYTES else (),
    )


def _is_intact(chunk: bytes) -> bool:
    return zlib.crc32(memoryview(chunk)[4:-4]) == int.from_bytes(chunk[-4:])


def _inflated_profile(body: bytes) -> bytes:
    """Return the profile in an iCCP chunk; empty if it is damaged or too long."""
    compressed = body.partition(b"\0")[2][1:]
    try:
        profile = zlib.decompressobj().decompress(compressed, MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return b""
    return profile if len(profile) <= MAX_PROFILE_BYTES else b""


class _JpegReader:
    """Walks through the segments of a JPEG up to the end of its first picture."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.kept = [data[:2]]
        self.exif = b""
        self.xmp = b""
        #: The kinds of its frames.
        self.frames: set[int] = set()
        #: Whether it was read up to its end marker.
        self.is_whole = False
        self._profile: dict[int, bytes] = {}

    @property
    def icc_profile(self) -> bytes:
        """The profile, put together from its parts; empty if one is missing."""
        numbers = sorted(self._profile)
        if numbers != list(range(1, len(numbers) + 1)):
            return b""
        profile = b"".join(self._profile[number] for number in numbers)
        return profile if len(profile) <= MAX_PROFILE_BYTES else b""

    def read(self) -> None:
        """Read all segments.

        :raises InvalidImage: if there are too many.
        """
        at = 2
        for _ in range(containers.MAX_PARTS):
            filled = _FILL.match(self._data, at)
            at = self._read_one(filled.end() - 1 if filled else at)
            if not at:
                return
        raise InvalidImage("damaged", detail="too many segments")

    def _read_one(self, at: int) -> int:
        """Read the segment at a position and return that of the next one; 0 after the last."""
        data = self._data
        if at + 2 > len(data) or data[at] != _MARKER:
            # Not a marker: the decoder decides what it makes of the rest.
            self.kept.append(data[at:])
            return 0
        marker = data[at + 1]
        if marker == _EOI:
            self.kept.append(data[at : at + 2])
            self.is_whole = True
            return 0
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end < at + 4 or end > len(data):
            self.kept.append(data[at:])
            return 0
        if marker == _COM or _APP0 <= marker <= _APP15:
            self._read_ancillary(marker, data[at + 4 : end])
            return end
        if marker == _SOS:
            following = _AFTER_SCAN.search(data, end)
            end = following.start() if following else len(data)
        elif marker in _FRAMES:
            self.frames.add(marker)
        elif marker not in _TABLES:
            return end
        self.kept.append(data[at:end])
        return end

    def _read_ancillary(self, marker: int, body: bytes) -> None:
        if marker == _APP0 and body.startswith(_JFIF):
            self.kept.append(_PLAIN_JFIF)
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= _ADOBE_BYTES:
            # Says how the colours are encoded.
            self.kept.append(b"\xff\xee\0\x0e" + body[:_ADOBE_BYTES])
        elif marker == _APP1 and body.startswith(_EXIF):
            self.exif = self.exif or body
        elif marker == _APP1 and body.startswith(_XMP):
            self.xmp = self.xmp or body[len(_XMP) :]
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
            self._profile.setdefault(body[len(_ICC)], body[len(_ICC) + 2 :])


def _jpeg(data: bytes) -> tuple[bytes, Ancillary]:
    reader = _JpegReader(data)
    reader.read()
    return b"".join(reader.kept), Ancillary(
        exif=reader.exif, icc_profile=reader.icc_profile, xmp=reader.xmp
    )


def only_pixels_of_jpeg(data: bytes) -> bytes:
    """Return a JPEG's compressed pixels and nothing else; empty if not every reader takes them.

    :raises InvalidImage: if the file has too many parts.
    """
    reader = _JpegReader(data)
    reader.read()
    is_common = reader.is_whole and len(reader.frames) == 1 and reader.frames <= _COMMON_FRAMES
    return b"".join(reader.kept) if is_common else b""


def _webp(data: bytes) -> Ancillary:
    found: dict[bytes, bytes] = {}
    for kind, body in containers.riff_chunks(data):
        if kind in {b"EXIF", b"ICCP", b"XMP "}:
            found.setdefault(kind, body)
    profile = found.get(b"ICCP", b"")
    return Ancillary(
        exif=found.get(b"EXIF", b"")[:_MAX_EXIF_BYTES],
        icc_profile=profile if len(profile) <= MAX_PROFILE_BYTES else b"",
        xmp=found.get(b"XMP ", b"")[:_MAX_XMP_BYTES],
    )


def of_opened(image: Image.Image, data: bytes) -> Ancillary:
    """Return the ancillary data of an opened AVIF or HEIC, which its decoder has found."""
    found = {name: image.info.get(name) for name in ("exif", "icc_profile", "xmp")}
    known = {name: value for name, value in found.items() if isinstance(value, bytes)}
    profile = known.get("icc_profile", b"")
    at = data.find(b"colrnclx", 0, _MAX_BOXES_BYTES)
    return Ancillary(
        exif=known.get("exif", b"")[:_MAX_EXIF_BYTES],
        icc_profile=profile if len(profile) <= MAX_PROFILE_BYTES else b"",
        xmp=known.get("xmp", b"")[:_MAX_XMP_BYTES],
        # They only say how to decode where there is a profile as well.
        code_points=struct.unpack_from(">2H", data, at + 8)
        if 0 <= at <= len(data) - 12 and not profile
        else (),
    )
