"""A description of a model that contradicts itself is refused, in one sentence that says where."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.capability_checks import contradictions
from imagegen_app.core.capability_overrides import InvalidOverride, overridden
from imagegen_app.core.types import Operation
from imagegen_app.providers import registry

PLAIN = Capabilities(operations=frozenset({Operation.GENERATE}), sizes=SizeRule(step=8))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"parameters": {"steps": {"kind": "int", "low": 9, "high": 2}}}, "the least (9)"),
        (
            {"parameters": {"steps": {"kind": "int", "low": 1, "high": 4, "default": 28}}},
            "parameters.steps.default",
        ),
        (
            {"sizes": {"allowed": ["2048x2048"], "max_side": 1024}},
            "the size 2048x2048 is listed, and excluded",
        ),
        ({"sizes": {"allowed": ["100x100"], "step": 64}}, "100x100 is listed, and excluded"),
        ({"sizes": {"min_pixels": 100, "max_pixels": 50}}, "the least (100)"),
        ({"sizes": {"min_pixels": 4_000_000, "max_side": 1000}}, "the least (4000000)"),
        ({"sizes": {"max_ratio": 0.5}}, "max_ratio"),
        ({"sizes": {"ratios": ["4:1"], "max_ratio": 2.0}}, "the proportions 4:1"),
        (
            {"operation_sizes": {"upscale": {"min_pixels": 100, "max_pixels": 50}}},
            "operation_sizes.upscale.min_pixels",
        ),
        ({"operations": ["edit"]}, "“edit” needs an image"),
        ({"operations": ["inpaint"], "max_inputs": 1}, "“inpaint” needs a mask"),
        ({"output_formats": ["svg"]}, "svg is not a format"),
        ({"inputs": {"image": {"formats": ["gif"]}}}, "gif is not a format"),
        ({"lora_weights": [2, 1]}, "“lora_weights”: the least (2)"),
        ({"operations": []}, "“operations”: there is none"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidOverride) as refused:
        overridden(PLAIN, changes)

    assert told in str(refused.value)


def test_what_an_adapter_says_of_its_own_models_never_contradicts_itself() -> None:
    found = {
        (adapter.name, model): contradictions(registry.capabilities(adapter.name, model))
        for adapter in registry.describe_all()
        for model in adapter.example_models
    }

    assert found
    assert {key: problems for key, problems in found.items() if problems} == {}
