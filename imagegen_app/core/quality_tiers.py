"""Translate three quality tiers to each model's own: a word of its own, or a resolution."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from imagegen_app.core.fitted_sizes import STANDARD_PIXELS, size_with_ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.types import Operation, Size


class QualityTier(StrEnum):
    """How good an image is to be, whatever the model calls it."""

    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"


#: Providers' words for a tier, in lower case; of several that a model has, the first one counts.
_WORDS: Final[Mapping[QualityTier, tuple[str, ...]]] = {
    QualityTier.DRAFT: ("draft", "low", "turbo", "fast", "flash"),
    QualityTier.STANDARD: ("standard", "medium", "default", "normal", "balanced"),
    QualityTier.HIGH: ("high", "hd", "quality", "best", "ultra"),
}
#: Pixels of an image of a tier, where a model is told a resolution instead of a quality.
_PIXELS: Final[Mapping[QualityTier, int]] = {
    QualityTier.DRAFT: 512 * 512,
    QualityTier.STANDARD: STANDARD_PIXELS,
    QualityTier.HIGH: 2048 * 2048,
}
#: How many times more or fewer pixels than wanted still belong to a tier.
_SLACK: Final = 1.5


def quality_word(tier: QualityTier, qualities: Sequence[str]) -> str:
    """Return a model's own word for a tier; empty if it has none."""
    known = {word.lower(): word for word in qualities}
    return next((known[word] for word in _WORDS[tier] if word in known), "")


def tier_size(tier: QualityTier, size: Size, rule: SizeRule) -> Size | None:
    """Return the size of a tier with the proportions of `size`; None if the model has none.

    Only models that choose between resolutions have some: for one that draws any size, a larger
    image is not a better one.
    """
    is_told_resolution = bool(rule.allowed or (rule.ratios and rule.max_pixels))
    if not is_told_resolution:
        return None
    wanted = _PIXELS[tier]
    found = size_with_ratio(size.width / size.height, rule, pixels=wanted)
    if found is None or not 1 / _SLACK <= found.pixels / wanted <= _SLACK:
        return None
    return found


def tiers_of(
    capabilities: Capabilities, operation: Operation, *, size: Size
) -> tuple[QualityTier, ...]:
    """Return the tiers that a model has for images with the proportions of `size`.

    A model with a single resolution and no words has none: there is nothing to choose.
    """
    if any(quality_word(tier, capabilities.qualities) for tier in QualityTier):
        return tuple(t for t in QualityTier if quality_word(t, capabilities.qualities))
    rule = capabilities.sizes_for(operation)
    found = tuple(tier for tier in QualityTier if tier_size(tier, size, rule) is not None)
    return found if len(found) > 1 else ()
