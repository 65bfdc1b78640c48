"""Render prompt templates: Jinja2's parser, an allowlist of syntax, and our own evaluation.

Nothing of Jinja2's runtime is used, so there is nothing to escape from: a template is text,
variables, a few filters and `if`. Values are only text, numbers and switches; they are inserted
once and never parsed again.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, TemplateSyntaxError, nodes

from imagegen_app.core.limits import (
    MAX_RENDERED_CHARS,
    MAX_TEMPLATE_CHARS,
    MAX_VARIABLE_CHARS,
    MAX_VARIABLES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Value = str | Decimal | bool

_PARSER = Environment(autoescape=False)  # noqa: S701 - only its parser is used, nothing is rendered
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_COLOUR = re.compile(r"^(#[0-9a-fA-F]{6}|[A-Za-z][A-Za-z \-]{0,39})$")
_FILTERS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "capitalize": str.capitalize,
    "trim": str.strip,
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class TemplateFault(ValueError):
    """The template or a value does not fit; the message is written for its author."""

    def __init__(self, message: str, *, variable: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.variable = variable
        self.line = line


class VariableKind(StrEnum):
    """What a variable holds."""

    TEXT = "text"
    CHOICE = "choice"
    COLOUR = "colour"
    NUMBER = "number"
    SWITCH = "switch"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Variable:
    """One typed variable of a template."""

    name: str
    kind: VariableKind = VariableKind.TEXT
    label: str = ""
    help: str = ""
    default: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    max_chars: int = 200

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Variable:
        """Read a variable from its stored form.

        :raises TemplateFault: if a field is missing, unknown or of the wrong kind.
        """
        unknown = set(data) - set(cls.__slots__)
        if unknown:
            raise TemplateFault(f"unknown field {min(unknown)!r} in a variable")
        name = str(data.get("name", ""))
        if not _NAME.match(name):
            raise TemplateFault(
                f"{name!r} is no variable name: use lower-case letters, digits and underscores",
                variable=name,
            )
        try:
            kind = VariableKind(str(data.get("kind", "text")))
        except ValueError:
            raise TemplateFault(
                f"unknown kind {data.get('kind')!r}: use " + ", ".join(VariableKind), variable=name
            ) from None
        choices = tuple(str(c) for c in data.get("choices", ()))
        if kind is VariableKind.CHOICE and not choices:
            raise TemplateFault("a choice needs its choices", variable=name)
        return cls(
            name=name,
            kind=kind,
            label=str(data.get("label", "")) or name.replace("_", " ").capitalize(),
            help=str(data.get("help", "")),
            default=str(data.get("default", "")),
            required=bool(data.get("required", True)),
            choices=choices,
            minimum=_bound(data.get("minimum"), name),
            maximum=_bound(data.get("maximum"), name),
            max_chars=min(int(data.get("max_chars", 200)), MAX_VARIABLE_CHARS),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        plain = {k: str(v) if isinstance(v, Decimal) else v for k, v in asdict(self).items()}
        return {**plain, "kind": self.kind.value, "choices": list(self.choices)}

    def clean(self, value: Any) -> Value:
        """Turn what came from a form, a file or the API into this variable's value.

        :raises TemplateFault: if the value does not fit.
        """
        if self.kind is VariableKind.SWITCH:
            return (
                value
                if isinstance(value, bool)
                else str(value).lower() in {"1", "true", "on", "yes"}
            )
        text = _CONTROL.sub("", "" if value is None else str(value)).strip()
        if not text:
            text = self.default
        if not text:
            if self.required:
                raise TemplateFault(
                    f"{self.label or self.name}: a value is needed", variable=self.name
                )
            return ""
        if len(text) > self.max_chars:
            raise TemplateFault(
                f"{self.label or self.name}: at most {self.max_chars} characters, not {len(text)}",
                variable=self.name,
            )
        return self._typed(text)

    def _typed(self, text: str) -> Value:
        label = self.label or self.name
        if self.kind is VariableKind.CHOICE and text not in self.choices:
            raise TemplateFault(
                f"{label}: choose one of {', '.join(self.choices)}", variable=self.name
            )
        if self.kind is VariableKind.COLOUR and not _COLOUR.match(text):
            raise TemplateFault(f"{label}: a colour name or #rrggbb is needed", variable=self.name)
        if self.kind is VariableKind.NUMBER:
            try:
                number = Decimal(text)
            except InvalidOperation:
                raise TemplateFault(f"{label}: a number is needed", variable=self.name) from None
            if not number.is_finite():
                raise TemplateFault(f"{label}: a number is needed", variable=self.name)
            if self.minimum is not None and number < self.minimum:
                raise TemplateFault(f"{label}: at least {self.minimum}", variable=self.name)
            if self.maximum is not None and number > self.maximum:
                raise TemplateFault(f"{label}: at most {self.maximum}", variable=self.name)
            return number
        return text


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered prompt, and which parts of it came from which variable."""

    text: str
    #: (start, end, variable) in characters of `text`.
    spans: tuple[tuple[int, int, str], ...] = ()


