"""What is made of an input image before it is sent."""

from __future__ import annotations

import io
import struct
import sys
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from imagegen_app.core.capabilities import InputRule
from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging.input_images import NormalisedImage, normalise_mask, normalise_picture
from imagegen_app.imaging.inspect import ImageLimits, InvalidImage
from imagegen_app.imaging.isolation import DecoderPool
from imagegen_app.imaging.pipeline import prepare

from . import sample_images
from .sample_images import FORMATS, OPTIONS, encoded, opened, picture, png_chunk, with_formats

LIMITS = ImageLimits()
ANY = InputRule()


def sent(data: bytes, **rule: Any) -> NormalisedImage:
    return normalise_picture(data, limits=LIMITS, rule=replace(ANY, **rule))


def masked(data: bytes, of: NormalisedImage, **rule: Any) -> Image.Image:
    mask = normalise_mask(data, limits=LIMITS, rule=replace(ANY, **rule), picture=of)
    image = opened(mask.data)
    assert (mask.media_type, image.mode) == ("image/png", "L")
    assert image.size == (mask.width, mask.height) == (of.width, of.height)
    return image


def is_near(found: object, expected: tuple[int, ...]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) <= 6 for a, b in zip(found, expected, strict=True))


SOURCES = {
    "cmyk": encoded(picture(mode="CMYK"), "jpeg", quality=95),
    "grey jpeg": encoded(picture(mode="L"), "jpeg", quality=95),
    "palette": encoded(picture(mode="P"), "png"),
    "palette with transparency": sample_images.palette_with_transparency(),
    "one bit": encoded(picture(mode="1"), "png"),
    "16-bit grey": sample_images.sixteen_bit_grey(),
    "16-bit colour": sample_images.sixteen_bit_colour(),
    "grey with alpha": encoded(picture(mode="LA"), "png"),
    "avif": encoded(picture(), "avif"),
    "webp": encoded(picture(), "webp"),
    "lossless webp with alpha": encoded(picture(mode="RGBA"), "webp", lossless=True),
    "several pictures": sample_images.mpo(),
    "a photograph": sample_images.photograph(),
}


@pytest.mark.parametrize("formats", [("png", "jpeg", "webp"), ("png",), ("jpeg",), ("webp",)])
@pytest.mark.parametrize("data", SOURCES.values(), ids=SOURCES)
def test_every_kind_of_image_becomes_a_file_that_the_model_takes(
    data: bytes, formats: tuple[str, ...]
) -> None:
    image = sent(data, formats=formats)

    read = opened(image.data)
    assert image.media_type.removeprefix("image/") in formats
    assert read.format == sample_images.PILLOW[image.media_type.removeprefix("image/")]
    assert read.mode in {"RGB", "RGBA"}
    assert read.size == (image.width, image.height)
    assert not read.info.keys() & {"exif", "icc_profile", "xmp", "comment", "photoshop"}
    assert not [private for private in sample_images.PRIVATE if private in image.data]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_sent_upright_with_its_upright_size(orientation: int) -> None:
    image = sent(sample_images.rotated(orientation))

    expected = prepare(sample_images.rotated(orientation), with_formats("webp"))
    upright = opened(image.data)
    assert (image.width, image.height) == upright.size == opened(expected.master.data).size
    assert is_near(upright.getpixel((4, 4)), opened(expected.master.data).getpixel((4, 4)))  # type: ignore[arg-type]
    assert image.source.width == 64


def test_an_upright_jpeg_keeps_its_compressed_pixels() -> None:
    data = sample_images.photograph(orientation=1)

    image = sent(data)

    assert image.data in (again := sent(image.data).data), "the second time changes nothing"
    assert image.data == again
    assert opened(image.data).tobytes() == opened(data).tobytes()


def test_a_lossless_image_keeps_every_pixel_and_the_same_image_gives_the_same_bytes() -> None:
    data = encoded(picture(mode="RGBA"), "png")

    image = sent(data)

    assert opened(image.data).tobytes() == picture(mode="RGBA").tobytes()
    assert sent(image.data).data == image.data == sent(data).data


def test_transparency_is_kept_where_the_model_takes_it_and_white_where_not() -> None:
    data = sample_images.palette_with_transparency()

    kept, flattened = sent(data), sent(data, formats=("jpeg",))

    assert opened(kept.data).getpixel((8, 8)) == (255, 0, 0, 0)
    assert is_near(opened(flattened.data).getpixel((8, 8)), (255, 255, 255))


