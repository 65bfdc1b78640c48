"""Guides, LoRA and the further operations are refused where a model lacks them, before any call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import (
    ControlGuide,
    GenerationRequest,
    ImageInput,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.providers.sandbox import Sandbox
from tests.providers.samples import a_request, an_input

PLAIN = Capabilities(
    operations=frozenset(Operation), sizes=SizeRule(), max_inputs=9, supports_mask=True
)
GUIDED = replace(
    PLAIN,
    inputs={InputRole.CONTROL: InputRule(max_count=2), InputRole.STYLE: InputRule(max_count=1)},
    control_kinds=("depth", "pose"),
    max_loras=2,
    lora_weights=(-1.0, 1.5),
)
IMAGE = ImageInput(InputRole.IMAGE, "image/png", "", 20, 20, b"")
MASK = replace(IMAGE, role=InputRole.MASK)
DEPTH = replace(IMAGE, role=InputRole.CONTROL, guide=ControlGuide("depth"))
STYLE = replace(IMAGE, role=InputRole.STYLE)


def complaints(
    *inputs: ImageInput,
    offer: Capabilities = GUIDED,
    operation: Operation = Operation.EDIT,
    **changes: Any,
) -> list[str]:
    request = GenerationRequest(
        operation=operation, model="m", prompt="a mug", size=Size(64, 64), inputs=inputs, **changes
    )
    return [str(one) for one in validation_errors(request, capabilities=offer)]


def guided(**changes: Any) -> ImageInput:
    return replace(DEPTH, guide=ControlGuide(**{"kind": "depth"} | changes))


def test_what_a_model_declares_is_accepted() -> None:
    pose = guided(kind="pose", weight=0.4, start=0.1, end=0.9)

    found = complaints(IMAGE, DEPTH, pose, STYLE, loras=(Lora("a", -0.5), Lora("b", 1.5)))

    assert found == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([IMAGE, guided(kind="canny")], "control_images: choose one of depth, pose"),
        ([IMAGE, guided(weight=-0.1)], "control_images: a weight must be between 0 and 10"),
        ([IMAGE, guided(weight=float("nan"))], "control_images: a weight must be between 0 and 10"),
        (
            [IMAGE, guided(start=0.5, end=0.5)],
            "control_images: it must start before it ends, between 0 and 1",
        ),
        ([IMAGE, guided(end=1.1)], "control_images: it must start before it ends, between 0 and 1"),
        ([IMAGE, DEPTH, DEPTH, DEPTH], "control_images: at most 2 images are possible"),
        ([IMAGE, STYLE, STYLE], "style_images: only one image is possible"),
        (
            [replace(IMAGE, guide=ControlGuide("depth"))],
            "control_images: only a control image can be a guide",
        ),
    ],
)
def test_a_guide_that_cannot_be_followed_is_refused(
    inputs: list[ImageInput], expected: str
) -> None:
    assert complaints(*inputs) == [expected]


@pytest.mark.parametrize(
    ("loras", "expected"),
    [
        ([Lora("a")] * 3, "loras: at most 2 are possible"),
        ([Lora("a", 1.6)], "loras: a weight must be between -1 and 1.5"),
        ([Lora("a", float("nan"))], "loras: a weight must be between -1 and 1.5"),
    ],
)
def test_a_lora_that_cannot_be_added_is_refused(loras: list[Lora], expected: str) -> None:
    assert complaints(IMAGE, loras=tuple(loras)) == [expected]


@pytest.mark.parametrize(
    ("inputs", "changes", "expected"),
    [
        ([IMAGE, DEPTH], {}, ["control_images: not offered", "control_images: not offered"]),
        ([IMAGE, STYLE], {}, ["style_images: not offered"]),
        ([IMAGE], {"loras": (Lora("a"),)}, ["loras: not offered"]),
    ],
)
def test_a_model_without_guides_and_lora_refuses_them(
    inputs: list[ImageInput], changes: dict[str, Any], expected: list[str]
) -> None:
    assert complaints(*inputs, offer=PLAIN, **changes)[: len(expected)] == expected


def test_what_is_erased_needs_a_mask_as_large_as_the_image_it_is_of() -> None:
    larger = replace(STYLE, width=40, height=40)

    missing = complaints(IMAGE, operation=Operation.ERASE)

    assert missing == ["mask: needed for this operation"]
    assert complaints(larger, IMAGE, MASK, operation=Operation.ERASE) == []


@pytest.mark.parametrize("operation", set(Operation) - {Operation.GENERATE})
def test_every_operation_but_the_first_needs_an_image(operation: Operation) -> None:
    assert "inputs: this operation needs an image" in complaints(operation=operation)


@pytest.mark.parametrize("operation", set(Operation) - {Operation.GENERATE})
def test_the_sandbox_does_every_operation(operation: Operation, answer: SpooledAnswer) -> None:
    size = Size(128, 128)
    inputs = (
        an_input(role=InputRole.STYLE, size=(64, 64)),
        an_input(size=(128, 128)),
        an_input(role=InputRole.MASK, size=(128, 128)),
    )
    request = a_request(operation=operation, model="sandbox-1", size=size, inputs=inputs)

    asyncio.run(Sandbox().submit(request, answer=answer))

    assert len(Sandbox().read_answer(answer).images) == 1


def test_the_sandbox_refuses_a_guide_that_it_does_not_know(answer: SpooledAnswer) -> None:
    control = replace(an_input(role=InputRole.CONTROL), guide=ControlGuide("qrcode"))
    request = a_request(operation=Operation.CONTROL, inputs=(control,))

    with pytest.raises(UnsupportedParameter):
        asyncio.run(Sandbox().submit(request, answer=answer))

    assert not answer.folder.exists()
