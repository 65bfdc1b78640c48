"""What a model can do: sizes by operation and by proportions, and an administrator's corrections."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.capability_overrides import InvalidOverride, overridden
from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, Size

WIDE = SizeRule(ratios=("1:1", "16:9", "9:16"))
MODEL = Capabilities(
    operations=frozenset({Operation.GENERATE, Operation.UPSCALE}),
    sizes=WIDE,
    operation_sizes={Operation.UPSCALE: SizeRule(max_side=8192)},
    inputs={InputRole.IMAGE: InputRule(max_bytes=10)},
    parameters={"steps": Parameter("int", low=1, high=50), "style": Parameter()},
)


@pytest.mark.parametrize(
    ("size", "ratio"),
    [("1024x1024", "1:1"), ("1344x768", "16:9"), ("768x1344", "9:16"), ("1536x1024", "")],
)
def test_a_size_has_one_of_the_proportions_or_is_refused(size: str, ratio: str) -> None:
    assert WIDE.ratio_of(Size.parse(size)) == ratio
    error = WIDE.error_for(Size.parse(size))
    expected = None if ratio else "size: the proportions must be one of 1:1, 16:9, 9:16"
    assert (error and str(error)) == expected


@pytest.mark.parametrize(
    ("offered", "usual"),
    [(("jpeg", "png"), "png"), (("jpeg", "webp"), "jpeg"), ((), "png")],
    ids=str,
)
def test_a_request_without_a_format_gets_one_that_the_model_has(
    offered: tuple[str, ...], usual: str
) -> None:
    assert replace(MODEL, output_formats=offered).usual_format == usual


def test_an_operation_may_have_sizes_of_its_own() -> None:
    assert MODEL.sizes_for(Operation.GENERATE) is WIDE
    assert MODEL.sizes_for(Operation.UPSCALE).error_for(Size(8000, 3000)) is None


@pytest.mark.parametrize("picture", ["4000x3000", "900x1600", "5x9", "4096x2304"])
def test_the_nearest_proportions_are_found_for_a_picture(picture: str) -> None:
    assert WIDE.error_for(size_like(Size.parse(picture), WIDE)) is None


def test_corrections_change_what_they_name_and_leave_the_rest() -> None:
    changes = {
        "operations": ["generate", "erase"],
        "max_inputs": 1,
        "sizes": {"allowed": ["512x512"]},
        "operation_sizes": {"erase": {"step": 8}},
        "max_count": 4,
        "inputs": {"control": {"formats": ["png"], "max_count": 3}},
        "control_kinds": ["depth"],
        "max_loras": 2,
        "lora_weights": [0, 2],
        "parameters": {
            "style": None,
            "safety": {"kind": "choice", "choices": [1, 2], "default": 2},
        },
    }

    found = overridden(MODEL, changes)

    assert found.operations == {Operation.GENERATE, Operation.ERASE}
    assert found.sizes.allowed == (Size(512, 512),)
    assert set(found.operation_sizes) == {Operation.UPSCALE, Operation.ERASE}
    assert set(found.inputs) == {InputRole.IMAGE, InputRole.CONTROL}
    assert (found.max_count, found.max_loras, found.lora_weights) == (4, 2, (0.0, 2.0))
    assert set(found.parameters) == {"steps", "safety"}
    assert found.parameters["safety"].choices == (1, 2)
    assert found.parameters["safety"].belongs_to(Operation.ERASE)
    assert found.max_prompt_chars == MODEL.max_prompt_chars
    assert overridden(found, changes) == found
    assert overridden(MODEL, {}) is MODEL


@pytest.mark.parametrize(
    "changes",
    [
        ["generate"],
        {"operatons": ["generate"]},
        {"operations": ["fly"]},
        {"operations": "generate"},
        {"sizes": {"allowed": ["big"]}},
        {"sizes": {"ratios": ["16:0"]}},
        {"sizes": {"steps": 8}},
        {"operation_sizes": {"fly": {}}},
        {"max_count": "4"},
        {"max_count": True},
        {"max_count": -1},
        {"supports_mask": 1},
        {"inputs": {"pictures": {}}},
        {"inputs": {"image": {"max_bytes": -1}}},
        {"lora_weights": [1]},
        {"parameters": {"steps": {"kind": "number"}}},
        {"parameters": {"steps": {"kind": "choice"}}},
        {"parameters": {"steps": {"kind": "int", "low": "1"}}},
        {"parameters": {"steps": {"kind": "int", "high": 9, "default": 10}}},
        {"parameters": {"steps": {"help": 7}}},
        {"parameters": {"steps": ["int"]}},
        {"parameters": {"steps": {"kind": "int", "operations": ["fly"]}}},
    ],
)
def test_corrections_that_make_no_sense_are_refused(changes: Any) -> None:
    with pytest.raises(InvalidOverride) as caught:
        overridden(MODEL, changes)

    assert "%(" not in str(caught.value)