@pytest.mark.parametrize(
    ("rule", "size"),
    [
        ({"max_side": 80}, (80, 60)),
        ({"max_pixels": 160 * 120 // 4}, (80, 60)),
        ({"max_pixels": 160 * 120}, (160, 120)),
        ({"max_side": 1000, "max_pixels": 100}, (11, 8)),
    ],
)
def test_an_image_beyond_the_models_size_is_made_smaller(
    rule: dict[str, int], size: tuple[int, int]
) -> None:
    assert opened(sent(encoded(picture(), "png"), **rule).data).size == size


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_an_image_beyond_the_models_bytes_is_encoded_more_tightly(name: str) -> None:
    noise = Image.frombytes("RGB", (200, 200), sample_images.seeded_random(1).randbytes(120_000))
    data = encoded(noise, name, **({"quality": 100} if name == "jpeg" else {}))

    image = sent(data, max_bytes=20_000)

    assert len(image.data) <= 20_000 < len(data)
    assert (image.width, image.height) == opened(image.data).size


def test_an_image_that_cannot_be_small_enough_is_refused() -> None:
    with pytest.raises(InvalidImage) as caught:
        sent(encoded(picture(), "png"), max_bytes=100)

    assert caught.value.reason == "too_large"


def test_an_image_that_one_encoder_refuses_is_written_by_another() -> None:
    tall = encoded(Image.new("RGB", (600, 17_000)), "png")

    image = sent(tall, formats=("webp", "jpeg"))

    # WebP has at most 16,383 pixels a side.
    assert (image.media_type, image.height) == ("image/jpeg", 17_000)


def test_the_mark_of_a_generated_upload_is_reported_and_other_claims_are_not() -> None:
    marked = prepare(encoded(picture(), "png"), with_formats("webp")).master.data
    other = encoded(
        picture(),
        "webp",
        xmp=b'<x xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"><i:DigitalSourceType>'
        b"http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture</i:DigitalSourceType></x>",
    )

    assert sent(marked).digital_source_type == GENERATED
    assert sent(other).digital_source_type == ""


@pytest.mark.parametrize("name", FORMATS)
def test_the_mark_of_an_upload_is_found_in_every_format(name: str) -> None:
    marked = prepare(encoded(picture(), name), OPTIONS).master.data

    assert sent(marked).digital_source_type == GENERATED


def test_a_mark_behind_the_pixels_of_a_png_is_found() -> None:
    data = prepare(encoded(picture(), "png"), OPTIONS).master.data
    at = data.index(b"iTXtXML:com.adobe.xmp") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4])
    moved = data[:at] + data[end:-12] + data[at:end] + data[-12:]

    assert sent(moved).digital_source_type == GENERATED


def test_a_mask_is_scaled_to_the_picture_without_smoothing() -> None:
    of = sent(encoded(picture(800, 600), "png"), max_side=400)
    mask = Image.new("L", (800, 600))
    ImageDraw.Draw(mask).rectangle((0, 0, 399, 599), fill=255)

    area = masked(encoded(mask, "png"), of)

    assert area.size == (400, 300)
    assert area.getcolors() == [(60_000, 0), (60_000, 255)]
    assert (area.getpixel((199, 9)), area.getpixel((200, 9))) == (255, 0)


@pytest.mark.parametrize("raw", [0, 12000, 65535])
def test_a_mask_of_sixteen_bits_keeps_its_levels(raw: int) -> None:
    other = struct.pack("<H", 30_000) * 160
    mask = Image.frombytes("I;16", (160, 120), other + struct.pack("<H", raw) * 160 * 119)

    area = masked(encoded(mask, "png"), sent(encoded(picture(), "png")))

    assert area.getpixel((5, 5)) == round(raw / 257)


def test_no_colour_profile_is_applied_to_a_mask() -> None:
    chunk = sample_images.profile_chunk(sample_images.grey_profile(1.0))
    data = sample_images.png_with(chunk, image=sample_images.flat("L", 55, (160, 120)))

    assert masked(data, sent(encoded(picture(), "png"))).getpixel((5, 5)) == 55


