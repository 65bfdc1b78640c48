"""Turn what is added round an image into the size and the anchor that models take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.core.types import Size

if TYPE_CHECKING:
    from collections.abc import Collection

    from imagegen_app.core.capabilities import SizeRule

#: How models call the place where the image stays; without one it stays in the middle.
ANCHORS: Final = ("center", "left", "right", "top", "bottom")
#: Two sides count as equal that differ by less than this part of what is added to them.
_TOLERANCE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Frame:
    """How many pixels are added on each side of an image."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is added."""
        return not (self.left or self.top or self.right or self.bottom)


def framed_size(image: Size, frame: Frame, rule: SizeRule) -> Size:
    """Return the size of the framed image, brought up to what the model's step allows."""
    if rule.allowed:
        wanted = Size(
            image.width + frame.left + frame.right, image.height + frame.top + frame.bottom
        )
        fitting = [s for s in rule.allowed if s.width >= wanted.width and s.height >= wanted.height]
        return min(fitting, key=lambda size: size.pixels, default=wanted)
    return Size(
        _stepped(image.width + frame.left + frame.right, rule.step),
        _stepped(image.height + frame.top + frame.bottom, rule.step),
    )


def anchor_of(frame: Frame, anchors: Collection[str]) -> str | None:
    """Return where the image stays in such a frame, in the words of models; None where none says it.

    A model that knows no anchors extends evenly. Beside an anchor of one direction, the other one is
    extended evenly.
    """
    across = _place(frame.left, frame.right, "left", "right")
    down = _place(frame.top, frame.bottom, "top", "bottom")
    if across is None or down is None:
        return None
    anchor = across if down == "center" else down if across == "center" else None
    return anchor if anchor in (anchors or {"center"}) else None


def _place(before: int, after: int, first: str, last: str) -> str | None:
    """Return where the image stays in one direction: at its start, its end or in the middle."""
    if abs(before - after) <= max(1, _TOLERANCE * (before + after)):
        return "center"
    if before == 0:
        return first
    return last if after == 0 else None


def _stepped(length: int, step: int) -> int:
    return math.ceil(length / step) * step
