"""Tell how short and how long a prompt can become, by the values that its variables may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import nodes

from imagegen_app.core.variable_kinds import VariableKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.variables import Variable

#: The longest colour name and number that are reckoned with, in characters.
_COLOUR_CHARS = 41
_NUMBER_CHARS = 12

#: The least and the most characters of a text.
_Range = tuple[int, int]


def length_range(tree: nodes.Template, variables: Sequence[Variable]) -> _Range:
    """Return the least and the most characters that a checked template can render.

    The least is never too many: white space is not counted. The most is about right: it takes the
    longest branch of each condition, and a few letters become two where they are capitals.
    """
    lengths = {one.name: _of_variable(one) for one in variables}
    return _of_block(tree.body, lengths)


def _of_block(body: Sequence[nodes.Node], lengths: Mapping[str, _Range]) -> _Range:
    least = most = 0
    for node in body:
        parts: list[_Range] = []
        if isinstance(node, nodes.Output):
            parts = [_of_value(one, lengths) for one in node.nodes]
        elif isinstance(node, nodes.If):
            branches = [node.body, *(one.body for one in node.elif_), node.else_]
            found = [_of_block(one, lengths) for one in branches]
            parts = [(min(low for low, _high in found), max(high for _low, high in found))]
        least += sum(low for low, _high in parts)
        most += sum(high for _low, high in parts)
    return least, most


def _of_value(node: nodes.Node, lengths: Mapping[str, _Range]) -> _Range:
    if isinstance(node, nodes.TemplateData):
        return len("".join(node.data.split())), len(node.data)
    if isinstance(node, nodes.Filter) and node.node is not None:
        low, high = _of_value(node.node, lengths)
        if node.name != "default":
            return low, high
        other = node.args[0]
        length = len(str(other.value)) if isinstance(other, nodes.Const) else 0
        return (low or min(length, 1)), max(high, length)
    return lengths.get(node.name, (0, 0)) if isinstance(node, nodes.Name) else (0, 0)


def _of_variable(variable: Variable) -> _Range:
    may_be_empty = not variable.required and not variable.default
    high = variable.max_chars
    low = 1
    match variable.kind:
        case VariableKind.CHOICE:
            sizes = [len(one) for one in variable.choices]
            low, high = min(sizes, default=0), max(sizes, default=0)
        case VariableKind.SWITCH:
            low, high = len("no"), len("yes")
        case VariableKind.COLOUR:
            high = min(high, _COLOUR_CHARS)
        case VariableKind.NUMBER:
            bounds = [
                len(str(one)) for one in (variable.minimum, variable.maximum) if one is not None
            ]
            high = min(high, max([_NUMBER_CHARS, *bounds]))
        case _:
            pass
    is_switch = variable.kind is VariableKind.SWITCH
    return (0 if may_be_empty and not is_switch else low), high
