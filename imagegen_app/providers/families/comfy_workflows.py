"""Read workflows of ComfyUI as data: a graph in API format, and where in it each value goes.

A workflow is a document of an account's options::

    {"graph": {...}, "slots": {"prompt": "6.text", "seed": ["3.seed", "9.seed"]}, "outputs": ["8"]}

A slot names one place or several, each `node.input`. The slots `prompt`, `negative_prompt`, `seed`,
`width`, `height` and `count` take what their names say; `image`, `reference`, `control`, `style` and
`mask` take uploaded files, `lora` a file's name. The second of its kind is `image_2`, `lora_2` and so
on, and `lora_weight`, `control_weight`, `control_start` and `control_end` belong to theirs. Every other
slot is a parameter, and has the kind of the value that it replaces.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    WORDLESS_OPERATIONS,
    GenerationRequest,
    ImageInput,
    InputRole,
    Operation,
)
from imagegen_app.providers.families import comfy_checks, server_models
from imagegen_app.providers.families.comfy_checks import SIZED, Place

_FILE = re.compile(r"(image|reference|control|style|mask)(_[2-9])?")
_VALUE = re.compile(
    r"prompt|negative_prompt|seed|width|height|count"
    r"|(lora|lora_weight|control_weight|control_start|control_end)(_[2-9])?"
)
#: What text encoders and their extensions read as files of the server, not as words.
_CONTROL_SYNTAX = re.compile(r"embedding:|<(?:lora|lyco|hypernet):[^<>]*>", re.IGNORECASE)
_MOST_FILE_BYTES = 64 * 1024 * 1024
#: Whole numbers in a graph say nothing about these.
_SHARES = frozenset({"strength", "denoise"})
_FRACTIONS = frozenset({"guidance", "cfg"})


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow that was read, and fits together."""

    graph: Mapping[str, Any]
    slots: Mapping[str, tuple[Place, ...]]
    operations: frozenset[Operation]
    #: The nodes whose images are the result; empty for all that are saved.
    outputs: tuple[str, ...] = ()

    @property
    def node_types(self) -> list[str]:
        """The classes of its nodes, sorted."""
        return sorted({str(node["class_type"]) for node in self.graph.values()})

    def capabilities(self) -> Capabilities:
        """Return what the slots offer."""
        files = [name for name in self.slots if _FILE.fullmatch(name)]
        loras = [name for name in self.slots if re.fullmatch(r"lora(_\d)?", name)]
        counts = {role: sum(n.split("_")[0] == role.value for n in files) for role in InputRole}
        rules = {
            role: InputRule(max_bytes=_MOST_FILE_BYTES, max_count=n)
            for role, n in counts.items()
            if n
        }
        sizes = SizeRule(step=8, min_pixels=64 * 64, max_side=4096)
        return Capabilities(
            operations=self.operations,
            sizes=sizes if self.operations & SIZED else SizeRule(),
            max_count=8 if "count" in self.slots else 1,
            max_inputs=len(files) - counts[InputRole.MASK],
            inputs=rules,
            supports_mask="mask" in self.slots,
            supports_seed="seed" in self.slots,
            is_reproducible="seed" in self.slots,
            supports_negative_prompt="negative_prompt" in self.slots,
            promptless=frozenset() if "prompt" in self.slots else self.operations,
            parameters=dict(self._parameters()),
            max_loras=len(loras),
            lora_weights=(0.0, 2.0),
        )

    def capabilities_at(self, nodes: Mapping[str, object]) -> Capabilities:
        """Return what the slots offer with the choices and limits of the nodes that a server has."""
        known = self.capabilities()
        parameters = dict(known.parameters)
        for name, one in parameters.items():
            node, part = self.slots[name][0]
            entry = nodes.get(str(self.graph[node]["class_type"]))
            rules = {g: comfy_checks.inputs_of(entry, g) for g in ("required", "optional")}
            rule = {**rules["optional"], **rules["required"]}.get(part)
            chosen = server_models.choices_in(comfy_checks.choices_of(rule))
            low, high = comfy_checks.range_of(rule)
            if chosen and one.default in chosen:
                parameters[name] = replace(one, kind="choice", choices=chosen, low=None, high=None)
            elif one.kind in {"int", "float"} and one.low is None and one.high is None:
                fits = (low is None or one.default >= low) and (high is None or one.default <= high)
                parameters[name] = replace(one, low=low, high=high) if fits else one
        return replace(known, parameters=parameters)

    def files_of(self, request: GenerationRequest) -> dict[str, ImageInput]:
        """Return which input image goes into which slot.

        :raises UnsupportedParameter: if one has no slot, or a slot gets none.
        """
        found: dict[str, ImageInput] = {}
        for one in sorted(request.inputs, key=lambda one: one.role is InputRole.REFERENCE):
            is_merged = one.role is InputRole.REFERENCE and "reference" not in self.slots
            role = InputRole.IMAGE if is_merged else one.role
            found[_free(role.value, found)] = one
        for name in (*found, *filter(_FILE.fullmatch, self.slots)):
            if name not in self.slots:
                raise _lacks(name)
            if name not in found:
                raise UnsupportedParameter(detail=f"{name}: the workflow needs one")
        return found

    def values_of(self, request: GenerationRequest, *, seed: int) -> dict[str, Any]:
        """Return the values of the slots but files; `seed` is for a request without one.

        :raises UnsupportedParameter: if something that is asked for has no slot.
        """
        is_sized, is_wordless = request.operation in SIZED, request.operation in WORDLESS_OPERATIONS
        # What is asked for, and whether it may be left out where there is no slot for it.
        wanted: dict[str, tuple[Any, bool]] = {
            "prompt": (cleaned(request.prompt), is_wordless),
            "width": (request.size.width, not is_sized),
            "height": (request.size.height, not is_sized),
            "count": (request.count, request.count == 1),
            "seed": (seed if request.seed is None else request.seed, request.seed is None),
            # A parameter can go into a text as well; where it is a choice, this changes nothing.
            **{
                name: (cleaned(value) if isinstance(value, str) else value, False)
                for name, value in request.parameters.items()
            },
        }
        if request.negative_prompt:
            wanted["negative_prompt"] = (cleaned(request.negative_prompt), False)
        for n, lora in enumerate(request.loras, 1):
            if cleaned(lora.name) != lora.name:
                # It is the name of one file, wherever the workflow puts it.
                raise UnsupportedParameter(detail="loras: not the name of a file")
            wanted[_numbered("lora", n)] = (lora.name, False)
            wanted[_numbered("lora_weight", n)] = (lora.weight, lora.weight == 1.0)
        guides = [one.guide for one in request.inputs if one.role is InputRole.CONTROL]
        for n, guide in enumerate(guides, 1):
            for part, usual in (("weight", 1.0), ("start", 0.0), ("end", 1.0)):
                if guide is not None:
                    value = getattr(guide, part)
                    wanted[_numbered(f"control_{part}", n)] = (value, value == usual)
        for name, (_, is_optional) in wanted.items():
            if name not in self.slots and not is_optional:
                raise _lacks(name)
        return {name: value for name, (value, _) in wanted.items() if name in self.slots}

    def filled(self, values: Mapping[str, Any], *, file_prefix: str) -> dict[str, Any]:
        """Return the graph with values in its slots; saved files get names of their own.

        Without these, a repeated graph would answer with the files of an earlier call.
        """
        graph = copy.deepcopy(dict(self.graph))
        for name, value in values.items():
            for node, part in self.slots[name]:
                graph[node]["inputs"][part] = value
        for node in graph.values():
            if "filename_prefix" in node["inputs"]:
                node["inputs"]["filename_prefix"] = file_prefix
        return graph

    def _parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, places in self.slots.items():
            if _FILE.fullmatch(name) or _VALUE.fullmatch(name):
                continue
            node, part = places[0]
            value = self.graph[node]["inputs"][part]
            if name in _SHARES:
                yield name, Parameter("float", 0, 1, default=value)
            elif isinstance(value, bool):
                yield name, Parameter("bool", default=value)
            elif isinstance(value, float) or name in _FRACTIONS:
                yield name, Parameter("float", default=value)
            else:
                yield name, Parameter("int" if isinstance(value, int) else "text", default=value)


