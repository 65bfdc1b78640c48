from __future__ import annotations

import pytest
from PIL import Image, ImageFile

from imagegen_app.core.errors import BadResponse
from imagegen_app.imaging.errors import MESSAGES
from imagegen_app.imaging.inspect import ImageLimits, InvalidImage, inspect

from . import sample_images

LIMITS = ImageLimits()


@pytest.mark.parametrize("case", sample_images.REFUSED)
def test_an_unacceptable_file_is_refused_with_its_reason(case: str) -> None:
    data, reason = sample_images.REFUSED[case]

    with pytest.raises(InvalidImage) as caught:
        inspect(data, limits=LIMITS)

    # Some decoders report missing pixels as truncation.
    allowed = {"damaged", "truncated"} if reason == "damaged" else {reason}
    assert caught.value.reason in allowed
    assert str(caught.value) == MESSAGES[caught.value.reason]
    assert isinstance(caught.value, BadResponse)


@pytest.mark.parametrize("name", sample_images.FORMATS)
@pytest.mark.parametrize("sixteenth", range(1, 16))
def test_an_image_truncated_anywhere_is_refused(name: str, sixteenth: int) -> None:
    data = sample_images.encoded(sample_images.picture(), name)

    with pytest.raises(InvalidImage) as caught:
        inspect(data[: len(data) * sixteenth // 16], limits=LIMITS)

    assert caught.value.reason in {"truncated", "damaged"}


@pytest.mark.parametrize("name", ["png", "webp"])
def test_an_image_without_its_last_byte_is_refused_although_the_decoder_accepts_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = sample_images.encoded(sample_images.picture(), name)

    with pytest.raises(InvalidImage) as caught:
        inspect(data[:-1], limits=LIMITS)

    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("name", sample_images.FORMATS)
@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_either_harmless_or_refused(name: str, seed: int) -> None:
    generator = sample_images.seeded_random(seed)
    data = bytearray(sample_images.encoded(sample_images.picture(), name))
    data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)

    pixels = _pixels(bytes(data))

    assert pixels <= LIMITS.max_pixels


def _pixels(data: bytes) -> int:
    """Return the number of decoded pixels; 0 if the image is refused for a known reason."""
    try:
        inspected = inspect(data, limits=LIMITS)
    except InvalidImage as error:
        return 0 if error.reason in MESSAGES else LIMITS.max_pixels + 1
    return inspected.width * inspected.height


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "RGB") for name in sample_images.FORMATS]
    + [(name, "RGBA") for name in sample_images.FORMATS if name != "jpeg"],
)
def test_a_valid_image_is_described(name: str, mode: str) -> None:
    data = sample_images.encoded(sample_images.picture(mode=mode), name)

    inspected = inspect(data, limits=LIMITS)

    assert (inspected.format, inspected.media_type) == (name, f"image/{name}")
    assert (inspected.width, inspected.height) == (160, 120)
    assert inspected.has_alpha is (mode == "RGBA")
    assert not inspected.has_credentials
    assert inspected.size == len(data)


def test_the_content_determines_the_format() -> None:
    data = sample_images.encoded(sample_images.picture(), "webp")

    assert inspect(data, limits=LIMITS).extension == "webp"


def test_too_large_a_file_is_refused_without_reading_it() -> None:
    with pytest.raises(InvalidImage) as caught:
        inspect(b"x" * 101, limits=ImageLimits(max_bytes=100))

    assert caught.value.reason == "too_large"


def test_the_given_limits_apply() -> None:
    data = sample_images.encoded(sample_images.picture(), "png")

    with pytest.raises(InvalidImage) as caught:
        inspect(data, limits=ImageLimits(max_pixels=160 * 120 - 1))

    assert caught.value.reason == "too_many_pixels"
    assert inspect(data, limits=ImageLimits(max_pixels=160 * 120)).width == 160


def test_frames_are_allowed_where_the_limits_say_so() -> None:
    data = sample_images.animated("webp", frames=3)

    assert inspect(data, limits=ImageLimits(max_frames=3)).format == "webp"


def test_pillows_global_settings_are_not_changed() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)

    for data, _ in sample_images.REFUSED.values():
        with pytest.raises(InvalidImage):
            inspect(data, limits=LIMITS)

    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_a_refused_image_does_not_show_its_content_in_the_error() -> None:
    with pytest.raises(InvalidImage) as caught:
        inspect(b"<html>secret words</html>", limits=LIMITS)

    assert "secret" not in str(caught.value) + caught.value.detail
