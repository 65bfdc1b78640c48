"""Input images and masks as adapters prepare them, also where they come from elsewhere than us."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from imagegen_app.core.types import Size
from imagegen_app.providers.families import masks
from tests.imaging import sample_images
from tests.imaging.sample_images import encoded, opened


@pytest.mark.parametrize("raw", [0, 12000, 65535])
def test_a_mask_of_sixteen_bits_keeps_its_levels(raw: int) -> None:
    mask = encoded(Image.frombytes("I;16", (64, 64), struct.pack("<H", raw) * 64 * 64), "png")

    assert masks.edit_area(mask).getpixel((9, 9)) == round(raw / 257)
    assert opened(masks.alpha_mask(mask)).getchannel("A").getpixel((9, 9)) == 255 - round(raw / 257)


def test_a_turned_photograph_is_padded_upright() -> None:
    data, hole = masks.padded(sample_images.photograph(), size=Size(320, 320))

    canvas = opened(data)
    assert canvas.getchannel("A").getbbox() == (100, 80, 220, 240)
    assert opened(hole).getchannel("A").getbbox() == (100, 80, 220, 240)
    assert canvas.getpixel((160, 85)) == (254, 0, 0, 255)


def test_a_padded_image_carries_no_metadata() -> None:
    data, hole = masks.padded(sample_images.photograph(), size=Size(320, 320))

    assert not [p for p in (*sample_images.PRIVATE, b"eXIf") if p in data or p in hole]
