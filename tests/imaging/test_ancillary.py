"""Whatever travels with the pixels never decides about them."""

from __future__ import annotations

import io
import struct
import time

import pytest
from PIL import Image

from imagegen_app.imaging import ancillary, colour, inspect
from imagegen_app.imaging.inspect import ImageLimits, InvalidImage, open_checked
from imagegen_app.imaging.pipeline import prepare

from . import sample_images
from .sample_images import encoded, opened, picture, png_chunk, png_with, with_formats

LIMITS = ImageLimits()


def _jpeg_with(segment: bytes) -> bytes:
    data = encoded(picture(), "jpeg", quality=95)
    return data[:2] + segment + data[2:]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _webp_with(kind: bytes, body: bytes) -> bytes:
    # Pillow writes the extended form, which may have such chunks, as soon as there is a profile.
    data = encoded(picture(), "webp", lossless=True, icc_profile=sample_images.srgb_profile())
    data += kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _avif_with_damaged_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    data = encoded(picture(), "avif", quality=100, exif=exif.tobytes())
    at = data.rfind(b"MM\0*")
    return data[:at] + b"broken!!" + data[at + 8 :]


def _with_wrong_checksum(chunk: bytes) -> bytes:
    return chunk[:-4] + b"\0\0\0\0"


def _gain_map() -> bytes:
    """Return a JPEG with a second picture behind it, as telephones write HDR photographs."""
    out = io.BytesIO()
    picture().save(
        out, "MPO", quality=95, save_all=True, append_images=[Image.linear_gradient("L")]
    )
    return out.getvalue()


HARMLESS = {
    "a text of 2 MB": png_with(sample_images.compressed_text(2 * 2**20)),
    "a text of 200 MB": png_with(sample_images.compressed_text(200 * 2**20)),
    "a text with a wrong checksum": png_with(_with_wrong_checksum(png_chunk(b"tEXt", b"a\0b"))),
    "a text without a keyword": png_with(png_chunk(b"iTXt", b"no end")),
    "a time of the wrong length": png_with(png_chunk(b"tIME", b"1")),
    "a resolution of the wrong length": png_with(png_chunk(b"pHYs", b"1")),
    "a gamma of the wrong length": png_with(png_chunk(b"gAMA", b"1")),
    "primaries of the wrong length": png_with(png_chunk(b"cHRM", b"1")),
    "primaries of zero": png_with(png_chunk(b"cHRM", bytes(32))),
    "a profile of 1 MB": png_with(
        sample_images.profile_chunk(sample_images.srgb_profile().ljust(2**20, b"\0"))
    ),
    "a profile of 100 MB": png_with(sample_images.profile_chunk(bytes(100 * 2**20))),
    "a damaged profile": png_with(png_chunk(b"iCCP", b"a\0\0damaged")),
    "a profile with a wrong checksum": png_with(
        _with_wrong_checksum(sample_images.profile_chunk(sample_images.grey_profile(1.0)))
    ),
    "an unknown chunk": png_with(png_chunk(b"abCd", b"?")),
    "credentials that are none": png_with(png_chunk(b"caBX", b"not a manifest!!")),
    "EXIF that is none": png_with(png_chunk(b"eXIf", b"not exif")),
    "JPEG: EXIF that is none": _jpeg_with(_segment(0xE1, b"Exif\0\0broken")),
    "JPEG: half a profile": _jpeg_with(_segment(0xE2, b"ICC_PROFILE\0\2\2half")),
    "JPEG: an index of pictures that is none": _jpeg_with(_segment(0xE2, b"MPF\0MM\0*\0\0")),
    "JPEG: a damaged Photoshop block": _jpeg_with(_segment(0xED, b"Photoshop 3.0\08BIM\4")),
    "JPEG: another picture behind it": _gain_map(),
    "WebP: EXIF that is none": _webp_with(b"EXIF", b"not exif"),
    "WebP: an unknown chunk": _webp_with(b"????", b"?"),
    "AVIF: EXIF that is none": _avif_with_damaged_exif(),
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_harmless_data_beside_the_pixels_is_dropped(data: bytes) -> None:
    prepared = prepare(data, with_formats("webp"))

    master = opened(prepared.master.data).convert("RGB")
    assert master.size == (160, 120)
    for at in ((3, 3), (80, 60), (156, 116)):
        expected = picture().getpixel(at)
        found = master.getpixel(at)
        assert isinstance(expected, tuple)
        assert isinstance(found, tuple)
        assert max(abs(a - b) for a, b in zip(expected, found, strict=True)) <= 12


def test_the_first_picture_of_several_in_a_jpeg_is_taken() -> None:
    image, inspected = open_checked(sample_images.mpo(), limits=LIMITS)

    assert (image.format, inspected.format) == ("JPEG", "jpeg")
    assert image.tobytes() == opened(encoded(picture(), "jpeg")).tobytes()


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_nothing_private_is_left_beside_the_pixels(name: str) -> None:
    data = sample_images.photograph()
    if name == "png":
        exif = Image.open(io.BytesIO(data)).info["exif"]
        data = encoded(opened(data), "png", exif=exif) + b"SentinelTrailer"

    pixels, _ = ancillary.separate(data, name)

    assert opened(pixels).tobytes() == opened(data).tobytes()
    assert not [private for private in sample_images.PRIVATE if private in pixels]


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_the_orientation_is_read_in_every_format(name: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"

    inspected = inspect.inspect(encoded(picture(), name, exif=exif.tobytes()), limits=LIMITS)

    assert (inspected.orientation, inspected.has_exif) == (6, True)


def test_an_orientation_in_xmp_counts_where_exif_has_none() -> None:
    data = encoded(picture(), "jpeg", xmp=b'<x tiff:Orientation="8"/>')

    assert inspect.inspect(data, limits=LIMITS).orientation == 8


def test_a_jpeg_keeps_its_pixels_where_comments_stand_between_scans() -> None:
    data = encoded(picture(), "jpeg", progressive=True)
    at = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    spoken = data[:at] + _segment(0xFE, b"SentinelComment") + data[at:]

    pixels = ancillary.only_pixels_of_jpeg(spoken)

    assert b"Sentinel" not in pixels
    assert opened(pixels).tobytes() == opened(data).tobytes()


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\1", b"\xff\xd8\xff\xff\xff"]
)
def test_half_a_jpeg_is_no_harm(data: bytes) -> None:
    assert ancillary.only_pixels_of_jpeg(data) == b""
    with pytest.raises(InvalidImage):
        open_checked(data, limits=LIMITS)


def test_a_transparent_grey_of_sixteen_bits_stays_transparent() -> None:
    row = b"\0" + struct.pack(">HH", 65535, 12000) * 16
    plain = sample_images.png_of(32, 32, depth=16, colour=0, rows=row * 32)
    data = plain[:33] + png_chunk(b"tRNS", struct.pack(">H", 12000)) + plain[33:]

    image, inspected = open_checked(data, limits=LIMITS)
    upright = colour.normalise(image, orientation=inspected.orientation)

    assert upright.getpixel((0, 0)) == (255, 255, 255, 255)
    assert upright.getpixel((1, 0)) == (47, 47, 47, 0)


@pytest.mark.parametrize("skipped", [0, 20], ids=["before the scan", "in the scan"])
def test_a_long_run_of_fill_bytes_is_read_in_one_go(skipped: int) -> None:
    data = encoded(picture(), "jpeg")
    at = data.index(b"\xff\xda") + skipped
    started = time.process_time()

    ancillary.only_pixels_of_jpeg(data[:at] + b"\xff" * 300_000 + b"\0" + data[at:])

    assert time.process_time() - started < 0.2
