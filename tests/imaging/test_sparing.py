from __future__ import annotations

import pytest
from PIL import Image

from imagegen_app.imaging import colour, sparing

from . import sample_images
from .sample_images import encoded, opened, picture

#: Images whose conversion has more than one step, by name.
IMAGES = {
    "wide gamut": encoded(picture(), "png", icc_profile=sample_images.wide_profile()),
    "alpha": encoded(picture(mode="RGBA"), "webp", lossless=True),
    "alpha and wide gamut": encoded(
        picture(mode="RGBA"), "png", icc_profile=sample_images.wide_profile()
    ),
    "opaque alpha": encoded(picture().convert("RGBA"), "png"),
    "palette with transparency": sample_images.palette_with_transparency(),
    "16-bit grey": sample_images.sixteen_bit_grey(),
    "CMYK": encoded(picture(mode="CMYK"), "jpeg"),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("orientation", [1, 6])
def test_bands_give_the_same_image_as_the_whole(name: str, orientation: int) -> None:
    whole = colour.normalise(opened(IMAGES[name]), orientation=orientation)

    banded = sparing.normalise(
        opened(IMAGES[name]), orientation=orientation, at_once_pixels=0, band_pixels=1_000
    )

    assert (banded.mode, banded.size, banded.info) == (whole.mode, whole.size, {})
    assert banded.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("mode", "name", "is_lossless", "expected"),
    [
        ("RGB", "avif", False, "jpeg"),
        ("RGBA", "avif", False, "png"),
        ("RGB", "webp", True, "png"),
        ("RGB", "webp", False, "webp"),
        ("RGB", "png", False, "png"),
        ("RGB", "jpeg", False, "jpeg"),
    ],
)
def test_a_large_master_is_written_in_a_format_that_fits_into_memory(
    mode: str, name: str, is_lossless: bool, expected: str
) -> None:
    large = Image.new(mode, (5_000, 3_000))

    assert sparing.master_format(large, name, is_lossless=is_lossless) == expected


@pytest.mark.parametrize("name", sample_images.FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_master_of_nine_megapixels_keeps_its_format(name: str, mode: str) -> None:
    assert sparing.master_format(Image.new(mode, (3_000, 3_000)), name, is_lossless=False) == name
