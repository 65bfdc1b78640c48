"""A model's own schema is read as capabilities; what cannot be used of it is told, and never crashes."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.families.described_inputs import MAX_INPUTS, read_inputs

KNOWN = Capabilities(
    operations=frozenset({Operation.GENERATE}),
    sizes=SizeRule(step=8, max_side=2048),
    supports_mask=True,
    max_loras=3,
)


def read(properties: dict[str, Any], *, required: Any = (), schemas: Any = None) -> Any:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return read_inputs(schema, schemas=schemas, known=KNOWN)


def said(messages: Any) -> str:
    return " | ".join(str(one) for one in messages)


def test_choices_that_are_defined_elsewhere_are_found() -> None:
    schemas = {"aspect_ratio": {"type": "string", "enum": ["1:1", "16:9", "custom"]}}
    found = read(
        {
            "aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/aspect_ratio"}]},
            "megapixels": {"allOf": [{"type": "string", "enum": ["1", "0.25"]}], "default": "1"},
        },
        schemas=schemas,
    )

    assert found.capabilities.sizes == SizeRule(ratios=("1:1", "16:9"))
    assert found.capabilities.parameters["megapixels"].choices == ("1", "0.25")
    assert found.capabilities.parameters["megapixels"].default == "1"


def test_images_masks_counts_and_seeds_have_fields_of_their_own() -> None:
    found = read(
        {
            "prompt": {"type": "string", "maxLength": 900},
            "input_images": {"type": "array", "items": {"type": "string", "format": "uri"}},
            "mask": {"type": "string", "format": "uri"},
            "num_outputs": {"type": "integer", "minimum": 1, "maximum": 6},
            "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "width": {"type": "integer", "minimum": 256, "maximum": 1440, "multipleOf": 32},
            "height": {"type": "integer", "minimum": 256, "maximum": 1440, "multipleOf": 32},
            "output_format": {"type": "string", "enum": ["webp", "jpg", "tiff"]},
            "quality": {"type": "string", "enum": ["low", "high"]},
        }
    )

    can = found.capabilities
    assert (can.max_prompt_chars, can.max_inputs, can.max_count) == (900, 20, 6)
    assert set(can.inputs) == {InputRole.IMAGE, InputRole.MASK}
    assert can.sizes == SizeRule(step=32, min_pixels=256**2, max_side=1440)
    assert (can.output_formats, can.qualities) == (("webp", "jpeg"), ("low", "high"))
    assert (can.supports_seed, can.supports_mask, can.max_loras) == (True, True, 0)
    assert (can.parameters, found.unknown, found.problems) == ({}, [], [])


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"type": "integer", "minimum": 9, "maximum": 2},
            "the least (9) is more than the most (2)",
        ),
        ({"type": "integer", "maximum": 4, "default": 28}, "its default is not one of its own"),
        (
            {"type": "string", "enum": ["a", "b"], "default": "c"},
            "its default is not one of its own",
        ),
    ],
)
def test_an_input_that_contradicts_itself_is_told_and_left_out(
    rule: dict[str, Any], told: str
) -> None:
    found = read({"steps": rule, "style": {"type": "string"}})

    assert set(found.capabilities.parameters) == {"style"}
    assert told in said(found.problems)
    assert "parameters.steps" in said(found.problems)


def test_lora_are_told_by_their_inputs_and_weighed_by_theirs() -> None:
    text, scale = {"type": "string"}, {"type": "number", "minimum": -1, "maximum": 3}
    single = {"lora_weights": text, "lora_scale": scale}
    two = single | {"extra_lora": text, "extra_lora_scale": scale}
    listed = {"loras": {"type": "array", "maxItems": 2}}

    found = [read(schema).capabilities for schema in (single, two, listed, {"lora_scale": scale})]

    assert [can.max_loras for can in found] == [1, 2, 2, 0]
    assert [can.lora_weights for can in found[:2]] == [(-1, 3), (-1, 3)]
    # What weighs nothing that can be chosen is a parameter as others.
    assert [list(can.parameters) for can in found] == [[], [], [], ["lora_scale"]]


def test_sizes_that_contradict_themselves_are_told() -> None:
    side = {"type": "integer", "minimum": 4096, "maximum": 512}

    found = read({"width": side, "height": side})

    assert "sizes.min_pixels" in said(found.problems)


def test_filters_and_rewritten_prompts_are_no_ones_choice() -> None:
    names = ("enable_safety_checker", "disable_safety_checker", "sync_mode", "expand_prompt")

    found = read({name: {"type": "boolean", "default": True} for name in names})

    assert found.capabilities.parameters == {}
    assert said(found.unknown).count("it is not for people to choose") == len(names)


def test_a_file_that_cannot_be_handed_in_is_told_and_needed_ones_are_a_problem() -> None:
    file = {"type": "string", "format": "uri"}

    found = read({"lora_file": file, "voice": file}, required=["voice"])

    assert said(found.unknown).count("it takes a file that cannot be handed in here") == 2
    assert said(found.problems) == "The model needs “voice”, which cannot be handed in here."


@pytest.mark.parametrize(
    "rule",
    [
        None,
        3,
        [],
        "x",
        {},
        {"type": ["integer", "null"]},
        {"type": "integer", "minimum": "low", "maximum": True, "default": [1]},
        {"type": "integer", "enum": [1, 2, 3]},
        {"type": "string", "enum": ["x" * 200] * 300},
        {"type": "string", "maxLength": 10**30},
        {"$ref": "#/components/schemas/loop"},
        {"allOf": [{"$ref": "#/components/schemas/loop"}] * 50},
        {"anyOf": [{"type": "null"}]},
        {"type": "array", "items": {"type": "object"}},
        {"type": "string", "description": "\x00<script>" * 1000, "default": {"a": 1}},
    ],
)
def test_odd_rules_are_read_or_told_but_never_crash(rule: Any) -> None:
    loop = {"allOf": [{"$ref": "#/components/schemas/loop"}], "type": "string"}

    found = read({"odd": rule, "b" * 200: {"type": "string"}}, schemas={"loop": loop})

    assert set(found.capabilities.parameters) <= {"odd"}
    assert all(len(one.help) <= 200 for one in found.capabilities.parameters.values())
    assert "its name or its description cannot be used" in said(found.unknown)


@pytest.mark.parametrize("schema", [None, 3, [], {}, {"properties": []}, {"required": 5}])
def test_a_schema_that_is_none_leaves_a_plain_model(schema: Any) -> None:
    found = read_inputs(schema, schemas=None, known=KNOWN)

    assert found.capabilities.parameters == {}
    assert found.names == frozenset()


def test_only_the_first_inputs_are_read() -> None:
    found = read({f"p{n}": {"type": "string"} for n in range(MAX_INPUTS + 50)})

    assert len(found.capabilities.parameters) == MAX_INPUTS
    assert f"more than {MAX_INPUTS} inputs" in said(found.unknown)
