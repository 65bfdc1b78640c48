"""A preview is small, of our own encoding, and holds nothing but pixels."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import ImageLimits
from imagegen_app.imaging.previews import MAX_BYTES, MAX_SIDE, make_preview

LIMITS = ImageLimits()
GPS = 0x8825


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def made(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(make_preview(data, limits=LIMITS)))
    image.load()
    return image


@pytest.mark.parametrize(
    ("size", "expected"),
    [((2048, 1024), (512, 256)), ((300, 700), (219, 512)), ((64, 48), (64, 48)), ((1, 1), (1, 1))],
)
def test_the_longer_side_fits_and_nothing_is_made_larger(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = made(encoded(Image.new("RGB", size, "#a05030")))

    assert (image.format, image.size) == ("WEBP", expected)


def test_transparency_stays(  # where the rest of the picture is not drawn yet
) -> None:
    image = made(encoded(Image.new("RGBA", (600, 600), (255, 0, 0, 0))))

    assert image.mode == "RGBA"
    assert image.getpixel((10, 10))[3] == 0  # type: ignore[index]  # Pillow's stubs


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[GPS] = {1: "N"}
    exif[0x010E] = "a secret place"
    source = encoded(Image.new("RGB", (64, 48)), "JPEG", exif=exif.tobytes(), comment=b"secret")

    preview = make_preview(source, limits=LIMITS)

    assert b"secret" in source
    assert b"secret" not in preview
    assert {b"EXIF", b"XMP ", b"ICCP"}.isdisjoint(preview[i : i + 4] for i in range(len(preview)))


def test_noise_is_kept_within_the_limit() -> None:
    noise = Image.effect_noise((1600, 1600), 120).convert("RGB")

    assert len(make_preview(encoded(noise), limits=LIMITS)) <= MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        encoded(Image.new("RGB", (64, 48)))[:60],
    ],
)
def test_what_is_no_image_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        make_preview(data, limits=LIMITS)


def test_more_pixels_than_the_site_allows_are_refused() -> None:
    with pytest.raises(InvalidImage):
        make_preview(encoded(Image.new("L", (300, 300))), limits=ImageLimits(max_pixels=80_000))


def test_the_limits_are_those_that_pages_are_built_for() -> None:
    assert (MAX_SIDE, MAX_BYTES) == (512, 128 * 1024)
