from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from imagegen_app.imaging.inspect import ImageLimits, InvalidImage, inspect
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.imaging.pipeline import (
    EncodedFile,
    ProcessedImage,
    Qualities,
    encode,
    prepare,
    rendition_sizes,
)
from imagegen_app.imaging.similarity import hamming, perceptual_hashes

from . import sample_images
from .sample_images import OPTIONS, encoded, opened, picture, with_formats


def files(prepared: ProcessedImage) -> tuple[EncodedFile, ...]:
    return (prepared.master, *prepared.renditions)


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_a_master_keeps_its_format_and_size_and_gets_renditions(name: str) -> None:
    prepared = prepare(encoded(picture(), name), OPTIONS)

    assert (prepared.master.format, prepared.master.width, prepared.master.height) == (
        name,
        160,
        120,
    )
    assert {(e.format, e.width, e.height) for e in prepared.renditions} == {
        (kind, *size)
        for kind in ("avif", "webp", "jpeg")
        for size in ((32, 24), (64, 48), (128, 96))
    }


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_every_file_matches_its_recorded_properties(name: str) -> None:
    prepared = prepare(encoded(picture(), name), OPTIONS)

    for file in files(prepared):
        inspected = inspect(file.data, limits=ImageLimits())
        assert (inspected.media_type, inspected.extension) == (file.media_type, file.extension)
        assert (inspected.width, inspected.height) == (file.width, file.height)
        assert hashlib.sha256(file.data).hexdigest() == file.sha256


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_every_file_has_the_metadata_and_its_own_instance_id(name: str) -> None:
    prepared = prepare(encoded(picture(), name), OPTIONS)

    read = [read_xmp(file.data) for file in files(prepared)]

    assert {marks.digital_source_type for marks in read} == {OPTIONS.marks.digital_source_type}
    assert {marks.prompt for marks in read} == {sample_images.SPECIAL_TEXT}
    assert {marks.document_id for marks in read} == {OPTIONS.marks.document_id}
    assert [marks.instance_id for marks in read] == [file.instance_id for file in files(prepared)]
    assert len({marks.instance_id for marks in read}) == len(read)


def test_the_same_bytes_and_options_give_the_same_files() -> None:
    data = encoded(picture(), "png")

    assert prepare(data, OPTIONS) == prepare(data, OPTIONS)


@pytest.mark.parametrize("name", sample_images.FORMATS)
@pytest.mark.parametrize("where", ["tail", "inside"])
def test_data_hidden_in_a_file_is_in_none_of_the_results(name: str, where: str) -> None:
    data = sample_images.polyglot(name, where)
    assert sample_images.SENTINEL in data

    prepared = prepare(data, OPTIONS)

    for file in files(prepared):
        assert b"sentinel" not in file.data
        assert b"PK\x03\x04" not in file.data


def test_foreign_metadata_is_stripped() -> None:
    data = encoded(
        picture(), "jpeg", comment=b"private", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    )

    prepared = prepare(data, OPTIONS)

    for file in files(prepared):
        image = opened(file.data)
        assert "comment" not in image.info
        assert "icc_profile" not in image.info
        assert dict(image.getexif()) == {0x0131: OPTIONS.marks.creator_tool}


