"""Generate images, and files that only look like images; the same ones in every run."""

from __future__ import annotations

import io
import random
import struct
import zlib
from dataclasses import replace
from functools import cache
from typing import Any

from PIL import Image, ImageCms, ImageDraw

from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging.metadata import XmpFields
from imagegen_app.imaging.pipeline import ProcessingOptions, Qualities

PILLOW = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
MEDIA_TYPES = {name: f"image/{name}" for name in PILLOW}
FORMATS = tuple(PILLOW)
SENTINEL = b"<script>alert('sentinel-7f3a')</script>"
SPECIAL_TEXT = "Grüße \"<tag>\" & 'quotes' 日本語 🎨"

MARKS = XmpFields(
    digital_source_type=GENERATED,
    ai_system='gpt-image <1> & "co"',
    ai_system_version="2026-10-01",
    creator_tool="imagegen_app 0.1",
    document_id="xmp.did:5d9e",
    instance_id="xmp.iid:77aa",
    prompt=SPECIAL_TEXT,
    prompt_writer="Zoë O'Neill",
    credit="Beispiel & Söhne",
    data_mining_prohibited=True,
    created="2026-11-20T10:00:00Z",
)
#: Small sizes and fast settings: the tests do not depend on them.
OPTIONS = ProcessingOptions(
    marks=MARKS, widths=(32, 64, 128), qualities=Qualities(avif_speed=10, webp_method=0)
)


def seeded_random(seed: int) -> random.Random:
    """Return a random generator that gives the same numbers in every run."""
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


def with_formats(*names: str) -> ProcessingOptions:
    """Return the options with these rendition formats only."""
    return replace(OPTIONS, formats=names)


