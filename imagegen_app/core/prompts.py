"""Render prompt templates: Jinja2's parser, an allowlist of syntax, and our own evaluation.

Nothing of Jinja2's runtime is used, so there is no sandbox to escape from: a template can hold
text, variables, a few filters and `if`. Values are text, numbers and booleans; they are inserted
once and never parsed as a template.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import (
    MAX_RENDERED_CHARS,
    MAX_TEMPLATE_CHARS,
)
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.core.variables import (
    MissingValue,
    PromptTemplateError,
    Value,
    Variable,
    clean_values,
    variables_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Re-exports the names of `variables`, since code that renders a template needs both.
__all__ = [
    "MissingValue",
    "PromptTemplateError",
    "RenderedPrompt",
    "Value",
    "Variable",
    "VariableKind",
    "check_template",
    "clean_values",
    "render",
    "variables_from",
]

#: Levels of blocks, conditions and filters in each other.
_MAX_DEPTH = 60
_PARSER = Environment(autoescape=False)  # noqa: S701 - only its parser is used, nothing is rendered
_FILTERS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "capitalize": str.capitalize,
    "trim": str.strip,
}
#: What a template may do with a value.
FILTER_NAMES = (*sorted(_FILTERS), "default")


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A rendered prompt, and which parts of it came from which variable."""

    text: str
    #: (start, end, variable) in characters of `text`.
    spans: tuple[tuple[int, int, str], ...] = ()


def check_template(source: str, variables: Sequence[Variable]) -> None:
    """Check that a template uses only allowed syntax and the given variables.

    :raises PromptTemplateError: if it does not; names the line and what is allowed.
    """
    checked_tree(source, variables)


def checked_tree(source: str, variables: Sequence[Variable]) -> nodes.Template:
    """Return the syntax tree of a template that uses only what is allowed; nobody may change it.

    :raises PromptTemplateError: as `check_template`.
    """
    return _checked_tree(source, frozenset(v.name for v in variables))


# Cached, since a batch renders one template thousands of times; nobody changes the tree.
@lru_cache(maxsize=64)
def _checked_tree(source: str, known: frozenset[str]) -> nodes.Template:
    tree = _parse(source)
    for node in tree.find_all(nodes.Name):
        if node.name not in known:
            raise PromptTemplateError(
                gettext_noop("line %(number)s: unknown variable “%(name)s”"),
                variable=node.name,
                line=node.lineno,
                number=node.lineno,
                name=node.name,
            )
    _check_block(tree.body)
    return tree


def render(source: str, variables: Sequence[Variable], values: Mapping[str, Any]) -> RenderedPrompt:
    """Return a template's text with the values filled in.

    :raises PromptTemplateError: if the template or a value is not valid, or the result is longer
        than `MAX_RENDERED_CHARS`.
    """
    tree = checked_tree(source, variables)
    writer = _Writer(clean_values(variables, values))
    writer.block(tree.body)
    return writer.result()