@pytest.mark.parametrize(
    ("orientation", "red_at"),
    [
        *((0, "left"), (1, "left"), (2, "right"), (3, "right"), (4, "left")),
        *((5, "top"), (6, "top"), (7, "bottom"), (8, "bottom"), (9, "left")),
    ],
)
def test_a_rotated_photograph_becomes_upright(orientation: int, red_at: str) -> None:
    prepared = prepare(sample_images.rotated(orientation), with_formats("webp"))

    master = opened(prepared.master.data)
    width, height = (32, 64) if red_at in {"top", "bottom"} else (64, 32)
    spots = {
        "left": (4, height // 2),
        "right": (width - 5, height // 2),
        "top": (width // 2, 4),
        "bottom": (width // 2, height - 5),
    }
    assert master.size == (width, height)
    assert _is_near(master.getpixel(spots[red_at]), (254, 0, 0))
    assert 0x0112 not in master.getexif()


def test_a_cmyk_jpeg_becomes_srgb() -> None:
    prepared = prepare(encoded(picture(mode="CMYK"), "jpeg"), OPTIONS)

    assert {opened(file.data).mode for file in files(prepared)} == {"RGB"}


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    prepared = prepare(sample_images.sixteen_bit_grey(), with_formats("webp"))

    row = [opened(prepared.master.data).convert("RGB").getpixel((x, 8)) for x in (0, 21, 42, 63)]
    assert all(_is_near(pixel, (x, x, x)) for pixel, x in zip(row, (0, 85, 170, 255), strict=True))


def test_sixteen_bit_colour_becomes_eight() -> None:
    prepared = prepare(sample_images.sixteen_bit_colour(), with_formats("webp"))

    master = opened(prepared.master.data)
    assert master.mode == "RGB"
    assert _is_near(master.getpixel((63, 0)), (255, 0, 255))


def test_a_transparent_palette_keeps_its_alpha_and_jpeg_gets_a_white_background() -> None:
    prepared = prepare(sample_images.palette_with_transparency(), OPTIONS)

    master = opened(prepared.master.data)
    alpha = master.getchannel("A")
    assert (alpha.getpixel((8, 8)), alpha.getpixel((56, 8))) == (0, 255)
    for file in prepared.renditions:
        image = opened(file.data)
        at = (image.width // 8, image.height // 8)
        if file.format == "jpeg":
            assert _is_near(image.getpixel(at), (255, 255, 255))
        else:
            spot = image.getchannel("A").crop((*at, at[0] + 1, at[1] + 1))
            assert max(spot.tobytes()) < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
def test_other_pixel_modes_are_converted(mode: str) -> None:
    prepared = prepare(encoded(picture(mode=mode), "png"), with_formats("webp"))

    assert opened(prepared.master.data).mode == "RGB"


def test_fully_opaque_alpha_is_removed() -> None:
    image = picture()
    image.putalpha(255)

    prepared = prepare(encoded(image, "png"), with_formats("webp"))

    assert prepared.inspected.has_alpha
    assert opened(prepared.master.data).mode == "RGB"


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_an_unsuitable_profile_is_ignored(name: str) -> None:
    plain = opened(prepare(encoded(picture(), name), with_formats("webp")).master.data)

    prepared = prepare(sample_images.with_profile(name), with_formats("webp"))

    assert prepared.inspected.has_icc
    image = opened(prepared.master.data)
    assert "icc_profile" not in image.info
    assert hamming(perceptual_hashes(image).phash64, perceptual_hashes(plain).phash64) <= 8


def test_a_profile_is_applied_to_the_pixels() -> None:
    data = encoded(
        sample_images.flat("RGB", (200, 100, 50)), "png", icc_profile=sample_images.wide_profile()
    )

    prepared = prepare(data, with_formats("webp"))

    assert opened(prepared.master.data).getpixel((5, 5)) != (200, 100, 50)


@pytest.mark.parametrize(
    "profile", [sample_images.srgb_profile(), b"\0" * 5_000_000, b"not a profile"]
)
def test_an_srgb_or_invalid_profile_changes_no_pixels(profile: bytes) -> None:
    image = picture()

    prepared = prepare(encoded(image, "webp", lossless=True, icc_profile=profile), OPTIONS)

    assert opened(prepared.master.data).tobytes() == image.tobytes()


def test_a_png_master_keeps_every_pixel() -> None:
    image = picture()

    prepared = prepare(encoded(image, "png"), with_formats("webp"))

    assert opened(prepared.master.data).tobytes() == image.tobytes()


def test_a_lossless_webp_master_keeps_every_pixel() -> None:
    image = picture()

    prepared = prepare(encoded(image, "webp", lossless=True), with_formats("jpeg"))

    assert opened(prepared.master.data).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 500), [(640, 320), (320, 160)]),
        ((640, 10), [(640, 10), (320, 5)]),
        ((200, 100), [(200, 100)]),
        ((1, 40), [(1, 40)]),
        ((1000, 40_000), [(320, 12_800)]),
        ((500, 20_000), [(320, 12_800)]),
        ((300, 12_000), [(300, 12_000)]),
        ((640, 20_000), [(320, 10_000)]),
    ],
)
def test_rendition_sizes_are_never_larger_and_there_is_always_one(
    size: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    assert rendition_sizes(*size, (320, 640)) == expected


def test_an_image_too_tall_for_every_width_still_gets_a_rendition() -> None:
    ((width, height),) = rendition_sizes(900, 36_000, (640, 800))

    assert height <= 16_383
    assert abs(height / width - 40) < 1


def test_the_limits_of_the_options_apply() -> None:
    options = replace(OPTIONS, limits=ImageLimits(max_pixels=100))

    with pytest.raises(InvalidImage) as caught:
        prepare(encoded(picture(), "png"), options)

    assert caught.value.reason == "too_many_pixels"


@pytest.mark.slow
def test_a_large_webp_is_written_although_the_fast_method_fails() -> None:
    width, height = 5000, 4000  # a little smaller, and the fast method succeeds
    noise = Image.effect_noise((width // 8, height // 8), 80).resize((width, height))
    shade = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (noise, shade, shade.transpose(Image.Transpose.ROTATE_180)))
    with pytest.raises(ValueError, match="encoding error 6"):
        encoded(image, "webp", quality=95, method=1)

    file = encode(
        image, "webp", marks=OPTIONS.marks, qualities=Qualities(webp_method=1), is_master=True
    )

    assert (file.width, file.height) == (width, height)


@pytest.mark.parametrize("is_master", [True, False])
def test_a_jpeg_of_noise_is_written_although_its_buffer_is_too_small(is_master: bool) -> None:
    noise = Image.frombytes("RGB", (600, 600), sample_images.seeded_random(1).randbytes(1_080_000))
    with pytest.raises(OSError, match="broken data stream"):
        encoded(noise, "jpeg", quality=100, optimize=True, subsampling="4:4:4")

    qualities = Qualities(master=100, jpeg=100)
    file = encode(noise, "jpeg", marks=OPTIONS.marks, qualities=qualities, is_master=is_master)

    assert opened(file.data).size == (600, 600)


def test_an_image_that_no_encoder_accepts_is_an_invalid_image() -> None:
    image = sample_images.flat("RGB", "red", (70_000, 1))

    with pytest.raises(InvalidImage) as caught:
        encode(image, "jpeg", marks=OPTIONS.marks, qualities=OPTIONS.qualities)

    assert caught.value.reason == "not_encodable"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_another_program_reads_the_metadata(name: str, tmp_path: Path) -> None:
    prepared = prepare(encoded(picture(), name), OPTIONS)
    path = tmp_path / f"master.{prepared.master.extension}"
    path.write_bytes(prepared.master.data)

    answer = subprocess.run(
        [str(shutil.which("exiftool")), "-s", "-G1", "-n", str(path)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    seen = dict(line.split(": ", maxsplit=1) for line in answer.splitlines() if ": " in line)
    seen = {" ".join(key.split()): value for key, value in seen.items()}

    assert seen["[XMP-iptcExt] DigitalSourceType"] == OPTIONS.marks.digital_source_type
    assert seen["[XMP-plus] DataMining"].endswith("DMI-PROHIBITED-AIMLTRAINING")
    assert seen["[XMP-photoshop] Credit"] == "Beispiel & Söhne"
    assert seen["[IFD0] Software"] == OPTIONS.marks.creator_tool


def _is_near(pixel: object, expected: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= 6 for a, b in zip(pixel[:3], expected, strict=True))
