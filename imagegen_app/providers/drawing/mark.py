"""Mark an image as the sandbox's, small and in a corner."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

_FINE = 3


def stamp(image: Image.Image, *, text: str = "sandbox") -> Image.Image:
    """Return the image with the mark at its lower right."""
    unit = min(image.size)
    if unit < 96:  # noqa: PLR2004  (nobody could read it)
        return image
    letters = max(9, round(unit * 0.019))
    font = ImageFont.load_default(letters * _FINE)
    left, top, right, bottom = font.getbbox(text)
    pad = letters * _FINE * 0.62
    width, height = round(right - left + 2.4 * pad), round(letters * _FINE + 1.2 * pad)
    pill = Image.new("LA", (width, height), (20, 0))
    pen = ImageDraw.Draw(pill)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), height / 2, fill=(24, 110))
    pen.text(
        ((width - right + left) / 2 - left, (height - bottom + top) / 2 - top),
        text,
        font=font,
        fill=(255, 225),
    )
    pill = pill.reduce(_FINE)
    margin = round(unit * 0.018)
    place = (image.width - pill.width - margin, image.height - pill.height - margin)
    marked = image.convert("RGBA")
    marked.alpha_composite(pill.convert("RGBA"), place)
    return marked if "A" in image.getbands() else marked.convert("RGB")
