"""Alter images without any model: what each operation would show, at no cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from imagegen_app.core.types import Size
from imagegen_app.providers.drawing import palette as colours
from imagegen_app.providers.drawing import scenes
from imagegen_app.providers.families import masks

if TYPE_CHECKING:
    from imagegen_app.providers.drawing.palette import Palette

#: The longer side, in pixels, of the copy in which the background is searched.
_SMALL = 192
#: How far, of 255, a background pixel may differ from its neighbour.
_TOLERANCE = 22
_OUTSIDE = 128


def edit(source: Image.Image, *, prompt: str, size: Size, seed: int) -> Image.Image:
    """Tint the image in the colours of the prompt."""
    fitted = _fitted(source, size)
    palette = _palette(prompt, seed)
    light = _wash(palette, size)
    return Image.blend(fitted, ImageChops.overlay(fitted, light), 0.75)


def inpaint(
    source: Image.Image, *, area: Image.Image, prompt: str, size: Size, seed: int
) -> Image.Image:
    """Draw the prompt where the area is white, and leave every other pixel as it is."""
    fitted = _fitted(source, size)
    area = ImageOps.fit(area, fitted.size, Image.Resampling.BILINEAR)
    # The seam is softened inwards only: what is black in the mask stays untouched.
    soft = ImageChops.darker(area, area.filter(ImageFilter.GaussianBlur(4)))
    new = scenes.draw(prompt, width=size.width, height=size.height, seed=seed)
    return Image.composite(new, fitted, soft)


def outpaint(
    source: Image.Image, *, prompt: str, size: Size, seed: int, anchor: str = "center"
) -> Image.Image:
    """Continue the image to a larger canvas.

    :raises InvalidRequest: if the canvas is smaller than the image.
    """
    place = masks.place(Size(source.width, source.height), size=size, anchor=anchor)
    wide = _fitted(source, size).filter(ImageFilter.GaussianBlur(max(8, size.width // 40)))
    new = scenes.draw(prompt, width=size.width, height=size.height, seed=seed)
    whole = Image.blend(wide, new, 0.22)
    whole.paste(source.convert("RGB"), place)
    return whole


def vary(source: Image.Image, *, prompt: str, size: Size, seed: int) -> Image.Image:
    """Turn, crop and recolour the image a little."""
    rng = colours.seeded_random("vary", prompt, seed)
    image = _fitted(source, size)
    if rng.choice((True, False)):
        image = ImageOps.mirror(image)
    zoom = rng.uniform(0.78, 0.94)
    width, height = round(size.width * zoom), round(size.height * zoom)
    left = rng.randint(0, size.width - width)
    top = rng.randint(0, size.height - height)
    image = image.resize(
        image.size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
    )
    hue, saturation, value = image.convert("HSV").split()
    shift = rng.choice((-26, -16, 16, 26))
    hue = hue.point([(v + shift) % 256 for v in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def upscale(source: Image.Image, *, size: Size) -> Image.Image:
    """Enlarge the image."""
    fitted = _fitted(source, size, keep_alpha=True)
    return fitted.filter(ImageFilter.UnsharpMask(radius=1.4, percent=70, threshold=2))


def remove_background(source: Image.Image) -> Image.Image:
    """Make what looks like the border transparent."""
    small = source.convert("RGB")
    small.thumbnail((_SMALL, _SMALL))
    small = small.filter(ImageFilter.MedianFilter(3))
    width, height = small.size
    outside = Image.new("L", small.size, 0)
    marked = small.copy()
    for x, y in (
        (0, 0),
        (width - 1, 0),
        (0, height - 1),
        (width - 1, height - 1),
        (width // 2, 0),
        (0, height // 2),
        (width - 1, height // 2),
        (width // 2, height - 1),
    ):
        filled = small.copy()
        ImageDraw.floodfill(filled, (x, y), (255, 0, 255), thresh=_TOLERANCE * 3)
        marked = ImageChops.difference(small, filled).convert("L").point(_any())
        outside = ImageChops.lighter(outside, marked)
    inside = ImageChops.invert(outside).filter(ImageFilter.MedianFilter(5))
    inside = inside.filter(ImageFilter.GaussianBlur(0.8)).resize(
        source.size, Image.Resampling.BICUBIC
    )
    cut_out = source.convert("RGBA")
    cut_out.putalpha(ImageChops.darker(cut_out.getchannel("A"), inside))
    return cut_out


def control(source: Image.Image, *, prompt: str, size: Size, seed: int) -> Image.Image:
    """Draw the edges of the control image in the colours of the prompt."""
    palette = _palette(prompt, seed)
    grey = _fitted(source, size).convert("L").filter(ImageFilter.GaussianBlur(1.5))
    edges = ImageOps.autocontrast(grey.filter(ImageFilter.FIND_EDGES), cutoff=1)
    edges = ImageOps.crop(edges, 3).resize(grey.size, Image.Resampling.BILINEAR)
    paper = _wash(palette, size, strength=0.55)
    shaded = ImageChops.multiply(paper, Image.merge("RGB", [grey.point(_lifted())] * 3))
    shaded.paste(palette.deep, (0, 0), edges.point(_strong()))
    return shaded


def _any() -> list[int]:
    return [0 if v == 0 else 255 for v in range(256)]


def _strong() -> list[int]:
    # Faint edges are only the steps of a smooth gradient.
    return [min(255, max(0, v - 36) * 4) for v in range(256)]


def _lifted() -> list[int]:
    return [_OUTSIDE + v // 2 for v in range(256)]


def _palette(prompt: str, seed: int) -> Palette:
    return colours.choose_palette(prompt, rng=colours.seeded_random(prompt, seed))


def _wash(palette: Palette, size: Size, *, strength: float = 0.0) -> Image.Image:
    corners = Image.new("RGB", (2, 2))
    tones = (palette.back, palette.accent, palette.main, palette.ground)
    for spot, tone in enumerate(tones):
        corners.putpixel((spot % 2, spot // 2), colours.lighter(tone, strength))
    return corners.resize((size.width, size.height), Image.Resampling.BICUBIC)


def _fitted(source: Image.Image, size: Size, *, keep_alpha: bool = False) -> Image.Image:
    mode = "RGBA" if keep_alpha and "A" in source.getbands() else "RGB"
    return ImageOps.fit(source.convert(mode), (size.width, size.height), Image.Resampling.LANCZOS)