def picture(
    width: int = 160, height: int = 120, mode: str = "RGB", *, seed: int = 1
) -> Image.Image:
    """Draw an image with different shapes for each seed."""
    generator = seeded_random(seed)
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = generator.randrange(width), generator.randrange(height)
        size = generator.randrange(4, max(5, min(width, height) // 2))
        colour = tuple(generator.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + size, y + size), fill=colour)
    if mode == "RGBA":
        image.putalpha(Image.radial_gradient("L").resize((width, height)))
        return image
    return image.convert(mode)


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    """Encode an image with Pillow."""
    out = io.BytesIO()
    image.save(out, PILLOW.get(name, name), **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """Decode an image."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """Return a PNG from its raw rows; without rows its header declares pixels that are missing."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def webp_declaring(width: int, height: int) -> bytes:
    """Return a WebP whose declared canvas is far larger than its content."""
    extended = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = encoded(picture(16, 16), "webp")[12:]
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + extended + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animated(name: str, *, frames: int = 3) -> bytes:
    """Return an animated image."""
    first, *others = [picture(40, 40, seed=seed) for seed in range(frames)]
    return encoded(first, name, save_all=True, append_images=others, duration=50)


def mpo() -> bytes:
    """Return a JPEG of two images, as some cameras write."""
    return encoded(picture(), "MPO", save_all=True, append_images=[picture(seed=2)])


def sixteen_bit_grey(width: int = 64, height: int = 64) -> bytes:
    """Return a PNG whose grey rises from black at the left to white at the right in 16 bits."""
    row = b"\0" + b"".join(struct.pack(">H", x * 65535 // (width - 1)) for x in range(width))
    return png_of(width, height, depth=16, colour=0, rows=row * height)


def sixteen_bit_colour(width: int = 64, height: int = 64) -> bytes:
    """Return a PNG with 16 bits a channel."""
    pixel = [struct.pack(">HHH", x * 65535 // (width - 1), 0, 65535) for x in range(width)]
    return png_of(width, height, depth=16, colour=2, rows=(b"\0" + b"".join(pixel)) * height)


def palette_with_transparency() -> bytes:
    """Return a PNG with a palette, of which one entry is transparent."""
    image = Image.new("P", (64, 64), 0)
    image.putpalette([255, 0, 0, 0, 255, 0] + [0] * 762)
    image.paste(1, (32, 0, 64, 64))
    return encoded(image, "png", transparency=0)


def with_profile(name: str) -> bytes:
    """Return an image with a colour profile other than sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return encoded(picture(), name, icc_profile=profile.tobytes())


def rotated(orientation: int) -> bytes:
    """Return a JPEG, red at the stored left and blue at the right, with an EXIF orientation."""
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (32, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "jpeg", quality=95, exif=exif.tobytes())


def polyglot(name: str, where: str) -> bytes:
    """Return a valid image that contains data of another kind: after its end, or inside."""
    data = encoded(picture(), name)
    if where == "tail":
        return data + b"PK\x03\x04" + SENTINEL + b"PK\x05\x06" + b"\0" * 18
    if name == "png":
        chunk = png_chunk(b"tEXt", b"Comment\0" + SENTINEL)
        return data[:33] + chunk + data[33:]
    if name == "jpeg":
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(SENTINEL) + 2) + SENTINEL + data[2:]
    return encoded(picture(), name, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + SENTINEL)


#: Files that are refused, by name: the bytes and the expected reason.
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "empty"),
    "random bytes": (seeded_random(3).randbytes(4000), "not_an_image"),
    "plain text": (b"hello", "not_an_image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "svg"),
    "svg with a prologue": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg></svg>', "svg"),
    "svg in utf-16": ("<svg></svg>".encode("utf-16"), "svg"),
    "svg with a prefix": (b'<s:svg xmlns:s="http://www.w3.org/2000/svg"/>', "svg"),
    "html": (b"\n <!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "html"),
    "html fragment": (b"<script>alert(1)</script>", "html"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "xml"),
    "json": (b'{"error": {"message": "no"}}', "json"),
    "php": (b"<?php system($_GET['c']); ?>", "script"),
    "shell": (b"#!/bin/sh\nrm -rf /\n", "script"),
    "elf": (b"\x7fELF\x02\x01\x01" + b"\0" * 60, "program"),
    "gif": (encoded(picture(mode="P"), "GIF"), "gif"),
    "animated gif": (animated("GIF"), "gif"),
    "gif that is javascript": (b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)", "gif"),
    "tiff": (encoded(picture(), "TIFF"), "tiff"),
    "bmp": (encoded(picture(), "BMP"), "bmp"),
    "ico": (encoded(picture(32, 32), "ICO"), "ico"),
    "pdf": (encoded(picture(), "PDF"), "pdf"),
    "pdf after white space": (b"   \n%PDF-1.7\n", "pdf"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "eps"),
    "photoshop": (b"8BPS\0\1" + b"\0" * 30, "psd"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "archive"),
    "gzip": (b"\x1f\x8b\x08\0" + b"\0" * 40, "archive"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "heic"),
    "mp4": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 40, "video"),
    "playlist": (b"#EXTM3U\nhttp://127.0.0.1/\n", "video"),
    "jpeg xl": (b"\xff\x0a" + b"\0" * 40, "jxl"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "jpeg2000"),
    "apng": (animated("png"), "animated"),
    "animated webp": (animated("webp"), "animated"),
    "animated avif": (animated("avif"), "animated"),
    "300 megapixels of png": (png_of(20_000, 15_000), "too_many_pixels"),
    "100 megapixels of png": (png_of(10_000, 10_000), "too_many_pixels"),
    "41 megapixels of png": (png_of(8_200, 5_000), "too_many_pixels"),
    "268 megapixels of webp": (webp_declaring(16_383, 16_383), "too_many_pixels"),
    "1 pixel wide and 41 high": (encoded(Image.new("RGB", (1, 41)), "png"), "ratio"),
    "65,535 pixels wide and 1 high": (png_of(65_535, 1), "ratio"),
    "no width": (png_of(0, 10), "damaged"),
    "png without pixels": (png_of(64, 64), "damaged"),
    "jpeg header and random bytes": (
        b"\xff\xd8\xff\xe0" + seeded_random(5).randbytes(500),
        "damaged",
    ),
    "webp header and random bytes": (
        b"RIFF" + struct.pack("<I", 500) + b"WEBPVP8 " + seeded_random(6).randbytes(492),
        "damaged",
    ),
    "avif header only": (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "damaged"),
    "20,001 chunks": (
        png_of(8, 8)[:33] + png_chunk(b"tEXt", b"a\0b") * 20_001 + png_of(8, 8)[33:],
        "damaged",
    ),
}


def flat(mode: str, colour: Any, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Return an image of one colour."""
    return Image.new(mode, size, colour)


def wide_profile() -> bytes:
    """Return a valid colour profile whose primaries are not those of sRGB: red and blue change."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(raw[128:132])
    tags = {bytes(raw[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    raw[red + 4 : red + 12], raw[blue + 4 : blue + 12] = (
        raw[blue + 4 : blue + 12],
        raw[red + 4 : red + 12],
    )
    # Profiles named sRGB are not applied, so it needs another name.
    return bytes(raw).replace("sRGB".encode("utf-16-be"), "Wide".encode("utf-16-be"))


@cache
def srgb_profile() -> bytes:
    """Return the profile of sRGB itself."""
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """Return a PNG with these chunks after its header."""
    data = encoded(image or picture(), "png")
    return data[:33] + b"".join(chunks) + data[33:]


def compressed_text(size: int) -> bytes:
    """Return a text chunk that inflates to so many bytes, such as a workflow of a node editor."""
    return png_chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"{" * size))


def profile_chunk(profile: bytes, *, name: bytes = b"profile") -> bytes:
    """Return an iCCP chunk."""
    return png_chunk(b"iCCP", name + b"\0\0" + zlib.compress(profile))


def linear_profile_named_srgb() -> bytes:
    """Return a profile of linear light whose description claims that it is sRGB."""
    curve = b"curv" + struct.pack(">III", 0, 0, 0) + bytes(4)
    return _with_curves(srgb_profile(), curve)


def grey_profile(gamma: float) -> bytes:
    """Return a profile of grey with a pure gamma."""
    gray = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">iii", 63_190, 65_536, 54_061)
    start = 128 + 4 + 24
    table = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + 20, len(gray))
    size = start + len(white) + len(gray)
    header = struct.pack(">I4sI4s4s4s", size, b"", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63_190, 65_536, 54_061)
    return header.ljust(128, b"\0") + table + white + gray


def _with_curves(profile: bytes, curve: bytes) -> bytes:
    """Return the profile with another tone curve for red, green and blue."""
    raw = bytearray(profile)
    at = len(raw)
    raw += curve
    for index in range(int.from_bytes(raw[128:132])):
        entry = 132 + 12 * index
        if bytes(raw[entry : entry + 4]) in {b"rTRC", b"gTRC", b"bTRC"}:
            raw[entry + 4 : entry + 12] = struct.pack(">II", at, len(curve))
    raw[:4] = struct.pack(">I", len(raw))
    return bytes(raw)


def photograph(orientation: int = 6, size: tuple[int, int] = (160, 120)) -> bytes:
    """Return a JPEG as a telephone writes it: turned, with a maker, a position and a thumbnail.

    It is red at the stored left and blue at the right.
    """
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "SentinelMaker", "SentinelModel", orientation
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.9), 3: "E", 4: (2.0, 17.0, 40.2), 29: "2026:11:20"}
    exif[0x8769] = {0xA431: "SentinelSerial", 0x927C: b"SentinelMakerNote"}
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>SentinelPerson</dc:creator></x:xmpmeta>'
    profile = srgb_profile().replace(b"lcms", b"sNtl")
    data = encoded(
        image, "jpeg", quality=95, exif=exif.tobytes(), xmp=xmp, icc_profile=profile, dpi=(300, 300)
    )
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10\x1c\x02\x50\0\x0bSentinelPic"
    iptc = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    comment = b"\xff\xfe\0\x12SentinelComment!"
    return data[:2] + iptc + comment + data[2:] + b"SentinelTrailer"


#: What no file may contain that leaves the site or is stored.
PRIVATE = (b"Sentinel", b"Exif", b"8BIM", b"ICC_PROFILE", b"iCCP", b"sNtl", b"adobe", b"http://ns.")