@pytest.mark.parametrize("kind", ["transparent pixels", "white pixels"])
def test_both_kinds_of_masks_become_white_where_the_picture_is_changed(kind: str) -> None:
    mask = Image.new("RGBA", (160, 120), "black")
    hole = (0, 0, 0, 0) if kind == "transparent pixels" else (255, 255, 255, 255)
    mask.paste(hole, (0, 0, 80, 120))

    area = masked(encoded(mask, "png"), sent(encoded(picture(), "png")))

    assert (area.getpixel((10, 10)), area.getpixel((150, 10))) == (255, 0)


def _left_half(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def test_a_turned_mask_is_made_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    of = sent(sample_images.photograph())

    area = masked(encoded(_left_half((160, 120)), "png", exif=exif.tobytes()), of)

    # What is stored at the left is at the top of the upright picture, which is red there.
    assert of.width == 120
    assert (area.getpixel((60, 5)), area.getpixel((60, 155))) == (255, 0)
    assert is_near(opened(of.data).getpixel((60, 5)), (254, 0, 0))


def test_a_mask_drawn_over_the_stored_pixels_of_a_turned_photograph_is_turned_with_it() -> None:
    area = masked(encoded(_left_half((160, 120)), "png"), sent(sample_images.photograph()))

    assert (area.getpixel((60, 5)), area.getpixel((60, 155))) == (255, 0)


@pytest.mark.parametrize("size", [(160, 160), (120, 160), (320, 120)])
def test_a_mask_of_another_shape_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidImage) as caught:
        masked(encoded(_left_half(size), "png"), sent(encoded(picture(), "png")))

    assert caught.value.reason == "mask_shape"


def test_a_mask_that_is_too_large_for_the_model_is_refused() -> None:
    noise = Image.frombytes("L", (160, 120), sample_images.seeded_random(1).randbytes(160 * 120))

    with pytest.raises(InvalidImage) as caught:
        masked(encoded(noise, "png"), sent(encoded(picture(), "png")), max_bytes=1000)

    assert caught.value.reason == "mask_too_large"


def test_it_works_in_a_decoder_process() -> None:
    with DecoderPool(1) as pool:
        image = pool.run(normalise_picture, sample_images.photograph(), limits=LIMITS, rule=ANY)
        mask = pool.run(
            normalise_mask,
            encoded(_left_half((120, 160)), "png"),
            limits=LIMITS,
            rule=ANY,
            picture=replace(image, data=b""),
        )

    assert (mask.width, mask.height) == (image.width, image.height) == (120, 160)


def test_without_the_extra_a_heic_is_refused_by_the_extras_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)

    with pytest.raises(InvalidImage) as caught:
        sent(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))

    assert caught.value.reason == "heic_reader_missing"
    assert "heif" in str(caught.value)


def test_with_the_extra_a_heic_is_sent_upright_and_without_metadata() -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    heif.register_heif_opener()
    stored = opened(sample_images.photograph(orientation=1))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SentinelMaker"
    out = io.BytesIO()
    stored.save(out, "HEIF", exif=exif.tobytes(), quality=95)

    image = sent(out.getvalue())

    assert (image.media_type, image.width, image.height) == ("image/jpeg", 120, 160)
    assert is_near(opened(image.data).getpixel((60, 5)), (254, 0, 0))
    assert not [private for private in sample_images.PRIVATE if private in image.data]


def test_a_heic_among_results_is_refused() -> None:
    with pytest.raises(InvalidImage) as caught:
        prepare(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), with_formats("webp"))

    assert caught.value.reason == "heic"


def test_a_bomb_of_text_costs_nothing() -> None:
    bomb = sample_images.compressed_text(100 * 2**20)
    data = sample_images.png_with(
        *[bomb] * 20,
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + b"\x78\x9c"),
    )

    assert sent(data).width == 160


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")
def test_nearly_forty_megapixels_with_alpha_fit_into_a_decoders_memory() -> None:
    large = Image.new("RGBA", (7_212, 5_408), (200, 100, 50, 255))
    large.putpixel((0, 0), (0, 0, 0, 0))
    data = encoded(large, "png")
    large.close()
    rules = {
        (7_212, 5_408): InputRule(formats=("jpeg",)),
        (6_000, 4_499): InputRule(formats=("png",), max_side=6_000),
        # Lossless WebP takes most memory, so the image is made smaller for it.
        (4_056, 3_042): InputRule(formats=("webp",)),
    }

    with DecoderPool(1) as pool:
        for size, rule in rules.items():
            image = pool.run(normalise_picture, data, limits=LIMITS, rule=rule)
            assert (image.width, image.height) == size
