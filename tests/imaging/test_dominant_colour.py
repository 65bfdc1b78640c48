"""An image is found by the colour of what it shows."""

from __future__ import annotations

import pytest
from PIL import Image

from imagegen_app.core.colours import HUES, Colour
from imagegen_app.imaging.dominant_colour import dominant_colour


def thing_on(background: str, colour: str, *, side: int = 60) -> Image.Image:
    """Return a square thing in the middle of a table."""
    image = Image.new("RGB", (100, 100), background)
    image.paste(Image.new("RGB", (side, side), colour), (20, 20))
    return image


@pytest.mark.parametrize("number", range(12))
def test_each_hue_of_the_circle_has_its_own_name(number: int) -> None:
    image = Image.new("RGB", (30, 20), f"hsl({number * 30}, 80%, 50%)")

    assert dominant_colour(image) == HUES[number]


@pytest.mark.parametrize(
    ("colour", "name"),
    [("#fff", Colour.WHITE), ("#000", Colour.BLACK), ("#888", Colour.GREY), ("#111418", "black")],
)
def test_what_has_no_hue_is_black_white_or_grey(colour: str, name: str) -> None:
    assert dominant_colour(Image.new("RGB", (10, 10), colour)) == name


def test_a_coloured_thing_on_a_white_table_is_found_by_its_colour() -> None:
    assert dominant_colour(thing_on("#fff", "#c62828")) == Colour.RED


def test_a_speck_of_colour_is_not_the_colour_of_an_image() -> None:
    assert dominant_colour(thing_on("#fff", "#c62828", side=20)) == Colour.WHITE


def test_what_is_transparent_counts_as_white() -> None:
    assert dominant_colour(Image.new("RGBA", (10, 10), (255, 0, 0, 0))) == Colour.WHITE
