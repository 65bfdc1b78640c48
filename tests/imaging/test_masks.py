"""Masks that are drawn over an image: checked with one sentence each, and made soft."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagegen_app.core.capabilities import InputRule
from imagegen_app.core.mask_drawings import MaskDrawing, Rectangle
from imagegen_app.core.types import Size
from imagegen_app.imaging import masks
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.imaging.input_images import NormalisedImage, normalise_mask, normalise_picture
from imagegen_app.imaging.inspect import ImageLimits

SIZE = Size(120, 90)
LIMITS = ImageLimits()


def png(mode: str = "L", *, size: tuple[int, int] = (120, 90), box: int = 40) -> bytes:
    image = Image.new(mode, size)
    image.paste(Image.new(mode, (box, box), "white"), (0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def picture() -> NormalisedImage:
    return normalise_picture(png("RGB"), limits=LIMITS, rule=InputRule())


def masked(data: bytes, drawing: MaskDrawing, of: NormalisedImage | None = None) -> Image.Image:
    sent = normalise_mask(
        data, limits=LIMITS, rule=InputRule(), picture=of or picture(), drawing=drawing
    )
    return Image.open(io.BytesIO(sent.data))


def test_a_mask_in_words_is_drawn_in_the_size_of_the_image() -> None:
    drawing = MaskDrawing(size=SIZE, rectangle=Rectangle(10, 20, 30, 40), cells=frozenset({8}))

    area = masked(b"", drawing)
    inverted = masked(b"", MaskDrawing(size=SIZE, cells=frozenset({4}), is_inverted=True))

    assert (area.mode, area.size) == ("L", (120, 90))
    assert area.histogram()[255] == 30 * 40 + 40 * 30
    assert (area.getpixel((10, 20)), area.getpixel((9, 20))) == (255, 0)
    assert area.getpixel((119, 89)) == 255
    assert inverted.histogram()[0] == 40 * 30


def test_an_edge_becomes_soft_in_pixels_of_the_image() -> None:
    drawing = MaskDrawing(size=SIZE, rectangle=Rectangle(0, 0, 60, 90), feather=6)
    half = NormalisedImage(b"", "", "image/png", 60, 45, source=picture().source)

    area, small = masked(b"", drawing), masked(b"", drawing, half)

    assert 100 < int(area.getpixel((60, 45))) < 160  # type: ignore[arg-type]  # grey
    assert (area.getpixel((0, 45)), area.getpixel((119, 45))) == (255, 0)
    assert small.size == (60, 45)
    assert abs(int(small.getpixel((33, 20))) - int(area.getpixel((66, 40)))) < 24  # type: ignore[arg-type]  # grey


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (png(size=(60, 45), box=20), "mask_size"),
        (png("RGB"), "mask_mode"),
        (png(box=0 + 1).replace(b"IDAT", b"IDAX"), "truncated"),
        (b"\x89PNG\r\n\x1a\nnothing", "truncated"),
    ],
)
def test_what_the_editor_would_not_draw_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidImage) as error:
        masked(data, MaskDrawing(size=SIZE, is_from_editor=True))

    assert error.value.reason in {reason, "damaged", "not_an_image"}
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(("level", "reason"), [(0, "mask_empty"), (255, "mask_full")])
def test_a_mask_leaves_something_to_change_and_something_that_stays(
    level: int, reason: str
) -> None:
    with pytest.raises(InvalidImage) as error:
        masks.require_area(Image.new("L", (4, 4), level))

    assert error.value.reason == reason
