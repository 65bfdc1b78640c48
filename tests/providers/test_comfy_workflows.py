"""Workflows of ComfyUI as data: what their slots offer, and what is refused by its name."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import ControlGuide, InputRole, Lora, Operation, Size
from imagegen_app.providers.families import (
    comfy_checks,
    comfy_examples,
    comfy_slots,
    comfy_workflows,
)
from imagegen_app.testing.simulator.protocols import comfyui_graphs
from tests.providers.samples import a_request, an_input

TEXT: dict[str, Any] = copy.deepcopy(dict(comfy_examples.WORKFLOWS["text-to-image"]))
INPAINT: dict[str, Any] = copy.deepcopy(dict(comfy_examples.WORKFLOWS["inpaint"]))
REQUEST = a_request(model="text-to-image", size=Size(640, 512))
LORA = {
    "class_type": "LoraLoader",
    "inputs": {
        "model": ["1", 0],
        "clip": ["1", 1],
        "lora_name": "none.safetensors",
        "strength_model": 0.0,
        "strength_clip": 0.0,
    },
}


def with_slots(document: dict[str, Any], **slots: Any) -> dict[str, Any]:
    """Return a workflow with other slots; None takes one away."""
    merged = {**document["slots"], **slots}
    return {**document, "slots": {k: v for k, v in merged.items() if v is not None}}


def with_lora() -> dict[str, Any]:
    changed = with_slots(
        TEXT, lora="10.lora_name", lora_weight=["10.strength_model", "10.strength_clip"]
    )
    return {**changed, "graph": {**changed["graph"], "10": LORA}}


def test_slots_become_capabilities_and_parameters_of_the_kind_of_their_values() -> None:
    text, inpaint = (comfy_workflows.read(one).capabilities() for one in (TEXT, INPAINT))

    assert text.operations == {Operation.GENERATE}
    assert inpaint.operations == {Operation.INPAINT}
    assert (text.max_inputs, inpaint.max_inputs, inpaint.supports_mask) == (0, 1, True)
    kinds = {name: one.kind for name, one in inpaint.parameters.items()}
    assert kinds == {"steps": "int", "guidance": "float", "sampler": "text", "strength": "float"}
    assert inpaint.parameters["strength"].high == 1
    assert comfy_workflows.read(with_lora()).capabilities().max_loras == 1


@pytest.mark.parametrize("name", sorted(comfy_examples.WORKFLOWS))
def test_a_server_takes_the_workflows_to_begin_with(name: str) -> None:
    graph = comfy_examples.WORKFLOWS[name]["graph"]
    used = {str(link[0]) for node in graph.values() for link in links_of(node)}

    assert comfyui_graphs.check(graph, files={"image.png": b"", "mask.png": b""}) == graph
    assert graph.keys() - used == {"7"}, "all nodes but the last have a use"


def links_of(node: dict[str, Any]) -> list[list[Any]]:
    return [value for value in node["inputs"].values() if isinstance(value, list)]


def test_values_go_into_every_place_of_their_slot_and_leave_the_workflow_as_it_is() -> None:
    workflow = comfy_workflows.read(with_lora())
    before = copy.deepcopy(dict(workflow.graph))
    request = replace(
        REQUEST,
        prompt='a "quoted" mug {"1": ["2", 0]}',
        negative_prompt="fog",
        loras=(Lora("pixel-art.safetensors", 0.5),),
        parameters={"steps": 7},
    )

    graph = workflow.filled(workflow.values_of(request, seed=9), file_prefix="imagegen-x")

    assert graph["2"]["inputs"]["text"] == request.prompt
    assert graph["3"]["inputs"]["text"] == "fog"
    assert graph["4"]["inputs"]["seed"] == 9
    assert graph["4"]["inputs"]["steps"] == 7
    assert (graph["5"]["inputs"]["width"], graph["5"]["inputs"]["height"]) == (640, 512)
    assert graph["7"]["inputs"]["filename_prefix"] == "imagegen-x"
    assert graph["10"]["inputs"]["lora_name"] == "pixel-art.safetensors"
    weights = {graph["10"]["inputs"][f"strength_{one}"] for one in ("model", "clip")}
    assert weights == {0.5}
    assert workflow.graph == before


def test_a_prompt_names_no_files_of_the_server() -> None:
    for text in (
        "embedding:evil",
        "EMBEDDING:evil",
        "<lora:evil:1>",
        "embembedding:edding:evil",
        "<lora:../evil<lora:x>:2>",
        "<lora:a<lora:b<hypernet:c>>:1>",
    ):
        cleaned = comfy_workflows.cleaned(f"a mug, {text}")
        assert "embedding:" not in cleaned.lower()
        assert "<lora" not in cleaned
    assert comfy_workflows.cleaned("a (mug:1.2), 3 < 4") == "a (mug:1.2), 3 < 4"


@pytest.mark.parametrize(
    "name", ["<lora:../evil:1>", "embedding:evil", "a embedding:b.safetensors"]
)
def test_a_loras_name_that_is_control_syntax_is_refused_wherever_it_goes(name: str) -> None:
    request = replace(REQUEST, loras=(Lora(name, 1.0),))

    for workflow in (with_lora(), with_slots(TEXT, lora="3.text", negative_prompt=None)):
        with pytest.raises(UnsupportedParameter) as refused:
            comfy_workflows.read(workflow).values_of(request, seed=9)
        assert refused.value.detail == "loras: not the name of a file"


def test_a_parameter_that_goes_into_a_text_names_no_files_of_the_server_either() -> None:
    workflow = comfy_workflows.read(with_slots(TEXT, negative_prompt=None, mood="3.text"))
    given = {"mood": "calm embedding:evil <lora:../secret:2>", "sampler": "euler", "steps": 7}

    values = workflow.values_of(replace(REQUEST, parameters=given), seed=9)
    graph = workflow.filled(values, file_prefix="imagegen-x")

    assert graph["3"]["inputs"]["text"].split() == ["calm", "evil"]
    assert (values["sampler"], values["steps"]) == ("euler", 7)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "an object with a graph"),
        ({"graph": {"nodes": [], "links": []}, "slots": {}}, "export it in API format"),
        ({"graph": {"1": {"class_type": 3, "inputs": {}}}, "slots": {}}, "1: it is no node"),
        (with_slots(TEXT, prompt="99.text"), "prompt: there is no 99.text"),
        (with_slots(TEXT, prompt="2.words"), "prompt: there is no 2.words"),
        (with_slots(TEXT, seed="4.model"), "seed: 4.model is linked"),
        (with_slots(TEXT, seed=[]), "seed: the slot names no place"),
        (with_slots(TEXT, prompt=None), "prompt: generate needs a slot"),
        (with_slots(TEXT, width=None), "width: generate needs a slot"),
        (with_slots(INPAINT, mask="7.filename_prefix"), "mask: 7.filename_prefix does not read"),
        ({**INPAINT, "operations": ["fly"]}, "operations: they must be"),
        ({**TEXT, "operations": ["edit"]}, "image: edit needs a slot"),
        ({**TEXT, "outputs": ["99"]}, "outputs: they must be nodes"),
        (
            {"graph": {**TEXT["graph"], "6": {"class_type": "X", "inputs": {"a": ["77", 0]}}}}
            | {"slots": {}},
            "6.a: it is linked to a node that is missing",
        ),
    ],
)
def test_a_workflow_that_does_not_fit_together_is_refused(document: Any, reason: str) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        comfy_workflows.read(document)

    assert reason in refused.value.detail


@pytest.mark.parametrize(
    ("slots", "changes", "reason"),
    [
        ({"negative_prompt": None}, {"negative_prompt": "fog"}, "negative_prompt"),
        ({"seed": None}, {"seed": 3}, "seed"),
        ({"count": None}, {"count": 2}, "count"),
        ({}, {"loras": (Lora("a", 1.0),)}, "lora"),
        ({"lora": "1.ckpt_name"}, {"loras": (Lora("a", 0.5),)}, "lora_weight"),
        ({}, {"parameters": {"strength": 0.5}}, "strength"),
        (
            {},
            {"inputs": (replace(an_input(role=InputRole.CONTROL), guide=ControlGuide("", 0.5)),)},
            "control_weight",
        ),
    ],
)
def test_what_has_no_slot_is_refused_by_its_name(
    slots: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    workflow = comfy_workflows.read(with_slots(TEXT, **slots))

    with pytest.raises(UnsupportedParameter) as refused:
        workflow.values_of(replace(REQUEST, **changes), seed=1)

    assert refused.value.detail == f"{reason}: the workflow has no slot for it"


def test_every_file_has_its_slot_and_every_slot_its_file() -> None:
    workflow = comfy_workflows.read(INPAINT)
    image, mask = an_input(), an_input(role=InputRole.MASK)
    reference = an_input(role=InputRole.REFERENCE)

    assert workflow.files_of(replace(REQUEST, inputs=(image, mask))) == {
        "image": image,
        "mask": mask,
    }
    for inputs, reason in (
        ((image,), "mask: the workflow needs one"),
        ((mask,), "image: the workflow needs one"),
        ((reference, image, mask), "image_2: the workflow has no slot for it"),
    ):
        with pytest.raises(UnsupportedParameter) as refused:
            workflow.files_of(replace(REQUEST, inputs=inputs))
        assert refused.value.detail == reason


def test_a_server_that_describes_its_nodes_oddly_gives_no_choices() -> None:
    workflow = comfy_workflows.read(TEXT)
    entries: tuple[Any, ...] = (
        None,
        [],
        {"input": None},
        {"input": {"required": []}},
        {"input": {"required": {"steps": None, "sampler_name": [], "cfg": ["FLOAT", 7]}}},
        {"input": {"required": {"steps": ["INT", {"min": "a", "max": True}]}}},
        {"input": {"required": {"sampler_name": [["euler"] * 500]}}},
    )
    for entry in entries:
        nodes = dict.fromkeys(workflow.node_types, entry)
        told = workflow.capabilities_at(nodes)

        list(comfy_checks.problems_at(workflow.graph, workflow.slots, nodes=nodes))
        assert told == workflow.capabilities()


def test_a_server_tells_choices_and_limits_in_the_old_and_the_new_way() -> None:
    workflow = comfy_workflows.read(TEXT)
    rules = {
        "steps": ["INT", {"min": 1, "max": 99}],
        "cfg": ["FLOAT", {"min": 0.0, "max": 20.0}],
    }
    for choice in ([["euler", "heun"]], ["COMBO", {"options": ["euler", "heun"]}]):
        described = {"input": {"required": rules | {"sampler_name": choice}}}
        nodes = {"KSampler": described}
        found = workflow.capabilities_at(nodes).parameters

        assert found["sampler"].choices == ("euler", "heun")
        assert (found["steps"].low, found["steps"].high) == (1, 99)
        assert (found["guidance"].low, found["guidance"].high) == (0.0, 20.0)


def test_a_file_that_is_uploaded_with_each_call_is_no_problem() -> None:
    workflow = comfy_workflows.read(with_slots(INPAINT))
    image = {"required": {"image": [["other.png"], {"image_upload": True}]}}
    graph = {"8": {"class_type": "LoadImage", "inputs": {"image": "there.png"}}}

    found = comfy_checks.problems_at(graph, {}, nodes={"LoadImage": {"input": image}})

    assert list(found) == []
    assert workflow.slots


def test_slots_are_suggested_through_what_lies_between_text_and_sampler() -> None:
    def node(kind: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": kind, "inputs": inputs}

    graph = {
        "1": node("CLIPTextEncode", text="a mug", clip=["9", 1]),
        "2": node("FluxGuidance", conditioning=["1", 0], guidance=3.5),
        "3": node("ConditioningZeroOut", conditioning=["1", 0]),
        "4": node("KSamplerAdvanced", positive=["2", 0], negative=["3", 0], noise_seed=5),
        "5": node("LoadImage", image="a.png"),
        "6": node("LoadImage", image="b.png"),
        "7": node("VAEEncodeForInpaint", pixels=["5", 0], mask=["6", 1], denoise=0.5),
        "8": {"class_type": "Broken", "inputs": None},
    }

    assert comfy_slots.suggested(graph) == {
        # Both texts come from one place: it is the prompt's.
        "prompt": "1.text",
        "seed": "4.noise_seed",
        "image": "5.image",
        "mask": "6.image",
        "strength": "7.denoise",
    }
    assert comfy_slots.suggested({"1": node("KSampler", positive=["1", 0], negative=[])}) == {}
    assert comfy_slots.document_of({"nodes": [], "links": []}) == {"nodes": [], "links": []}
