"""Translate sizes for models that are told proportions and a resolution such as `2K` instead."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.types import Size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How many times more or fewer pixels than those of the largest and the smallest resolution are
#: still taken for them.
SLACK = 1.9


def listed(text: str, *, single: str = "") -> SizeRule:
    """Return the rule of a list of sizes, each in both directions; of `single` ones in one only."""
    both, alone = ([Size.parse(one) for one in sizes.split()] for sizes in (text, single))
    turned = [Size(size.height, size.width) for size in both]
    return SizeRule(allowed=tuple(dict.fromkeys((*both, *turned, *alone))))


def size_rule(ratios: Sequence[str], sides: Mapping[str, int]) -> SizeRule:
    """Return which sizes a model supports; a resolution has as many pixels as a square of its side."""
    least, most = min(sides.values()) ** 2, max(sides.values()) ** 2
    return SizeRule(
        ratios=tuple(ratios), min_pixels=int(least / SLACK), max_pixels=int(most * SLACK)
    )


def nearest(size: Size, sides: Mapping[str, int]) -> str:
    """Return the name of the resolution that comes nearest to a size."""
    return min(sides, key=lambda name: abs(math.log(sides[name] ** 2 / size.pixels)))
