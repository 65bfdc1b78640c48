"""Find the size that a model supports and that keeps a picture's proportions best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagegen_app.core.types import Size

if TYPE_CHECKING:
    from imagegen_app.core.types import SizeRule

#: Pixels of a result that nobody gave a size for, at most: a photograph has many times as many.
_MOST_PIXELS = 2048 * 2048
#: Sizes tried; a rule that fits none of them is left to complain.
_TRIES = 64


def size_like(picture: Size, rule: SizeRule) -> Size:
    """Return a supported size with the picture's proportions, the nearest to its own.

    If the rule supports no such size, the picture's own is returned.
    """
    if rule.allowed:
        return min(
            rule.allowed, key=lambda size: (_difference(size, picture), _growth(size, picture))
        )
    most = min(filter(None, (rule.max_pixels, _MOST_PIXELS)))
    if rule.error_for(picture) is None and picture.pixels <= most:
        return picture
    ratio = picture.width / picture.height
    if rule.max_ratio:
        ratio = max(1 / rule.max_ratio, min(rule.max_ratio, ratio))
    pixels = max(rule.min_pixels, min(most, picture.pixels))
    for number in range(_TRIES):
        # The sides are rounded to steps: a little smaller or larger may be what fits.
        factor = 1 + (number + 1) // 2 / 50 * (-1 if number % 2 else 1)
        width = math.sqrt(pixels * factor * ratio)
        size = Size(_stepped(width, rule), _stepped(width / ratio, rule))
        if rule.error_for(size) is None:
            return size
    return picture


def _stepped(side: float, rule: SizeRule) -> int:
    return max(rule.step, round(side / rule.step) * rule.step)


def _difference(size: Size, picture: Size) -> float:
    return abs(math.log(size.width / size.height) - math.log(picture.width / picture.height))


def _growth(size: Size, picture: Size) -> float:
    return abs(math.log(size.pixels / picture.pixels))