class _Writer:
    """Evaluates a checked syntax tree and collects the text."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values
        self.parts: list[str] = []
        self.spans: list[tuple[int, int, str]] = []
        self.length = 0

    def block(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            if isinstance(node, nodes.Output):
                for child in node.nodes:
                    self.put(child)
            elif isinstance(node, nodes.If):
                self.branch(node)

    def branch(self, node: nodes.If) -> None:
        for candidate in (node, *node.elif_):
            if is_true(candidate.test, self.values):
                self.block(candidate.body)
                return
        self.block(node.else_)

    def put(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.TemplateData):
            self.write(node.data)
            return
        start = self.length
        self.write(_text(_value(node, self.values)))
        name = next(node.find_all(nodes.Name), None) if not isinstance(node, nodes.Name) else node
        if name is not None and self.length > start:
            self.spans.append((start, self.length, name.name))

    def write(self, text: str) -> None:
        self.length += len(text)
        if self.length > MAX_RENDERED_CHARS:
            raise PromptTemplateError(
                gettext_noop("the prompt would exceed %(most)s characters"), most=MAX_RENDERED_CHARS
            )
        self.parts.append(text)

    def result(self) -> RenderedPrompt:
        text = "".join(self.parts)
        lead, stripped = len(text) - len(text.lstrip()), text.strip()
        spans = (
            (max(0, start - lead), min(len(stripped), end - lead), name)
            for start, end, name in self.spans
        )
        return RenderedPrompt(stripped, tuple(span for span in spans if span[0] < span[1]))


def _parse(source: str) -> nodes.Template:
    if len(source) > MAX_TEMPLATE_CHARS:
        raise PromptTemplateError(
            gettext_noop("at most %(most)s characters, not %(number)s"),
            most=MAX_TEMPLATE_CHARS,
            number=len(source),
        )
    try:
        tree = _PARSER.parse(source)
    except TemplateSyntaxError as error:
        raise PromptTemplateError(
            gettext_noop(
                "line %(number)s: the braces are not closed, or what stands in them is not understood"
            ),
            line=error.lineno,
            number=error.lineno,
        ) from None
    except RecursionError:
        raise PromptTemplateError(gettext_noop("the template is nested too deeply")) from None
    _require_shallow(tree)
    return tree


def _require_shallow(tree: nodes.Template) -> None:
    """Refuse what is nested deeper than our functions, which call themselves, may go anywhere.

    A chain of filters is nested, too: each filter holds the one before it.
    """
    level: list[nodes.Node] = [tree]
    for _depth in range(_MAX_DEPTH):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    raise PromptTemplateError(gettext_noop("the template is nested too deeply"))


def _check_block(body: Sequence[nodes.Node]) -> None:
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                if not isinstance(child, nodes.TemplateData):
                    _check_value(child)
        elif isinstance(node, nodes.If):
            for candidate in (node, *node.elif_):
                _check_condition(candidate.test)
                _check_block(candidate.body)
            _check_block(node.else_)
        else:
            raise _forbidden(node)


def _check_value(node: nodes.Node) -> None:
    if isinstance(node, nodes.Name):
        return
    if isinstance(node, nodes.Filter) and node.node is not None:
        takes_default = node.name == "default"
        plain = not node.kwargs and node.dyn_args is None and node.dyn_kwargs is None
        constants = all(isinstance(a, nodes.Const) for a in node.args)
        if (
            plain
            and constants
            and len(node.args) == int(takes_default)
            and (takes_default or node.name in _FILTERS)
        ):
            _check_value(node.node)
            return
        allowed = ", ".join([*sorted(_FILTERS), "default('…')"])
        raise PromptTemplateError(
            gettext_noop(
                "line %(number)s: the filter “%(name)s” is not allowed here; available: %(known)s"
            ),
            line=node.lineno,
            number=node.lineno,
            name=node.name,
            known=allowed,
        )
    raise _forbidden(node)


def _check_condition(node: nodes.Node) -> None:
    if isinstance(node, nodes.Name | nodes.Const):
        return
    if isinstance(node, nodes.Not):
        _check_condition(node.node)
        return
    if isinstance(node, nodes.And | nodes.Or):
        _check_condition(node.left)
        _check_condition(node.right)
        return
    if isinstance(node, nodes.Compare) and all(o.op in {"eq", "ne"} for o in node.ops):
        # Only texts are compared, never one condition with another.
        for compared in (node.expr, *(operand.expr for operand in node.ops)):
            if not isinstance(compared, nodes.Name | nodes.Const):
                raise _forbidden(compared)
        return
    raise _forbidden(node)


def _forbidden(node: nodes.Node) -> PromptTemplateError:
    kind = type(node).__name__
    return PromptTemplateError(
        gettext_noop(
            "line %(number)s: %(kind)s is not allowed; a template can hold text, variables, a few "
            "filters and if"
        ),
        line=node.lineno,
        number=node.lineno,
        kind=kind,
    )


def _value(node: nodes.Node, values: Mapping[str, Value]) -> Value:
    if isinstance(node, nodes.Name):
        return values[node.name]
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, bool) else str(node.value)
    if isinstance(node, nodes.Filter) and node.node is not None:
        inner = _value(node.node, values)
        if node.name == "default":
            return inner if inner not in ("", False) else _value(node.args[0], values)
        return _FILTERS[node.name](_text(inner))
    raise _forbidden(node)


def is_true(node: nodes.Node, values: Mapping[str, Value]) -> bool:
    """Return whether a checked condition holds for the values of a template's variables."""
    if isinstance(node, nodes.Not):
        return not is_true(node.node, values)
    if isinstance(node, nodes.And):
        return is_true(node.left, values) and is_true(node.right, values)
    if isinstance(node, nodes.Or):
        return is_true(node.left, values) or is_true(node.right, values)
    if isinstance(node, nodes.Compare):
        left = _text(_value(node.expr, values))
        for operand in node.ops:
            if (left == _text(_value(operand.expr, values))) is not (operand.op == "eq"):
                return False
        return True
    return bool(_value(node, values))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
