"""Input images and masks as adapters prepare them, also where they come from elsewhere than us."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import InputRole, Size
from imagegen_app.providers.families import masks
from tests.imaging import sample_images
from tests.imaging.sample_images import encoded, opened
from tests.providers.samples import a_mask, an_input


@pytest.mark.parametrize("raw", [0, 12000, 65535])
def test_a_mask_of_sixteen_bits_keeps_its_levels(raw: int) -> None:
    mask = encoded(Image.frombytes("I;16", (64, 64), struct.pack("<H", raw) * 64 * 64), "png")

    assert masks.edit_area(mask).getpixel((9, 9)) == round(raw / 257)
    assert opened(masks.encode(mask, style="alpha")).getchannel("A").getpixel(
        (9, 9)
    ) == 255 - round(raw / 257)


def test_a_turned_photograph_is_padded_upright() -> None:
    data, hole = masks.padded(sample_images.photograph(), size=Size(320, 320))

    canvas = opened(data)
    assert canvas.getchannel("A").getbbox() == (100, 80, 220, 240)
    assert opened(hole).getchannel("A").getbbox() == (100, 80, 220, 240)
    assert canvas.getpixel((160, 85)) == (254, 0, 0, 255)


def test_a_padded_image_carries_no_metadata() -> None:
    data, hole = masks.padded(sample_images.photograph(), size=Size(320, 320))

    assert not [p for p in (*sample_images.PRIVATE, b"eXIf") if p in data or p in hole]


@pytest.mark.parametrize("style", ["white", "black"])
def test_a_binary_mask_has_two_values_only(style: masks.MaskStyle) -> None:
    soft = encoded(Image.linear_gradient("L"), "png")

    area = opened(masks.encode(soft, style=style, is_binary=True))

    assert sorted(set(area.tobytes())) == [0, 255]
    assert area.getpixel((0, 128)) == (255 if style == "white" else 0)
    assert len(set(opened(masks.encode(soft, style=style)).tobytes())) == 256


@pytest.mark.parametrize(("levels", "is_partial"), [((0, 255), True), ((0, 90), False)])
def test_a_mask_of_a_part_leaves_some_and_changes_some(
    levels: tuple[int, int], is_partial: bool
) -> None:
    mask = Image.new("L", (8, 8), levels[0])
    mask.paste(levels[1], (0, 0, 4, 4))

    assert masks.is_partial(encoded(mask, "png")) is is_partial


@pytest.mark.parametrize(
    ("style", "changed", "kept"), [("alpha", 0, 255), ("white", 255, 0), ("black", 0, 255)]
)
def test_a_mask_is_written_as_the_provider_reads_it(style: Any, changed: int, kept: int) -> None:
    mask = a_mask((0, 0, 4, 4), size=(8, 8))

    (picture, written) = masks.restyled((an_input(size=(8, 8)), mask), style=style)

    image = opened(written.data)
    channel = image.getchannel("A") if style == "alpha" else image.convert("L")
    assert (channel.getpixel((1, 1)), channel.getpixel((6, 6))) == (changed, kept)
    assert (written.media_type, picture.role) == ("image/png", InputRole.IMAGE)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_the_hole_of_any_mask_with_transparency_is_what_changes(mode: str) -> None:
    mask = Image.new("LA", (8, 8), (255, 255))
    mask.paste((255, 0), (0, 0, 4, 4))

    area = masks.edit_area(encoded(mask.convert(mode), "png"))

    assert (area.getpixel((1, 1)), area.getpixel((6, 6))) == (255, 0)


def test_an_image_that_becomes_smaller_is_refused_by_that_name() -> None:
    with pytest.raises(InvalidRequest) as caught:
        masks.padded(encoded(Image.new("RGB", (9, 8)), "png"), size=Size(8, 8))

    assert caught.value.detail == "the new size is smaller than the image"
