"""Make the form fields of a model's own parameters, as its capabilities declare them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.core.model_parameters import MAX_JSON_CHARS, MAX_TEXT_CHARS
from imagegen_app.core.parameter_help import help_of
from imagegen_app.forms.fields import OfferedChoiceField

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagegen_app.core.model_parameters import Parameter

#: Before the names of the fields: a parameter may be called as another field is.
PREFIX = "p_"
#: Fields for parameters that were sent but that the model does not have, at most.
MAX_STRANGERS = 40
_NAME = re.compile(rf"{PREFIX}[\w.-]{{1,40}}")
#: Labels of parameters that many models have, in the order of their fields.
_LABELS = {
    "steps": gettext_lazy("Steps"),
    "guidance": gettext_lazy("Guidance"),
    "sampler": gettext_lazy("Sampler"),
    "scheduler": gettext_lazy("Scheduler"),
    "strength": gettext_lazy("Strength"),
    "style": gettext_lazy("Style"),
    "style_preset": gettext_lazy("Style preset"),
    "style_type": gettext_lazy("Style type"),
    "creativity": gettext_lazy("Creativity"),
    "safety_tolerance": gettext_lazy("Safety tolerance"),
    "moderation": gettext_lazy("Content filter"),
    "safety_threshold": gettext_lazy("Safety threshold"),
}


def parameter_fields(
    parameters: Mapping[str, Parameter], *, sent: Iterable[str] = ()
) -> dict[str, forms.Field]:
    """Return a field for each of a model's parameters; none of them is required.

    `sent` are the names of fields that a browser sent. One for a parameter that the model does not
    have gets a field, too, so that the parameter is refused and not dropped.
    """
    names = sorted(parameters, key=lambda name: [*_LABELS, name].index(name))
    fields = {PREFIX + name: _field(name, parameters[name]) for name in names}
    strangers = [name for name in sent if name not in fields and _NAME.fullmatch(name)]
    for name in strangers[:MAX_STRANGERS]:
        fields[name] = forms.CharField(
            required=False,
            max_length=MAX_JSON_CHARS,
            label=parameter_label(name.removeprefix(PREFIX)),
            help_text=_("The chosen model does not have this. Leave it empty."),
        )
    return fields


def given_parameters(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that have a value, as text, by their own names."""
    return {
        name.removeprefix(PREFIX): str(value).strip()
        for name, value in data.items()
        if name.startswith(PREFIX) and value is not None and str(value).strip()
    }


def as_initial(value: Any) -> str:
    """Return a parameter's value as a field shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def parameter_label(name: str) -> str:
    """Return what a parameter is called in a form."""
    known = _LABELS.get(name)
    return str(known) if known else capfirst(name.replace("_", " "))


def _field(name: str, parameter: Parameter) -> forms.Field:
    field = _input(parameter)
    field.required = False
    field.label = parameter_label(name)
    meaning = help_of(name, parameter)
    told = [_(meaning) if meaning else "", _limits(parameter)]
    is_told_by_choice = isinstance(field, OfferedChoiceField)
    has_default = parameter.default is not None and parameter.default != ""
    if has_default and not is_told_by_choice:
        told.append(_("Without a value: %(default)s.") % {"default": as_initial(parameter.default)})
    field.help_text = " ".join(filter(None, told))
    return field


def _input(parameter: Parameter) -> forms.Field:
    """Return a field of a parameter's kind; the service checks its limits and says what is wrong."""
    text = {"dir": "auto"}
    if parameter.kind == "bool":
        return OfferedChoiceField(choices=_choices({"true": _("yes"), "false": _("no")}, parameter))
    if parameter.choices and parameter.kind in {"choice", "text"}:
        words = {str(choice): str(choice) for choice in parameter.choices}
        return OfferedChoiceField(choices=_choices(words, parameter))
    if parameter.kind in {"int", "float"}:
        attrs: dict[str, Any] = {"step": "1" if parameter.kind == "int" else "any"}
        attrs |= {} if parameter.low is None else {"min": f"{parameter.low:g}"}
        attrs |= {} if parameter.high is None else {"max": f"{parameter.high:g}"}
        return forms.CharField(widget=forms.NumberInput(attrs=attrs), max_length=40)
    if parameter.kind == "json":
        return forms.CharField(
            widget=forms.Textarea(attrs={"rows": 3, **text}), max_length=MAX_JSON_CHARS
        )
    most = MAX_JSON_CHARS
    if parameter.kind == "text":
        most = MAX_TEXT_CHARS if parameter.high is None else int(parameter.high)
    return forms.CharField(widget=forms.TextInput(attrs=text), max_length=most)


def _choices(words: Mapping[str, str], parameter: Parameter) -> list[tuple[str, str]]:
    usual = "" if parameter.default is None else words.get(as_initial(parameter.default), "")
    empty = _("As usual (%(default)s)") % {"default": usual} if usual else _("As usual")
    return [("", empty), *words.items()]


def _limits(parameter: Parameter) -> str:
    if parameter.kind == "list":
        return _("Separated by commas.")
    if parameter.kind not in {"int", "float"} or parameter.low is None or parameter.high is None:
        return ""
    return _("From %(low)s to %(high)s.") % {
        "low": f"{parameter.low:g}",
        "high": f"{parameter.high:g}",
    }
