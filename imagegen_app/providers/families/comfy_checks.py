"""See that a workflow of ComfyUI fits together, by itself and with the nodes that a server has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import WORDLESS_OPERATIONS, Operation

Place = tuple[str, str]
SIZED = frozenset({Operation.GENERATE, Operation.OUTPAINT})
#: The nodes and channels that read a mask from transparency.
_MASK_NODES: Mapping[str, object] = {"LoadImage": None, "LoadImageMask": "alpha"}
#: A graph of more nodes is no workflow that somebody drew.
MAX_NODES = 1000
#: The slots whose places every call fills.
_ALWAYS_FILLED = re.compile(
    r"prompt|seed|width|height|count|(image|reference|control|style|mask)(_[2-9])?"
)
#: Kinds of inputs that are numbers, in the words of `/object_info`.
_NUMBERS = frozenset({"INT", "FLOAT"})


def problems_in(document: object) -> Iterator[Message]:
    """Tell everything about a workflow that does not fit together."""
    if not isinstance(document, Mapping):
        yield Message(gettext_noop("it must be an object with a graph and slots"))
        return
    graph, slots = document.get("graph"), document.get("slots")
    if is_editor_format(document) or is_editor_format(graph):
        yield Message(gettext_noop("it is in the editor's format; export it in API format"))
        return
    if not isinstance(graph, Mapping) or not graph or not isinstance(slots, Mapping):
        yield Message(gettext_noop("it must be an object with a graph and slots"))
        return
    if len(graph) > MAX_NODES:
        yield Message(gettext_noop("it has more than %(limit)s nodes"), {"limit": MAX_NODES})
        return
    broken = [problem for name, node in graph.items() for problem in _of_node(name, node, graph)]
    yield from broken
    if broken:
        # Slots lead into nodes.
        return
    for name, value in slots.items():
        yield from _of_slot(str(name), value, graph)
    outputs = document.get("outputs", ())
    if not isinstance(outputs, list | tuple) or not all(str(one) in graph for one in outputs):
        yield Message(gettext_noop("outputs: they must be nodes of the graph"))
    yield from _of_operations(document.get("operations"), slots=slots)


def is_editor_format(document: object) -> bool:
    """Return whether a document is what the editor saves, with places and links for the eye."""
    return isinstance(document, Mapping) and {"nodes", "links"} <= document.keys()


def places_of(value: object) -> tuple[Place, ...]:
    """Return the places that a slot names, each a node and an input of it."""
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple((node, part) for node, _, part in (str(one).partition(".") for one in listed))


def operations_of(named: object, *, slots: Mapping[str, object]) -> tuple[Operation, ...]:
    """Return what a workflow is for: as it says, or as its slots for files tell.

    :raises ValueError: if it names something else than operations, or none.
    :raises TypeError: if it is no list.
    """
    if named is None:
        if "image" not in slots:
            return (Operation.GENERATE,)
        return (Operation.INPAINT if "mask" in slots else Operation.EDIT,)
    if not isinstance(named, list | tuple):
        raise TypeError("no list")
    if not named:
        raise ValueError("no operations")
    return tuple(Operation(one) for one in named)


def _of_node(name: object, node: object, graph: Mapping[str, Any]) -> Iterator[Message]:
    is_node = isinstance(node, Mapping) and isinstance(node.get("inputs"), Mapping)
    if not is_node or not isinstance(node, Mapping) or not isinstance(node.get("class_type"), str):
        text = gettext_noop("%(node)s: it is no node with a class_type and inputs")
        yield Message(text, {"node": _short(name)})
        return
    for part, value in node["inputs"].items():
        if is_link(value) and str(value[0]) not in graph:
            text = gettext_noop("%(place)s: it is linked to a node that is missing")
            yield Message(text, {"place": _short(f"{name}.{part}")})


def _of_slot(name: str, value: object, graph: Mapping[str, Any]) -> Iterator[Message]:
    places = places_of(value)
    if not places:
        yield Message(gettext_noop("%(slot)s: the slot names no place"), {"slot": _short(name)})
    for node, part in places:
        values = {"slot": _short(name), "place": _short(f"{node}.{part}")}
        if node not in graph or part not in graph[node]["inputs"]:
            yield Message(gettext_noop("%(slot)s: there is no %(place)s in the graph"), values)
        elif isinstance(graph[node]["inputs"][part], list | dict):
            text = gettext_noop("%(slot)s: %(place)s is linked to a node, and takes no value")
            yield Message(text, values)
        elif name == "mask" and not _reads_transparency(graph[node]):
            text = gettext_noop("%(slot)s: %(place)s does not read transparency as a mask")
            yield Message(text, values)


def _reads_transparency(node: Mapping[str, Any]) -> bool:
    return bool(_MASK_NODES.get(node["class_type"], "") == node["inputs"].get("channel"))


def _of_operations(named: object, *, slots: Mapping[str, object]) -> Iterator[Message]:
    try:
        listed = operations_of(named, slots=slots)
    except (TypeError, ValueError):
        yield Message(gettext_noop("operations: they must be a list of known ones"))
        return
    for operation in listed:
        missing = [] if operation in WORDLESS_OPERATIONS or "prompt" in slots else ["prompt"]
        missing += [n for n in ("width", "height") if operation in SIZED and n not in slots]
        if operation is not Operation.GENERATE and not {"image", "control"} & slots.keys():
            missing.append("image")
        for slot in missing:
            text = gettext_noop("%(slot)s: %(operation)s needs a slot of this name")
            yield Message(text, {"slot": slot, "operation": operation.value})


def problems_at(
    graph: Mapping[str, Any],
    slots: Mapping[str, Sequence[Place]],
    *,
    nodes: Mapping[str, object],
) -> Iterator[Message]:
    """Tell what of a workflow that fits together does not fit the nodes that a server describes.

    `nodes` are the entries of `/object_info` by class; None where the server has no such node.
    """
    for kind in sorted({str(node["class_type"]) for node in graph.values()}):
        if not isinstance(nodes.get(kind), Mapping):
            text = gettext_noop("the server has no node %(node)s")
            yield Message(text, {"node": _short(kind)})
    # What other slots replace stays as it is where a request does not name it.
    always = [places for name, places in slots.items() if _ALWAYS_FILLED.fullmatch(name)]
    filled = {place for places in always for place in places}
    for name, node in graph.items():
        entry = nodes.get(str(node["class_type"]))
        if not isinstance(entry, Mapping):
            continue
        for part, rule in inputs_of(entry, "required").items():
            if part not in node["inputs"]:
                text = gettext_noop("%(place)s: the node needs this input")
                yield Message(text, {"place": _short(f"{name}.{part}")})
            elif (name, part) not in filled:
                yield from _of_value(f"{name}.{part}", node["inputs"][part], rule)


def inputs_of(entry: object, group: str) -> dict[str, object]:
    """Return the inputs that a node's description names, required or optional."""
    described = entry.get("input") if isinstance(entry, Mapping) else None
    found = described.get(group) if isinstance(described, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def choices_of(rule: object) -> list[Any]:
    """Return what can be chosen for an input; empty for one of another kind."""
    kind, more = _rule(rule)
    if isinstance(kind, list):
        return kind
    options = more.get("options") if kind == "COMBO" else None
    return options if isinstance(options, list) else []


def range_of(rule: object) -> tuple[float | None, float | None]:
    """Return the least and the greatest value of an input that is a number."""
    kind, more = _rule(rule)
    is_number = isinstance(kind, str) and kind in _NUMBERS
    limits = [more.get("min"), more.get("max")] if is_number else [None, None]
    low, high = (
        one if isinstance(one, int | float) and not isinstance(one, bool) else None
        for one in limits
    )
    return low, high


def _of_value(place: str, value: object, rule: object) -> Iterator[Message]:
    """Tell what a server would refuse of a value that no slot replaces."""
    if is_link(value):
        return
    choices, (low, high) = choices_of(rule), range_of(rule)
    is_upload = any("upload" in str(name) for name in _rule(rule)[1])
    values = {"place": _short(place), "value": _short(value)}
    if choices and not is_upload and value not in choices:
        yield Message(gettext_noop("%(place)s: the server does not have “%(value)s”"), values)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (
        (low is not None and value < low)  # type: ignore[operator]  # a number
        or (high is not None and value > high)  # type: ignore[operator]  # a number
    ):
        yield Message(gettext_noop("%(place)s: %(value)s is out of range"), values)


def _rule(rule: object) -> tuple[object, Mapping[str, Any]]:
    """Return the kind of an input, and what else its description says."""
    if not isinstance(rule, list | tuple) or not rule:
        return None, {}
    more = rule[1] if len(rule) > 1 and isinstance(rule[1], Mapping) else {}
    return rule[0], more


def is_link(value: object) -> bool:
    """Return whether an input's value is another node, and the number of its output."""
    return isinstance(value, list) and [type(one) for one in value] == [str, int]


def _short(value: object) -> str:
    return str(value)[:80]
