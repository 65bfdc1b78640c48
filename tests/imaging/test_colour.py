"""Every kind of pixels becomes sRGB; the expected levels are computed here, without a library."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from PIL import Image

from imagegen_app.imaging import colour
from imagegen_app.imaging.inspect import ImageLimits, InvalidImage, open_checked

from . import sample_images
from .sample_images import encoded, flat, png_chunk, png_with, profile_chunk

#: Display P3 to sRGB in linear light, as CSS Color 4 has it.
P3_TO_SRGB = (
    (1.2249401763, -0.2249401763, 0.0),
    (-0.0420569547, 1.0420569547, 0.0),
    (-0.0196375546, -0.0786360456, 1.0982736001),
)


def linear(level: float) -> float:
    value = level / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def srgb(light: float) -> int:
    light = min(1.0, max(0.0, light))
    return round(
        255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    )


def from_p3(pixel: tuple[int, int, int]) -> tuple[int, ...]:
    light = [linear(level) for level in pixel]
    return tuple(srgb(sum(a * b for a, b in zip(row, light, strict=True))) for row in P3_TO_SRGB)


def converted(data: bytes) -> Image.Image:
    image, inspected = open_checked(data, limits=ImageLimits())
    return colour.normalise(image, orientation=inspected.orientation)


def is_near(found: Any, expected: tuple[int, ...], *, within: int = 2) -> bool:
    return all(abs(a - b) <= within for a, b in zip(found, expected, strict=True))


def grey_and_alpha(level: int, alpha: int) -> Image.Image:
    return Image.merge("LA", (flat("L", level), flat("L", alpha)))


def test_a_profile_is_judged_by_its_content_and_not_by_its_name() -> None:
    chunk = profile_chunk(sample_images.linear_profile_named_srgb(), name=b"sRGB")

    image = converted(png_with(chunk, image=flat("RGB", (55, 128, 200))))

    expected = tuple(srgb(level / 255) for level in (55, 128, 200))
    assert is_near(image.getpixel((9, 9)), expected)


@pytest.mark.parametrize("level", [20, 55, 128, 230])
def test_grey_with_alpha_is_converted_by_a_profile_of_grey(level: int) -> None:
    chunk = profile_chunk(sample_images.grey_profile(1.0))

    image = converted(png_with(chunk, image=grey_and_alpha(level, 100)))

    expected = srgb(level / 255)
    assert is_near(image.getpixel((9, 9)), (expected, expected, expected, 100))


def test_sixteen_bit_grey_is_converted_by_a_profile_before_it_loses_bits() -> None:
    chunk = profile_chunk(sample_images.grey_profile(1.0))
    image = Image.frombytes("I;16", (64, 64), struct.pack("<H", 300) * 64 * 64)

    dark = converted(png_with(chunk, image=image))

    # With 8 bits it would be level 1, which is light of 1/255 and not of 300/65535.
    assert is_near(dark.getpixel((9, 9)), (srgb(300 / 65535),) * 3, within=1)


@pytest.mark.parametrize("raw", [0, 12000, 33072, 65535])
def test_sixteen_bit_grey_is_scaled(raw: int) -> None:
    image = Image.frombytes("I;16", (64, 64), struct.pack("<H", raw) * 64 * 64)

    assert converted(encoded(image, "png")).getpixel((9, 9)) == (round(raw / 257),) * 3


@pytest.mark.parametrize(
    ("exponent", "is_changed"), [(100_000, True), (55_556, True), (45_455, False), (45_000, False)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_gamma_is_converted_unless_it_is_that_of_srgb(
    exponent: int, is_changed: bool, mode: str
) -> None:
    level = 55
    chunk = png_chunk(b"gAMA", struct.pack(">I", exponent))

    image = converted(png_with(chunk, image=flat(mode, level if mode == "L" else (level,) * 3)))

    light = (level / 255) ** (100_000 / exponent)
    assert is_near(image.getpixel((9, 9)), (srgb(light) if is_changed else level,) * 3)


def test_a_chunk_that_says_srgb_goes_before_a_gamma() -> None:
    chunks = (png_chunk(b"sRGB", b"\0"), png_chunk(b"gAMA", struct.pack(">I", 100_000)))

    image = converted(png_with(*chunks, image=flat("RGB", (55, 55, 55))))

    assert image.getpixel((9, 9)) == (55, 55, 55)


def test_primaries_are_converted() -> None:
    corners = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    chunk = png_chunk(b"cHRM", struct.pack(">8I", *corners))

    image = converted(png_with(chunk, image=flat("RGB", (200, 100, 50))))

    assert is_near(image.getpixel((9, 9)), from_p3((200, 100, 50)))


@pytest.mark.parametrize("pixel", [(200, 100, 50), (128, 128, 128), (30, 200, 90)])
def test_code_points_of_display_p3_are_converted_and_go_before_a_profile(
    pixel: tuple[int, int, int],
) -> None:
    chunks = (
        png_chunk(b"cICP", bytes((12, 13, 0, 1))),
        profile_chunk(sample_images.linear_profile_named_srgb()),
    )

    image = converted(png_with(*chunks, image=flat("RGB", pixel)))

    assert is_near(image.getpixel((9, 9)), from_p3(pixel))


@pytest.mark.parametrize("code_points", [(2, 2, 0, 1), (99, 13, 0, 1), (12, 99, 0, 1)])
def test_unknown_code_points_are_ignored(code_points: tuple[int, ...]) -> None:
    chunk = png_chunk(b"cICP", bytes(code_points))

    image = converted(png_with(chunk, image=flat("RGB", (200, 100, 50))))

    assert image.getpixel((9, 9)) == (200, 100, 50)


@pytest.mark.parametrize(("transfer", "reason"), [(16, "hdr_pq"), (18, "hdr_hlg")])
def test_hdr_is_refused_by_its_name(transfer: int, reason: str) -> None:
    data = png_with(png_chunk(b"cICP", bytes((9, transfer, 0, 1))))

    with pytest.raises(InvalidImage) as caught:
        open_checked(data, limits=ImageLimits())

    assert caught.value.reason == reason
    assert reason.removeprefix("hdr_").upper() in str(caught.value)


def test_hdr_in_an_avif_is_refused_too() -> None:
    data = encoded(flat("RGB", (9, 9, 9)), "avif")
    at = data.index(b"colrnclx") + 8

    with pytest.raises(InvalidImage) as caught:
        open_checked(data[:at] + b"\0\x09\0\x10" + data[at + 4 :], limits=ImageLimits())

    assert caught.value.reason == "hdr_pq"


def test_code_points_in_an_avif_are_converted() -> None:
    data = encoded(flat("RGB", (200, 100, 50)), "avif", quality=100, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8

    image = converted(data[:at] + b"\0\x0c\0\x0d" + data[at + 4 :])

    assert is_near(image.getpixel((9, 9)), from_p3((200, 100, 50)), within=4)


@pytest.mark.parametrize(
    "inks", [(20, 204, 204, 0), (0, 0, 0, 0), (255, 0, 0, 128), (10, 60, 90, 200)]
)
def test_cmyk_without_a_profile_is_converted_by_the_usual_formula(inks: tuple[int, ...]) -> None:
    data = encoded(flat("CMYK", inks), "jpeg", quality=100, subsampling="4:4:4")

    image = converted(data)

    expected = tuple(round((255 - ink) * (255 - inks[3]) / 255) for ink in inks[:3])
    assert is_near(image.getpixel((9, 9)), expected, within=3)


def test_a_profile_of_another_kind_of_pixels_is_ignored() -> None:
    chunk = profile_chunk(sample_images.grey_profile(1.0))

    image = converted(png_with(chunk, image=flat("RGB", (55, 128, 200))))

    assert image.getpixel((9, 9)) == (55, 128, 200)


def test_a_profile_of_colours_converts_grey_pixels_as_well() -> None:
    chunk = profile_chunk(sample_images.linear_profile_named_srgb())

    image = converted(png_with(chunk, image=flat("L", 55)))

    assert is_near(image.getpixel((9, 9)), (srgb(55 / 255),) * 3)
