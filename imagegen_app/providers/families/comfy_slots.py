"""Suggest the slots of an exported workflow of ComfyUI, by the nodes that most workflows have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imagegen_app.providers.families.comfy_checks import is_editor_format, is_link

#: Links that are followed from a sampler to the text that it is told.
_MAX_LINKS = 20
#: Our slots, with what samplers call them.
_SAMPLER_PARTS = {
    "seed": ("seed", "noise_seed"),
    "steps": ("steps",),
    "guidance": ("cfg",),
    "sampler": ("sampler_name",),
    "scheduler": ("scheduler",),
}
_SIZE_PARTS = {"width": "width", "height": "height", "count": "batch_size"}


def document_of(exported: Any) -> Any:
    """Return a workflow's document: as it was handed in, or a bare graph with suggested slots."""
    if not isinstance(exported, Mapping) or "graph" in exported or is_editor_format(exported):
        return exported
    return {"graph": exported, "slots": suggested(exported)}


def suggested(graph: Mapping[str, Any]) -> dict[str, str]:
    """Return the slots of a graph that can be told without asking; broken nodes have none."""
    nodes = {name: node for name, node in graph.items() if _inputs(node)}
    found: dict[str, str] = {}
    for name, node in nodes.items():
        for slot, place in (*_of_sampler(name, nodes), *_of_size(name, nodes)):
            if place not in found.values():
                found.setdefault(slot, place)
        if node.get("class_type") == "LoadImage":
            found.setdefault("mask" if _is_mask(name, nodes) else "image", f"{name}.image")
    if "image" in found:
        found |= dict(_strength(nodes))
    return found


def _of_sampler(name: str, nodes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    inputs = _inputs(nodes[name])
    if not {"positive", "negative"} <= inputs.keys():
        return
    for slot, part in (("prompt", "positive"), ("negative_prompt", "negative")):
        if text := _text_behind(inputs[part], nodes):
            yield slot, text
    for slot, parts in _SAMPLER_PARTS.items():
        if place := next((part for part in parts if _is_value(inputs.get(part))), ""):
            yield slot, f"{name}.{place}"


def _of_size(name: str, nodes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    inputs = _inputs(nodes[name])
    if set(_SIZE_PARTS.values()) <= inputs.keys():
        for slot, part in _SIZE_PARTS.items():
            if _is_value(inputs[part]):
                yield slot, f"{name}.{part}"


def _inputs(node: object) -> Mapping[str, Any]:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _text_behind(link: object, nodes: Mapping[str, Any]) -> str:
    """Return the place of the text that a conditioning comes from; empty where there is none."""
    for _ in range(_MAX_LINKS):
        if not isinstance(link, list) or not is_link(link) or link[0] not in nodes:
            return ""
        name, inputs = link[0], _inputs(nodes[link[0]])
        if isinstance(inputs.get("text"), str):
            return f"{name}.text"
        # Such as a guidance or a control net between the text and the sampler.
        link = inputs.get("conditioning") or inputs.get("positive")
    return ""


def _is_mask(name: str, nodes: Mapping[str, Any]) -> bool:
    """Return whether a loaded image is used for its transparency alone."""
    used = [v for node in nodes.values() for v in _inputs(node).values() if is_link(v)]
    outputs = {number for source, number in used if source == name}
    return outputs == {1}


def _strength(nodes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, node in nodes.items():
        if _is_value(_inputs(node).get("denoise")):
            yield "strength", f"{name}.denoise"
            return


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float)
