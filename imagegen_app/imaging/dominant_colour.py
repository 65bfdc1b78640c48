"""Name the colour that an image is found by: that of its subject, if it has one at all."""

from __future__ import annotations

from collections import Counter

from PIL import Image

from imagegen_app.core.colours import HUES, Colour

_SIDE = 48
_LEVELS = 256
#: Less saturated, it is a grey; darker, black; lighter, white. All of 255.
_GREY_BELOW = 46
_BLACK_BELOW = 48
_WHITE_FROM = 218
#: A coloured thing on a white table is found by its colour, if it is more than this share of the image.
_COLOURED_SHARE = 0.12


def dominant_colour(image: Image.Image) -> Colour:
    """Return the colour of an image; transparent parts count as white."""
    small = image.convert("RGBA").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    page = Image.new("RGBA", small.size, "white")
    page.alpha_composite(small)
    pixels = page.convert("RGB").convert("HSV").tobytes()
    hues: Counter[Colour] = Counter()
    greys: Counter[Colour] = Counter()
    for at in range(0, len(pixels), 3):
        hue, saturation, value = pixels[at : at + 3]
        if value < _BLACK_BELOW:
            greys[Colour.BLACK] += 1
        elif saturation < _GREY_BELOW:
            greys[Colour.WHITE if value >= _WHITE_FROM else Colour.GREY] += 1
        else:
            hues[_hue(hue)] += 1
    if hues.total() > _COLOURED_SHARE * _SIDE * _SIDE or not greys:
        return hues.most_common(1)[0][0]
    return greys.most_common(1)[0][0]


def _hue(value: int) -> Colour:
    """Return the hue of an angle, from 0 to 255 for the whole circle."""
    return HUES[round(value * len(HUES) / _LEVELS) % len(HUES)]
