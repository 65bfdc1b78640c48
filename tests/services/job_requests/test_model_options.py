"""A form learns from a model's capabilities what it can offer, and what inputs make of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers import registry
from imagegen_app.services.job_requests.model_options import (
    ModelOptions,
    operation_for,
    options_of,
    require_capabilities,
)
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.testing.factories import make_image_model, make_provider

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel

ALL = Capabilities(operations=frozenset(Operation), sizes=SizeRule(step=8), max_inputs=8)


def having(*operations: Operation) -> Capabilities:
    return replace(ALL, operations=frozenset(operations))


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("", "generate"),
        ("image", "edit"),
        ("reference", "edit"),
        ("image mask", "inpaint"),
        ("image mask control", "inpaint"),
        ("image control", "edit"),
        ("control", "control"),
        ("control style", "control"),
        ("style", "generate"),
    ],
)
def test_the_images_decide_what_is_asked_for(roles: str, expected: str) -> None:
    given = frozenset(InputRole(role) for role in roles.split())

    assert operation_for(ALL, given) == expected


@pytest.mark.parametrize(
    ("offered", "roles", "expected"),
    [
        (having(Operation.ERASE), {InputRole.IMAGE, InputRole.MASK}, Operation.ERASE),
        (having(Operation.UPSCALE), {InputRole.IMAGE}, Operation.UPSCALE),
        (having(Operation.UPSCALE), set(), Operation.UPSCALE),
        (having(Operation.CONTROL), {InputRole.STYLE}, Operation.CONTROL),
        (having(Operation.GENERATE), {InputRole.CONTROL}, Operation.GENERATE),
        (having(Operation.GENERATE), {InputRole.REFERENCE}, Operation.GENERATE),
        (having(), {InputRole.IMAGE}, Operation.GENERATE),
    ],
)
def test_a_model_that_does_one_thing_is_asked_for_that(
    offered: Capabilities, roles: set[InputRole], expected: Operation
) -> None:
    assert operation_for(offered, frozenset(roles)) is expected


def options(model: ImageModel, capabilities: Capabilities) -> ModelOptions:
    return ModelOptions(model, Operation.GENERATE, capabilities)


def test_images_of_a_role_are_limited_by_the_role_the_model_and_the_site(db: None) -> None:
    model = make_image_model()
    roles = {InputRole.IMAGE: InputRule(), InputRole.CONTROL: InputRule(max_count=3)}
    declared = replace(ALL, inputs=roles, max_inputs=40)

    def most(capabilities: Capabilities, role: InputRole) -> int:
        return options(model, capabilities).most_images(role)

    assert most(declared, InputRole.IMAGE) == 16
    assert most(declared, InputRole.CONTROL) == 3
    assert most(declared, InputRole.STYLE) == 0
    assert most(declared, InputRole.MASK) == 0
    assert most(replace(declared, supports_mask=True), InputRole.MASK) == 1
    assert most(replace(declared, max_inputs=0), InputRole.IMAGE) == 0
    # An adapter that declares no roles takes plain images.
    assert most(ALL, InputRole.IMAGE) == 8
    assert most(ALL, InputRole.REFERENCE) == 0


def test_parameters_of_other_operations_are_left_out(db: None) -> None:
    anchored = Parameter("choice", choices=("left",), operations=frozenset({Operation.OUTPAINT}))
    offer = replace(ALL, parameters={"steps": Parameter("int"), "anchor": anchored})

    assert list(options(make_image_model(), offer).parameters) == ["steps"]


def test_a_model_without_an_adapter_is_refused_by_name(db: None) -> None:
    gone = make_image_model(provider=make_provider(adapter="no_such_adapter"))

    with pytest.raises(InvalidJobRequest, match="not a known adapter") as refused:
        options_of(gone, Operation.GENERATE)

    assert refused.value.field == "model"
    with pytest.raises(InvalidJobRequest):
        require_capabilities(gone)


def test_no_adapter_promises_the_same_image_without_a_seed() -> None:
    promising = [
        (adapter.name, model)
        for adapter in registry.describe_all()
        for model in adapter.example_models
        if registry.capabilities(adapter.name, model).is_reproducible
    ]

    assert promising
    for name, model in promising:
        assert registry.capabilities(name, model).supports_seed, (name, model)
