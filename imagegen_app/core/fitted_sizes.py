"""Find the size that a model supports for given proportions, or for those of a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagegen_app.core.capabilities import RATIO_TOLERANCE, ratio_value
from imagegen_app.core.types import Size

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import SizeRule

#: Pixels of a result that nobody gave a size for, at most: a photograph has many times as many.
_MOST_PIXELS = 2048 * 2048
#: Sizes tried; a rule that fits none of them is left to complain.
_TRIES = 64
#: Pixels of an image for which nobody named a number: what all models draw well.
STANDARD_PIXELS = 1024 * 1024
#: Proportions that forms offer; a model supports only some of them.
COMMON_RATIOS = ("1:1", "3:2", "2:3", "16:9", "9:16", "4:3", "3:4", "21:9")
#: Sides are multiples of this where the model does not mind.
_USUAL_STEP = 16


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
    if rule.ratios:
        wanted = ratio
        values = (ratio_value(text) for text in rule.ratios)
        ratio = min(values, key=lambda value: abs(math.log(value / wanted)))
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


def size_with_ratio(ratio: float, rule: SizeRule, *, pixels: int = STANDARD_PIXELS) -> Size | None:
    """Return the supported size of these proportions (width by height) that is nearest to `pixels`.

    None if the model supports no such size, or takes none at all.
    """
    if not rule.is_choosable:
        return None
    wanted = Size(
        max(1, round(math.sqrt(pixels * ratio) / _USUAL_STEP)) * _USUAL_STEP,
        max(1, round(math.sqrt(pixels / ratio) / _USUAL_STEP)) * _USUAL_STEP,
    )
    if rule.allowed:
        alike = [size for size in rule.allowed if _is_near(size, ratio)]
        return min(alike, key=lambda size: _growth(size, wanted), default=None)
    found = size_like(wanted, rule)
    return found if _is_near(found, ratio) and rule.error_for(found) is None else None


def _is_near(size: Size, ratio: float) -> bool:
    return abs(math.log(size.width / size.height / ratio)) <= RATIO_TOLERANCE


def _stepped(side: float, rule: SizeRule) -> int:
    return max(rule.step, round(side / rule.step) * rule.step)


def _difference(size: Size, picture: Size) -> float:
    return abs(math.log(size.width / size.height) - math.log(picture.width / picture.height))


def _growth(size: Size, picture: Size) -> float:
    return abs(math.log(size.pixels / picture.pixels))