def variables_from(data: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """Read a template's list of variables.

    :raises TemplateFault: if one is wrong, or a name stands twice.
    """
    if len(data) > MAX_VARIABLES:
        raise TemplateFault(f"at most {MAX_VARIABLES} variables")
    variables = tuple(Variable.from_dict(entry) for entry in data)
    for name in (names := [v.name for v in variables]):
        if names.count(name) > 1:
            raise TemplateFault(f"the variable {name!r} stands twice", variable=name)
    return variables


def check(source: str, variables: Sequence[Variable]) -> None:
    """Refuse a template that uses syntax or variables it may not.

    :raises TemplateFault: with the line and the mend.
    """
    tree = _parse(source)
    known = {v.name for v in variables}
    for node in tree.find_all(nodes.Name):
        if node.name not in known:
            raise TemplateFault(
                f"line {node.lineno}: unknown variable {node.name!r}",
                variable=node.name,
                line=node.lineno,
            )
    _allow_block(tree.body)


def clean_values(variables: Sequence[Variable], values: Mapping[str, Any]) -> dict[str, Value]:
    """Check all values against their variables.

    :raises TemplateFault: if one is missing, unknown or does not fit.
    """
    for name in values:
        if name not in {v.name for v in variables}:
            known = ", ".join(v.name for v in variables) or "none"
            raise TemplateFault(
                f"unknown variable {name!r}; this template has: {known}", variable=name
            )
    return {v.name: v.clean(values.get(v.name)) for v in variables}


def render(source: str, variables: Sequence[Variable], values: Mapping[str, Any]) -> Rendered:
    """Fill a template.

    :raises TemplateFault: if the template or a value does not fit, or the result is too long.
    """
    check(source, variables)
    writer = _Writer(clean_values(variables, values))
    writer.block(_parse(source).body)
    return writer.result()


class _Writer:
    """Walk an allowed tree and write the text."""

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
            if _truth(candidate.test, self.values):
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
            raise TemplateFault(f"the prompt grows past {MAX_RENDERED_CHARS} characters")
        self.parts.append(text)

    def result(self) -> Rendered:
        text = "".join(self.parts)
        lead, stripped = len(text) - len(text.lstrip()), text.strip()
        spans = (
            (max(0, start - lead), min(len(stripped), end - lead), name)
            for start, end, name in self.spans
        )
        return Rendered(stripped, tuple(span for span in spans if span[0] < span[1]))


def _bound(value: Any, name: str) -> Decimal | None:
    try:
        return None if value in (None, "") else Decimal(str(value))
    except InvalidOperation:
        raise TemplateFault("a bound must be a number", variable=name) from None


def _parse(source: str) -> nodes.Template:
    if len(source) > MAX_TEMPLATE_CHARS:
        raise TemplateFault(f"at most {MAX_TEMPLATE_CHARS} characters, not {len(source)}")
    try:
        return _PARSER.parse(source)
    except TemplateSyntaxError as error:
        raise TemplateFault(f"line {error.lineno}: {error.message}", line=error.lineno) from None
    except RecursionError:
        raise TemplateFault("the template is nested too deeply") from None


def _allow_block(body: Sequence[nodes.Node]) -> None:
    for node in body:
        if isinstance(node, nodes.Output):
            for child in node.nodes:
                if not isinstance(child, nodes.TemplateData):
                    _allow_value(child)
        elif isinstance(node, nodes.If):
            for candidate in (node, *node.elif_):
                _allow_test(candidate.test)
                _allow_block(candidate.body)
            _allow_block(node.else_)
        else:
            raise _forbidden(node)


def _allow_value(node: nodes.Node) -> None:
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
            _allow_value(node.node)
            return
        allowed = ", ".join([*sorted(_FILTERS), "default('…')"])
        raise TemplateFault(
            f"line {node.lineno}: the filter {node.name!r} is not allowed here; there are {allowed}",
            line=node.lineno,
        )
    raise _forbidden(node)


def _allow_test(node: nodes.Node) -> None:
    if isinstance(node, nodes.Name | nodes.Const):
        return
    if isinstance(node, nodes.Not):
        _allow_test(node.node)
        return
    if isinstance(node, nodes.And | nodes.Or):
        _allow_test(node.left)
        _allow_test(node.right)
        return
    if isinstance(node, nodes.Compare) and all(o.op in {"eq", "ne"} for o in node.ops):
        _allow_test(node.expr)
        for operand in node.ops:
            _allow_test(operand.expr)
        return
    raise _forbidden(node)


def _forbidden(node: nodes.Node) -> TemplateFault:
    kind = type(node).__name__
    return TemplateFault(
        f"line {node.lineno}: {kind} is not allowed; a template has text, variables, "
        "a few filters and if",
        line=node.lineno,
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


def _truth(node: nodes.Node, values: Mapping[str, Value]) -> bool:
    if isinstance(node, nodes.Not):
        return not _truth(node.node, values)
    if isinstance(node, nodes.And):
        return _truth(node.left, values) and _truth(node.right, values)
    if isinstance(node, nodes.Or):
        return _truth(node.left, values) or _truth(node.right, values)
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
