"""Decide whether untrusted bytes are an image that we accept, and decode it.

Neither the file's name nor the media type that came with it is trusted. The magic bytes select
the only decoder that is used, our own limits are checked before a pixel is decoded, and every
error of a decoder becomes `InvalidImage`.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from PIL import Image

from imagegen_app.core.failpoints import failpoint
from imagegen_app.imaging import ancillary, containers, decode_limits, profiles
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage

__all__ = ["ImageLimits", "Inspected", "InvalidImage", "inspect", "open_checked", "sniff"]

_HEAD = 4096
#: Where an AVIF says that one of its items is EXIF data.
_AVIF_EXIF = re.compile(rb"(infe[\x02\x03].{7,9}?)Exif", re.DOTALL)
_GREY_MODES = frozenset({"L", "LA", "I", "I;16"})


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Limits of an image that we accept."""

    max_bytes: int = 32 * 1024 * 1024
    #: Width times height.
    max_pixels: int = 40_000_000
    #: The longer side divided by the shorter one.
    max_ratio: float = 40.0
    max_frames: int = 1
    #: Whether HEIC is read, where pillow-heif is installed: for input images only.
    reads_heic: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """One of the four formats that we read and write."""

    #: Our name, as in `ProcessingOptions.formats`.
    name: str
    #: Pillow's name.
    pillow: str
    media_type: str
    extension: str


#: The formats by our name.
FORMATS: dict[str, Format] = {
    "png": Format("png", "PNG", "image/png", "png"),
    "jpeg": Format("jpeg", "JPEG", "image/jpeg", "jpg"),
    "webp": Format("webp", "WEBP", "image/webp", "webp"),
    "avif": Format("avif", "AVIF", "image/avif", "avif"),
}
#: The photographs of many telephones; read as input images only, and never written.
_HEIC = Format("heic", "HEIF", "image/heic", "heic")


@dataclass(frozen=True, slots=True)
class Inspected:
    """The properties of a decoded image."""

    #: `png`, `jpeg`, `webp` or `avif`; of an input image also `heic`.
    format: str
    media_type: str
    extension: str
    #: The stored size, before the EXIF orientation is applied.
    width: int
    height: int
    #: Pillow's name for the kind of pixels, as stored.
    mode: str
    has_alpha: bool
    #: 1 to 8 as in EXIF; 1 is upright.
    orientation: int
    has_exif: bool
    has_xmp: bool
    has_icc: bool
    #: Whether the file seems to contain Content Credentials; only reading them shows it for sure.
    has_credentials: bool
    #: The file's length in bytes.
    size: int


_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
    (b"\0\0\1\0", "ico"),
    (b"\0\0\2\0", "ico"),
    (b"8BPS", "psd"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"%PDF", "pdf"),
    (b"PK\3\4", "archive"),
    (b"PK\5\6", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"Rar!", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"\0\0\0\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"#!", "script"),
    (b"<?php", "script"),
    (b"#EXTM3U", "video"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"FLV", "video"),
)


