"""Requests are written by the names of a model's inputs, whether a schema or a table has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import InputRole, Lora, Operation, Size
from imagegen_app.providers.families.described_requests import (
    TakenInput,
    fields_of,
    files_of,
    require_taken,
    size_of,
    taken_in,
)
from tests.providers.samples import a_request, an_input

ONE, LIST = TakenInput(), TakenInput(is_list=True)
TAKES = {"prompt": ONE, "seed": ONE}
#: Of a model that takes no size.
OFFER = Capabilities(
    operations=frozenset(Operation), sizes=SizeRule(), output_formats=("png", "jpeg")
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "array", "items": {}}, TakenInput(is_list=True)),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, TakenInput(is_list=True)),
        ({"enum": ["1:1", 2]}, TakenInput(choices=("1:1", "2"))),
        ({"allOf": [{"$ref": "#/components/schemas/ratio"}]}, TakenInput(choices=("3:2",))),
        ({"$ref": "#/components/schemas/ratio"}, TakenInput(choices=("3:2",))),
        ({"$ref": "#/components/schemas/gone"}, ONE),
        (7, ONE),
    ],
)
def test_an_inputs_choices_may_be_defined_elsewhere(rule: Any, expected: TakenInput) -> None:
    taken = taken_in({"properties": {"it": rule}}, {"ratio": {"enum": ["3:2"]}})

    assert taken == {"it": expected}


@pytest.mark.parametrize("schema", [None, 7, {}, {"properties": []}])
def test_what_is_no_schema_takes_nobody_knows_what(schema: Any) -> None:
    assert taken_in(schema, None) is None


def test_a_count_goes_by_the_name_that_there_is_and_is_refused_where_none_is() -> None:
    two = a_request(count=2)

    assert fields_of(two, takes={"number_of_images": ONE}, offer=OFFER)["number_of_images"] == 2
    assert (
        fields_of(replace(two, count=1), takes={"num_images": ONE}, offer=OFFER)["num_images"] == 1
    )
    assert "num_outputs" not in fields_of(replace(two, count=1), takes={}, offer=OFFER)
    with pytest.raises(UnsupportedParameter) as refused:
        require_taken(fields_of(two, takes=TAKES, offer=OFFER), {}, takes=TAKES)
    assert refused.value.detail.startswith("num_outputs:")


def test_a_jpeg_goes_by_the_word_of_the_model() -> None:
    request = a_request(output_format="jpeg")

    short = fields_of(
        request, takes={"output_format": TakenInput(choices=("jpg", "png"))}, offer=OFFER
    )
    long = fields_of(
        request, takes={"output_format": TakenInput(choices=("jpeg", "png"))}, offer=OFFER
    )

    assert (short["output_format"], long["output_format"]) == ("jpg", "jpeg")


def test_lora_go_as_one_list_or_by_names_that_are_counted_up() -> None:
    request = a_request(loras=(Lora("one", 0.5), Lora("two"), Lora("three")))

    listed = fields_of(request, takes={"loras": LIST}, offer=OFFER)
    counted = fields_of(request, takes={}, offer=OFFER)

    assert listed["loras"][0] == {"path": "one", "scale": 0.5}
    assert {n: counted[n] for n in counted if "lora" in n} == {
        "lora_weights": "one",
        "lora_scale": 0.5,
        "extra_lora": "two",
        "extra_lora_scale": 1.0,
        "extra_lora2": "three",
        "extra_lora2_scale": 1.0,
    }


@pytest.mark.parametrize(
    ("takes", "size", "expected"),
    [
        ({"width": ONE, "height": ONE}, Size(640, 480), {"width": 640, "height": 480}),
        ({"image_size": ONE}, Size(640, 480), {"image_size": {"width": 640, "height": 480}}),
        (
            {"aspect_ratio": TakenInput(choices=("custom", "4:3"))},
            Size(640, 480),
            {"aspect_ratio": "4:3"},
        ),
    ],
)
def test_a_size_goes_as_the_model_takes_it(takes: Any, size: Size, expected: Any) -> None:
    assert size_of(a_request(size=size), takes=takes) == expected


def test_other_proportions_are_the_images_own_or_refused() -> None:
    takes = {"aspect_ratio": TakenInput(choices=("1:1", "match_input_image"))}
    image = an_input(size=(960, 540))
    like_it = a_request(size=Size(1920, 1080), inputs=(image,))
    request = a_request(size=Size(1000, 300))

    assert size_of(like_it, takes=takes) == {"aspect_ratio": "match_input_image"}
    for other in (request, replace(request, inputs=(image,))):
        with pytest.raises(UnsupportedParameter):
            size_of(other, takes=takes)


def test_a_size_is_refused_by_a_model_without_one_unless_it_is_said_to_take_none() -> None:
    offer = replace(OFFER, sizes=SizeRule(step=8))

    with pytest.raises(UnsupportedParameter) as refused:
        fields_of(a_request(), takes={}, offer=offer)
    assert refused.value.detail == "size: not an input of this model"
    assert "size" not in fields_of(a_request(), takes={}, offer=OFFER)


def test_a_format_that_somebody_chose_is_refused_by_a_model_without_formats() -> None:
    usual, chosen = a_request(output_format="png"), a_request(output_format="jpeg")

    assert "output_format" not in fields_of(usual, takes={}, offer=OFFER)
    with pytest.raises(UnsupportedParameter) as refused:
        require_taken(fields_of(chosen, takes=TAKES, offer=OFFER), {}, takes=TAKES)
    assert refused.value.detail.startswith("output_format:")


def test_images_go_by_their_roles_and_several_only_where_a_list_is_taken() -> None:
    image, reference = an_input(), an_input(role=InputRole.REFERENCE)
    control = an_input(role=InputRole.CONTROL)
    takes = {"image": ONE, "control_image": ONE}

    files = files_of((image, reference, control), takes=takes)

    assert files == {"image": [image, reference], "control_image": [control]}
    with pytest.raises(UnsupportedParameter) as refused:
        require_taken({}, files, takes=takes)
    assert refused.value.detail.startswith("image:")
    require_taken({}, files, takes={"image": LIST, "control_image": ONE})
