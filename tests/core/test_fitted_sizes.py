"""A picture that is edited keeps its proportions, as far as the model supports them."""

from __future__ import annotations

import pytest

from imagegen_app.core.capabilities import SizeRule, ratio_value
from imagegen_app.core.fitted_sizes import size_like, size_with_ratio
from imagegen_app.core.types import Size

THREE = tuple(map(Size.parse, ("1024x1024", "1536x1024", "1024x1536")))


@pytest.mark.parametrize(
    ("picture", "rule", "expected"),
    [
        ("1536x864", SizeRule(), "1536x864"),
        ("1536x864", SizeRule(allowed=THREE), "1536x1024"),
        ("600x900", SizeRule(allowed=THREE), "1024x1536"),
        ("4000x3000", SizeRule(max_pixels=1_000_000, step=16), "1152x864"),
        ("100x50", SizeRule(min_pixels=500_000), "1000x500"),
        ("1000x1000", SizeRule(step=64), "1024x1024"),
    ],
)
def test_the_nearest_supported_size_is_found(picture: str, rule: SizeRule, expected: str) -> None:
    assert size_like(Size.parse(picture), rule) == Size.parse(expected)


@pytest.mark.parametrize("picture", ["1x1", "1x9000", "9000x1", "8191x8191", "1537x863"])
def test_a_size_within_the_limits_is_found_for_any_picture(picture: str) -> None:
    rule = SizeRule(step=16, min_pixels=65_536, max_pixels=2_000_000, max_side=3000, max_ratio=3)

    assert rule.error_for(size_like(Size.parse(picture), rule)) is None


@pytest.mark.parametrize(
    ("ratio", "rule", "expected"),
    [
        ("16:9", SizeRule(step=16, max_side=2048), "1360x768"),
        ("1:1", SizeRule(step=64), "1024x1024"),
        ("3:2", SizeRule(allowed=THREE), "1536x1024"),
        ("16:9", SizeRule(ratios=("1:1", "16:9")), "1360x768"),
        ("1:1", SizeRule(min_pixels=4_000_000, step=16), "2000x2000"),
    ],
)
def test_proportions_become_the_size_that_the_model_has_for_them(
    ratio: str, rule: SizeRule, expected: str
) -> None:
    assert size_with_ratio(ratio_value(ratio), rule) == Size.parse(expected)


@pytest.mark.parametrize(
    ("ratio", "rule"),
    [
        ("16:9", SizeRule(allowed=THREE)),
        ("21:9", SizeRule(ratios=("1:1", "16:9"))),
        ("4:1", SizeRule(step=16, max_ratio=3.0)),
        # It takes no size at all.
        ("1:1", SizeRule()),
    ],
)
def test_there_is_no_size_of_proportions_that_the_model_does_not_have(
    ratio: str, rule: SizeRule
) -> None:
    assert size_with_ratio(ratio_value(ratio), rule) is None


def test_of_several_sizes_of_the_same_proportions_the_nearest_is_taken() -> None:
    rule = SizeRule(allowed=(Size(2048, 2048), Size(1024, 1024), Size(512, 512)))

    found = [size_with_ratio(1.0, rule, pixels=side**2) for side in (500, 1000, 4000)]

    assert [size.width for size in found if size] == [512, 1024, 2048]