def sniff(data: bytes) -> str:
    """Return the name of the format that the magic bytes show.

    :raises InvalidImage: if it is none of the four; its reason names the actual format if known.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    for magic, reason in _REFUSED:
        if data.startswith(magic):
            raise InvalidImage(reason)
    raise InvalidImage(_sniff_text(data[:_HEAD]))


def _sniff_brands(data: bytes) -> str:
    length = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12]} | {data[i : i + 4] for i in range(16, max(length, 16), 4)}
    if data[8:12] == b"avis":
        raise InvalidImage("animated")
    if b"avif" in brands:
        return "avif"
    if brands & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}:
        raise InvalidImage("heic")
    raise InvalidImage("video")


def _sniff_text(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head.decode("utf-16", errors="replace")
    else:
        text = head.decode("utf-8", errors="replace")
    text = text.lstrip("\ufeff \t\r\n\0").lower()
    if "%pdf-" in text[:1024]:
        return "pdf"
    if text.startswith("<"):
        for pattern, reason in (
            ("<?php", "script"),
            ("<!doctype html", "html"),
            ("<html", "html"),
            ("<svg", "svg"),
            (":svg", "svg"),
            ("<head", "html"),
            ("<body", "html"),
            ("<script", "html"),
        ):
            if pattern in text:
                return reason
        return "xml" if text.startswith(("<?xml", "<!")) else "html"
    if text.startswith(("{", "[")):
        return "json"
    return "not_an_image"


def inspect(data: bytes, *, limits: ImageLimits) -> Inspected:
    """Decode the image completely and return its properties.

    :raises InvalidImage: if it is not an image that we accept, with the reason.
    """
    return open_checked(data, limits=limits)[1]


def open_checked(data: bytes, *, limits: ImageLimits) -> tuple[Image.Image, Inspected]:
    """Decode the image completely and return it with its properties.

    :raises InvalidImage: if it is not an image that we accept, with the reason.
    """
    if not data:
        raise InvalidImage("empty")
    if len(data) > limits.max_bytes:
        raise InvalidImage("too_large", detail=f"{len(data)} bytes, {limits.max_bytes} allowed")
    kind = _kind(data, limits=limits)
    container = containers.read_container(data, kind.name)
    if container.width and container.height:
        # Checked before Pillow opens the file: its WebP decoder then allocates the whole canvas.
        _check_size(container.width, container.height, limits)
    if container.is_truncated:
        raise InvalidImage("truncated")
    pixels, beside = ancillary.separate(data, kind.name)
    decode_limits.require_decodable(pixels, max_pixels=limits.max_pixels)
    try:
        image = _open(pixels, kind)
    except PILLOW_ERRORS as error:
        raise _translate(error) from error
    if kind.name in {"avif", "heic"}:
        beside = ancillary.of_opened(image, data)
    _check_opened(image, kind, limits)
    # What `colour.normalise` converts from; HDR is refused before it is decoded.
    image.info["icc_profile"] = profiles.profile_of(beside, is_grey=image.mode in _GREY_MODES)
    image.info["xmp"] = beside.xmp
    failpoint("inspect.in_decoder")
    try:
        decode_limits.load_sparingly(image)
    except PILLOW_ERRORS as error:
        raise _translate(error) from error
    # Again, since some decoders correct the size while decoding.
    _check_size(image.width, image.height, limits)
    return image, Inspected(
        format=kind.name,
        media_type=kind.media_type,
        extension=kind.extension,
        width=image.width,
        height=image.height,
        mode=image.mode,
        has_alpha=image.has_transparency_data,
        # The decoder of HEIC has turned the image already.
        orientation=1 if kind.name == "heic" else beside.orientation,
        has_exif=bool(beside.exif),
        has_xmp=bool(beside.xmp),
        has_icc=bool(beside.icc_profile),
        has_credentials=container.has_credentials,
        size=len(data),
    )


def can_read_heic() -> bool:
    """Return whether input images may be HEIC: whether the extra `heif` is installed."""
    return find_spec("pillow_heif") is not None


def _kind(data: bytes, *, limits: ImageLimits) -> Format:
    try:
        return FORMATS[sniff(data)]
    except InvalidImage as error:
        if error.reason != "heic" or not limits.reads_heic:
            raise
    try:
        # Not a dependency: sites that want it install the extra `heif`.
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        raise InvalidImage("heic_reader_missing") from None
    return _HEIC


def _open(data: bytes, kind: Format) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=(kind.pillow,))
    except PILLOW_ERRORS:
        renamed = _AVIF_EXIF.sub(rb"\1skip", data) if kind.name == "avif" else data
        if renamed == data:
            raise
    # Its decoder refuses a file whose EXIF data is damaged; of an unknown type, it is ignored.
    return Image.open(io.BytesIO(renamed), formats=(kind.pillow,))


def _check_opened(image: Image.Image, kind: Format, limits: ImageLimits) -> None:
    if image.format != kind.pillow:
        raise InvalidImage(
            "damaged", detail="the decoder found another format than the magic bytes"
        )
    _check_size(image.width, image.height, limits)
    try:
        frames = int(getattr(image, "n_frames", 1))
    except PILLOW_ERRORS as error:
        raise _translate(error) from error
    # A HEIC of several photographs is read as its main one, as everybody shows it.
    if frames > limits.max_frames and kind is not _HEIC:
        raise InvalidImage("animated", detail=f"{frames} frames")


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1:
        raise InvalidImage("damaged", detail="a side is zero")
    if width * height > limits.max_pixels:
        raise InvalidImage("too_many_pixels", detail=f"{width}x{height}")
    if max(width, height) > limits.max_ratio * min(width, height):
        raise InvalidImage("ratio", detail=f"{width}x{height}")


def _translate(error: BaseException) -> InvalidImage:
    """Convert a decoder's exception to `InvalidImage`."""
    detail = type(error).__name__
    if isinstance(error, MemoryError):
        return InvalidImage("too_much_memory", detail=detail)
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return InvalidImage("too_many_pixels", detail=detail)
    # Pillow has no class for truncated files; this text comes from the library, not from the file.
    if isinstance(error, EOFError) or "truncated" in str(error).lower():
        return InvalidImage("truncated", detail=detail)
    return InvalidImage("damaged", detail=detail)
