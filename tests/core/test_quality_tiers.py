"""A quality tier is a word of the model's own, or a resolution, or nothing the model has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.quality_tiers import QualityTier, quality_word, tier_size, tiers_of
from imagegen_app.core.types import Operation, Size

DRAFT, STANDARD, HIGH = QualityTier
WIDE = Size(1360, 768)
RESOLUTIONS = SizeRule(ratios=("1:1", "16:9"), min_pixels=140_000, max_pixels=30_000_000)
PLAIN = Capabilities(operations=frozenset({Operation.GENERATE}), sizes=SizeRule(step=8))


@pytest.mark.parametrize(
    ("qualities", "words"),
    [
        (("auto", "low", "medium", "high", "max"), ("low", "medium", "high")),
        (("FLASH", "TURBO", "DEFAULT", "QUALITY"), ("TURBO", "DEFAULT", "QUALITY")),
        (("low", "medium"), ("low", "medium", "")),
        (("standard", "hd"), ("", "standard", "hd")),
        (("silver", "gold"), ("", "", "")),
        ((), ("", "", "")),
    ],
)
def test_the_models_own_word_is_found(qualities: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert tuple(quality_word(tier, qualities) for tier in QualityTier) == words


def test_a_model_that_is_told_a_resolution_gets_one_of_the_same_proportions() -> None:
    sizes = [tier_size(tier, WIDE, RESOLUTIONS) for tier in QualityTier]

    assert sizes == [Size(688, 384), Size(1360, 768), Size(2720, 1536)]


@pytest.mark.parametrize(
    "rule",
    [
        SizeRule(),
        SizeRule(step=8, max_side=4096),
        # It is told proportions only.
        SizeRule(ratios=("1:1", "16:9")),
        SizeRule(allowed=(Size(64, 64),)),
    ],
)
def test_a_larger_image_is_not_a_better_one_where_no_resolution_is_chosen(rule: SizeRule) -> None:
    assert tier_size(HIGH, WIDE, rule) is None


def test_a_model_has_the_tiers_of_its_words_or_else_of_its_resolutions() -> None:
    worded = replace(PLAIN, qualities=("low", "medium"))
    sized = replace(PLAIN, sizes=RESOLUTIONS)
    single = replace(PLAIN, sizes=SizeRule(allowed=(Size(1024, 1024),)))

    def tiers(capabilities: Capabilities) -> tuple[QualityTier, ...]:
        return tiers_of(capabilities, Operation.GENERATE, size=Size(1024, 1024))

    assert tiers(worded) == (DRAFT, STANDARD)
    assert tiers(sized) == (DRAFT, STANDARD, HIGH)
    assert (tiers(PLAIN), tiers(single)) == ((), ())
