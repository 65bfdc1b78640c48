"""A picture that is edited keeps its proportions, as far as the model supports them."""

from __future__ import annotations

import pytest

from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.types import Size, SizeRule

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
