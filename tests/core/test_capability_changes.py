"""The JSON that turns one model's capabilities into another's."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.capability_overrides import changes_between, overridden
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.providers import registry

PLAIN = Capabilities(operations=frozenset({Operation.GENERATE}), sizes=SizeRule())
RICH = Capabilities(
    operations=frozenset({Operation.GENERATE, Operation.EDIT}),
    sizes=SizeRule(step=8, max_side=2048, ratios=("1:1", "16:9")),
    max_count=4,
    qualities=("low", "high"),
    output_formats=("png", "jpeg"),
    max_inputs=3,
    inputs={InputRole.IMAGE: InputRule(formats=("png",), max_bytes=9)},
    supports_mask=True,
    parameters={
        "steps": Parameter("int", low=1, high=50, default=20, help="More is slower."),
        "sampler": Parameter(
            "choice", choices=("a", "b"), operations=frozenset({Operation.GENERATE})
        ),
    },
    operation_sizes={Operation.EDIT: SizeRule(allowed=(Size(64, 64), Size(64, 128)))},
    control_kinds=("depth",),
    max_loras=2,
    lora_weights=(-1.5, 2.0),
)


@pytest.mark.parametrize(("known", "wanted"), [(PLAIN, RICH), (RICH, RICH), (PLAIN, PLAIN)])
def test_the_changes_turn_what_is_known_into_what_is_wanted(
    known: Capabilities, wanted: Capabilities
) -> None:
    assert overridden(known, changes_between(known, wanted)) == wanted


def test_nothing_is_written_for_what_stays() -> None:
    assert changes_between(RICH, RICH) == {}
    assert changes_between(RICH, replace(RICH, max_count=5)) == {"max_count": 5}


def test_a_parameter_that_is_gone_is_taken_away_and_the_others_are_left_alone() -> None:
    wanted = replace(RICH, parameters={"steps": RICH.parameters["steps"]})

    assert changes_between(RICH, wanted) == {"parameters": {"sampler": None}}


def test_the_capabilities_of_all_adapters_can_be_written() -> None:
    models = [
        registry.capabilities(adapter.name, model)
        for adapter in registry.describe_all()
        for model in adapter.example_models
    ]

    for known, wanted in permutations(models, 2):
        found = overridden(known, changes_between(known, wanted))
        # Rules by role or operation are added, never taken away.
        assert found == replace(
            wanted,
            inputs={**known.inputs, **wanted.inputs},
            operation_sizes={**known.operation_sizes, **wanted.operation_sizes},
        )
