from __future__ import annotations

import io
from math import cos, pi
from statistics import mean, median

import pytest
from PIL import Image, ImageOps

from imagegen_app.imaging.similarity import (
    LIKELY,
    SAME_MAX_DISTANCE,
    hamming,
    perceptual_hashes,
)

from .sample_images import encoded, flat, opened, picture

SEEDS = range(12)


def test_hashes_are_hexadecimal_of_64_and_256_bits() -> None:
    seen = perceptual_hashes(picture())

    assert [len(h) * 4 for h in (seen.phash64, seen.phash256, seen.mirrored)] == [64, 256, 64]
    assert int(seen.phash64, 16).bit_count() in range(28, 37)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("attack", ["jpeg", "half", "double", "webp"])
def test_a_re_encoded_or_resized_image_is_recognised(seed: int, attack: str) -> None:
    image = picture(640, 480, seed=seed)
    scale = {"half": 0.5, "double": 2.0}.get(attack, 1.0)
    changed = image.resize((int(640 * scale), int(480 * scale)))
    if attack in {"jpeg", "webp"}:
        changed = opened(encoded(changed, attack, quality=40))

    first, second = perceptual_hashes(image), perceptual_hashes(changed)

    assert hamming(first.phash64, second.phash64) <= SAME_MAX_DISTANCE
    assert hamming(first.phash256, second.phash256) <= 32


def test_different_images_are_far_apart() -> None:
    hashes = [perceptual_hashes(picture(320, 240, seed=seed)).phash64 for seed in SEEDS]

    distances = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]

    assert min(distances) > SAME_MAX_DISTANCE
    assert mean(distances) > LIKELY + 6


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_image_is_recognised(seed: int) -> None:
    image = picture(320, 240, seed=seed)

    mirrored = perceptual_hashes(ImageOps.mirror(image))

    assert hamming(perceptual_hashes(image).mirrored, mirrored.phash64) <= 2


@pytest.mark.parametrize(("share", "name"), [(0.9, "centre90"), (0.8, "centre80")])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_cropped_image_is_recognised(seed: int, share: float, name: str) -> None:
    image = picture(640, 480, seed=seed)
    x, y = 640 * (1 - share) / 2, 480 * (1 - share) / 2

    cropped = perceptual_hashes(image.crop((int(x), int(y), int(640 - x), int(480 - y))))

    assert hamming(getattr(perceptual_hashes(image), name), cropped.phash64) <= SAME_MAX_DISTANCE


def test_a_flat_image_says_that_it_cannot_be_compared() -> None:
    assert perceptual_hashes(flat("RGB", "white")).is_flat
    assert perceptual_hashes(flat("RGB", (12, 99, 140))).is_flat
    assert perceptual_hashes(flat("RGBA", (255, 0, 0, 0))).is_flat
    assert not perceptual_hashes(picture()).is_flat


def test_transparent_parts_count_as_white() -> None:
    image = picture(mode="RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))

    assert hamming(perceptual_hashes(image).phash64, perceptual_hashes(white).phash64) <= 2


def test_the_distance_counts_bits() -> None:
    assert hamming("00", "ff") == 8
    assert hamming("a5", "a5") == 0
    with pytest.raises(ValueError, match="length"):
        hamming("00", "0000")


def test_the_hash_equals_that_of_the_textbook_transform() -> None:
    image = Image.open(io.BytesIO(encoded(picture(256, 256), "png"))).convert("L")
    small = image.resize((32, 32), Image.Resampling.BOX)
    bits = _textbook_bits(list(small.tobytes()), side=32, keep=8)

    assert hamming(perceptual_hashes(image.convert("RGB")).phash64, f"{bits:016x}") == 0


def _textbook_bits(pixels: list[int], *, side: int, keep: int) -> int:
    values = [
        sum(
            pixels[y * side + x]
            * cos(pi * (2 * x + 1) * u / (2 * side))
            * cos(pi * (2 * y + 1) * v / (2 * side))
            for y in range(side)
            for x in range(side)
        )
        for v in range(keep)
        for u in range(keep)
    ]
    middle = median(values[1:])
    return int("".join(str(int(value > middle)) for value in values), 2)
