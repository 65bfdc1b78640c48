"""Input images beyond what a model declares are refused, with the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.types import GenerationRequest, ImageInput, InputRole, Operation, Size
from imagegen_app.providers.parameters import validation_errors
from imagegen_app.providers.registry import capabilities

CAPABILITIES = Capabilities(
    operations=frozenset(Operation),
    sizes=SizeRule(),
    max_inputs=5,
    supports_mask=True,
    inputs={
        InputRole.IMAGE: InputRule(formats=("png", "jpeg"), max_bytes=1024, max_count=2),
        InputRole.REFERENCE: InputRule(max_side=50, max_pixels=400, max_count=1),
        InputRole.MASK: InputRule(formats=("png",)),
    },
)
IMAGE = ImageInput(InputRole.IMAGE, "image/png", "", 20, 20, b"")
REFERENCE = replace(IMAGE, role=InputRole.REFERENCE)
MASK = replace(IMAGE, role=InputRole.MASK)


def complaints(*inputs: ImageInput) -> list[str]:
    request = GenerationRequest(
        operation=Operation.EDIT, model="m", prompt="a mug", size=Size(64, 64), inputs=inputs
    )
    return [str(one) for one in validation_errors(request, capabilities=CAPABILITIES)]


def test_inputs_within_the_rules_are_accepted() -> None:
    assert complaints(IMAGE, replace(IMAGE, media_type="image/jpeg"), REFERENCE, MASK) == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([replace(IMAGE, media_type="image/webp")], "inputs: the format must be one of PNG, JPEG"),
        ([replace(IMAGE, data=bytes(2**21))], "inputs: a file may have at most 0.000977 MB"),
        ([IMAGE] * 3, "inputs: at most 2 images are possible"),
        ([IMAGE, REFERENCE, REFERENCE], "inputs: only one image is possible"),
        ([IMAGE, replace(REFERENCE, width=80)], "inputs: at most 40x10 pixels are possible"),
        ([IMAGE, replace(MASK, media_type="image/jpeg")], "mask: the format must be one of PNG"),
    ],
)
def test_an_input_beyond_the_rules_is_refused(inputs: list[ImageInput], expected: str) -> None:
    assert complaints(*inputs) == [expected]


def test_bytes_that_are_not_loaded_are_not_counted() -> None:
    assert complaints(replace(IMAGE, data=b"")) == []


def test_openais_documented_limits_are_declared() -> None:
    offer = capabilities("openai", "gpt-image-2")

    image, mask = offer.input_rule(InputRole.IMAGE), offer.input_rule(InputRole.MASK)
    assert (image.formats, offer.max_inputs) == (("png", "jpeg", "webp"), 16)
    assert image.max_bytes == 50 * 2**20 - 1
    assert (mask.formats, mask.max_bytes, mask.max_count) == (("png",), 4 * 2**20 - 1, 1)


@pytest.mark.parametrize("name", ["openai", "generic_jobs", "sandbox"])
def test_every_adapter_declares_what_it_takes(name: str) -> None:
    offer = capabilities(name, "a model")

    assert set(offer.inputs) >= {InputRole.IMAGE, InputRole.MASK, InputRole.REFERENCE}
    assert all(rule.max_bytes for rule in offer.inputs.values())
