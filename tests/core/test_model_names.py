"""Another model than the one asked for is told apart from a version of the same."""

from __future__ import annotations

import pytest

from imagegen_app.core.model_names import is_other_model


@pytest.mark.parametrize(
    ("asked", "told", "is_other"),
    [
        ("gpt-image-2", "gpt-image-2", False),
        ("gpt-image-2", "gpt-image-2-2026-04-21", False),
        ("gpt-image-2-2026-04-21", "gpt-image-2", False),
        ("gpt-image-2", "gpt-image-2.6-flare", True),
        ("gpt-image-2.6-flare", "gpt-image-2", True),
        ("gemini-3-pro-image", "gemini-3-pro-image-preview", False),
        ("gemini-2.0-flash", "gemini-2.0-flash-001", False),
        ("models/gemini-3-pro-image", "gemini-3-pro-image", False),
        ("gemini-3-pro-image", "gemini-3.1-flash-image", True),
        ("grok-imagine-image", "grok-imagine-image-2.0", True),
        ("GROK-imagine-image", "grok-imagine-image", False),
        ("sd_xl_base_1.0", "sd_xl_base_1.0 [31e35c80fc]", False),
        ("sd_xl_base_1.0.safetensors [31e35c80fc]", "sd_xl_base_1.0", False),
        ("sd_xl_base_1.0.safetensors", "sd_xl_base_1.0 [31e35c80fc]", False),
        ("sd_xl_base_1.0", "v1-5-pruned-emaonly [6ce0161689]", True),
        ("gpt-image-2", "", False),
    ],
)
def test_versions_of_a_model_are_the_model(asked: str, told: str, is_other: bool) -> None:
    assert is_other_model(told, asked=asked) is is_other
