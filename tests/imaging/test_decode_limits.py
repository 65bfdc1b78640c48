from __future__ import annotations

import io

import pytest
from PIL import Image

from imagegen_app.imaging import decode_limits, heif_boxes
from imagegen_app.imaging.decode_limits import MIB, declared_image, task_limits
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.inspect import ImageLimits, inspect

from . import hostile_files, sample_images
from .sample_images import encoded, opened, picture

LIMITS = ImageLimits()


def _refusal(data: bytes) -> str:
    with pytest.raises(InvalidImage) as caught:
        inspect(data, limits=LIMITS)
    return caught.value.reason


def test_a_jpeg_of_empty_scans_is_refused_before_it_is_decoded() -> None:
    data = hostile_files.jpeg_of_scans(decode_limits.MAX_SCANS, side=64)

    assert _refusal(data) == "too_many_scans"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_usual_progressive_jpegs_have_few_scans(mode: str) -> None:
    data = encoded(picture(mode=mode), "jpeg", progressive=True)

    assert 1 < declared_image(data).scans < 24
    assert inspect(data, limits=LIMITS).format == "jpeg"


def test_scans_of_a_thumbnail_inside_of_the_metadata_do_not_count() -> None:
    data = hostile_files.jpeg_with_thumbnail_of_scans(300)

    assert declared_image(data).scans == 1
    assert inspect(data, limits=LIMITS).format == "jpeg"


def test_a_jpeg_of_too_many_segments_is_refused() -> None:
    data = encoded(picture(), "jpeg")

    assert _refusal(data[:2] + b"\xff\xe0\0\2" * 20_001 + data[2:]) == "damaged"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (hostile_files.avif_declaring(20_000, 20_000), "too_many_pixels"),
        (hostile_files.avif_of_items(heif_boxes.MAX_ITEMS + 1), "damaged"),
        (hostile_files.avif_of_boxes(50, 1_000), "damaged"),
    ],
    ids=["size", "items", "boxes"],
)
def test_what_the_boxes_of_an_avif_declare_is_limited(data: bytes, reason: str) -> None:
    assert _refusal(data) == reason


@pytest.mark.parametrize(
    ("mode", "subsampling", "held"),
    [("L", "4:0:0", 8), ("RGB", "4:2:0", 8), ("RGBA", "4:4:4", 12.5)],
)
def test_the_memory_of_an_avif_follows_from_its_planes(
    mode: str, subsampling: str, held: float
) -> None:
    image = declared_image(encoded(picture(mode=mode), "avif", subsampling=subsampling))

    assert (image.width, image.height) == (160, 120)
    assert image.bytes_per_pixel == held


def test_an_image_that_needs_too_much_memory_is_refused_before_it_is_decoded() -> None:
    # 39.7 megapixels of WebP with alpha; the file itself is a few bytes.
    data = hostile_files.flat("webp", mode="RGBA", side=6_300, quality=0, method=0)

    assert _refusal(data) == "too_much_memory"


def test_a_png_with_less_data_than_pixels_is_refused_before_it_is_decoded() -> None:
    data = sample_images.png_of(6_000, 6_000, rows=b"\0" * 1_000_000)

    assert _refusal(data) == "damaged"
    with pytest.raises(InvalidImage, match="damaged") as caught:
        decode_limits.require_decodable(data, max_pixels=40_000_000)
    assert caught.value.detail == "less data than pixels"


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_the_declared_size_is_the_real_one(name: str) -> None:
    image = declared_image(encoded(picture(), name))

    assert (image.width, image.height) == (160, 120)


@pytest.mark.parametrize("data", [b"", b"x" * 40, b"\xff\xd8\xff", b"\0\0\0\x18ftypavif", b"RIFF"])
def test_other_bytes_declare_nothing_and_get_little(data: bytes) -> None:
    limits = task_limits(data, 60)

    assert declared_image(data).pixels == 0
    assert (limits.cpu_seconds, limits.is_heavy) == (5, False)
    assert limits.memory <= 129 * MIB


def test_limits_grow_with_the_pixels_up_to_those_of_the_largest_image() -> None:
    small = task_limits(encoded(picture(1_000, 1_000), "jpeg"), 60)
    large = task_limits(sample_images.webp_declaring(6_000, 6_000), 60)

    assert (small.cpu_seconds, small.memory < 200 * MIB, small.is_heavy) == (8, True, False)
    assert (large.cpu_seconds, large.memory, large.is_heavy) == (60, 512 * MIB, True)
    assert small.wall_seconds < large.wall_seconds


def test_a_small_jpeg_of_many_scans_counts_as_heavy() -> None:
    assert task_limits(hostile_files.jpeg_of_scans(50, side=64), 60).is_heavy


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_an_image_is_the_same_without_its_decoder(name: str) -> None:
    data = encoded(picture(), name)
    image = Image.open(io.BytesIO(data))

    decode_limits.load_sparingly(image)

    assert image.tobytes() == opened(data).tobytes()
    assert getattr(image, "_decoder", None) is None


def test_boxes_count_together_in_whatever_box_they_stand() -> None:
    with pytest.raises(InvalidImage) as caught:
        declared_image(hostile_files.avif_of_boxes(50, 1_000))

    assert caught.value.detail == "too many boxes"