def read(document: object) -> Workflow:
    """Read a workflow, and see that its graph and its slots fit together.

    :raises UnsupportedParameter: with what is wrong, by the name of the slot or the node.
    """
    problem = next(comfy_checks.problems_in(document), None)
    if problem is not None:
        raise UnsupportedParameter(detail=f"workflow: {problem}")
    found: Any = document
    operations = comfy_checks.operations_of(found.get("operations"), slots=found["slots"])
    return Workflow(
        found["graph"],
        {str(name): comfy_checks.places_of(value) for name, value in found["slots"].items()},
        frozenset(operations),
        tuple(str(one) for one in found.get("outputs", ())),
    )


def cleaned(text: str) -> str:
    """Return a text without what a server would take for the name of one of its files."""
    found = 1
    while found:
        # Again, for what was put together from its two sides.
        text, found = _CONTROL_SYNTAX.subn(" ", text)
    return text


def is_cleaned(request: GenerationRequest) -> bool:
    """Tell whether a request has texts of which `cleaned` leaves something out."""
    texts = (request.prompt, request.negative_prompt, *request.parameters.values())
    return any(isinstance(text, str) and cleaned(text) != text for text in texts)


def _free(role: str, taken: Mapping[str, object]) -> str:
    return next(name for n in range(1, 100) if (name := _numbered(role, n)) not in taken)


def _numbered(name: str, n: int) -> str:
    return name if n == 1 else f"{name}_{n}"


def _lacks(name: str) -> UnsupportedParameter:
    return UnsupportedParameter(detail=f"{name}: the workflow has no slot for it")
