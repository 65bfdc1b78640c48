"""Define the typed variables of prompt templates, and validate the values given for them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import MAX_VARIABLE_CHARS, MAX_VARIABLES
from imagegen_app.core.variable_kinds import VariableKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = str | Decimal | bool

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
#: A code, a name, or a brand's name for a code; see `core.kit_values.PaletteColour`.
_COLOUR = re.compile(
    r"^(#[0-9a-fA-F]{6}|[A-Za-z][A-Za-z \-]{0,39}|[^\W\d_][\w \-]{0,39} \(#[0-9a-f]{6}\))$"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class PromptTemplateError(ValueError):
    """A template, a variable or a value is not valid; the message is for the template's user."""

    def __init__(
        self, message: str, *, variable: str = "", line: int = 0, **values: object
    ) -> None:
        super().__init__(message % values)
        #: The text with placeholders, and their values; front ends translate the text first.
        self.message, self.values = message, values
        #: Name of the variable in question; empty if the error concerns none.
        self.variable = variable
        #: Line of the template, from 1; 0 if the error concerns none.
        self.line = line


class MissingValue(PromptTemplateError):
    """A required variable has no value yet."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One typed variable of a template."""

    name: str
    kind: VariableKind = VariableKind.TEXT
    label: str = ""
    help: str = ""
    #: Used for an empty value.
    default: str = ""
    required: bool = True
    #: The allowed values of a `choice`.
    choices: tuple[str, ...] = ()
    #: The smallest allowed `number`.
    minimum: Decimal | None = None
    #: The largest allowed `number`.
    maximum: Decimal | None = None
    #: The longest allowed value, in characters.
    max_chars: int = 200

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Variable:
        """Read a variable from its stored form.

        :raises PromptTemplateError: if a field is missing, unknown or has an invalid value.
        """
        unknown = set(data) - set(cls.__slots__)
        if unknown:
            raise PromptTemplateError(
                gettext_noop("unknown field “%(field)s” in a variable"), field=min(unknown)
            )
        name = str(data.get("name", ""))
        if not _NAME.match(name):
            raise PromptTemplateError(
                gettext_noop(
                    "“%(name)s” is not a valid variable name: use lower-case letters, digits and "
                    "underscores"
                ),
                variable=name,
                name=name,
            )
        try:
            kind = VariableKind(str(data.get("kind", "text")))
        except ValueError:
            raise PromptTemplateError(
                gettext_noop("unknown kind “%(kind)s”: use %(known)s"),
                variable=name,
                kind=data.get("kind"),
                known=", ".join(VariableKind),
            ) from None
        choices = tuple(str(c) for c in data.get("choices", ()))
        if kind is VariableKind.CHOICE and not choices:
            raise PromptTemplateError(
                gettext_noop("a choice variable needs at least one choice"), variable=name
            )
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
        """Return the form in which the variable is stored."""
        plain = {k: str(v) if isinstance(v, Decimal) else v for k, v in asdict(self).items()}
        return {**plain, "kind": self.kind.value, "choices": list(self.choices)}

    def clean(self, value: Any) -> Value:
        """Validate a value from a form, a file or the API, and convert it to the variable's type.

        :raises PromptTemplateError: if the value is not valid.
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
                raise MissingValue(
                    gettext_noop("%(label)s: a value is required."),
                    variable=self.name,
                    label=self.label or self.name,
                )
            return ""
        if len(text) > self.max_chars:
            raise PromptTemplateError(
                gettext_noop("%(label)s: at most %(most)s characters, not %(number)s."),
                variable=self.name,
                label=self.label or self.name,
                most=self.max_chars,
                number=len(text),
            )
        return self._typed(text)

    def _typed(self, text: str) -> Value:
        label = self.label or self.name
        if self.kind is VariableKind.CHOICE and text not in self.choices:
            raise PromptTemplateError(
                gettext_noop("%(label)s: choose one of %(known)s."),
                variable=self.name,
                label=label,
                known=", ".join(self.choices),
            )
        if self.kind is VariableKind.COLOUR and not _COLOUR.match(text):
            raise PromptTemplateError(
                gettext_noop("%(label)s: a colour name or #rrggbb is required."),
                variable=self.name,
                label=label,
            )
        if self.kind is VariableKind.NUMBER:
            not_a_number = PromptTemplateError(
                gettext_noop("%(label)s: a number is required."),
                variable=self.name,
                label=label,
            )
            try:
                number = Decimal(text)
            except InvalidOperation:
                raise not_a_number from None
            if not number.is_finite():
                raise not_a_number
            if self.minimum is not None and number < self.minimum:
                raise PromptTemplateError(
                    gettext_noop("%(label)s: at least %(bound)s."),
                    variable=self.name,
                    label=label,
                    bound=self.minimum,
                )
            if self.maximum is not None and number > self.maximum:
                raise PromptTemplateError(
                    gettext_noop("%(label)s: at most %(bound)s."),
                    variable=self.name,
                    label=label,
                    bound=self.maximum,
                )
            return number
        return text


def variables_from(data: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """Read a template's variables from their stored form.

    :raises PromptTemplateError: if one is not valid, or two have the same name.
    """
    if len(data) > MAX_VARIABLES:
        raise PromptTemplateError(gettext_noop("at most %(most)s variables"), most=MAX_VARIABLES)
    variables = tuple(Variable.from_dict(entry) for entry in data)
    for name in (names := [v.name for v in variables]):
        if names.count(name) > 1:
            raise PromptTemplateError(
                gettext_noop("the variable “%(name)s” is defined twice"), variable=name, name=name
            )
    return variables


def clean_values(variables: Sequence[Variable], values: Mapping[str, Any]) -> dict[str, Value]:
    """Validate all values of a template, and convert them to the types of their variables.

    :raises PromptTemplateError: if a value is missing, unknown or not valid.
    """
    for name in values:
        if name not in {v.name for v in variables}:
            known = ", ".join(v.name for v in variables) or "none"
            raise PromptTemplateError(
                gettext_noop("unknown variable “%(name)s”; available in this template: %(known)s"),
                variable=name,
                name=name,
                known=known,
            )
    return {v.name: v.clean(values.get(v.name)) for v in variables}


def _bound(value: Any, name: str) -> Decimal | None:
    try:
        return None if value in (None, "") else Decimal(str(value))
    except InvalidOperation:
        raise PromptTemplateError(gettext_noop("a limit must be a number"), variable=name) from None
