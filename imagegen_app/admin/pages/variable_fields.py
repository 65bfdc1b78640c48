"""Make the form fields of a template's variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.core.variable_kinds import VariableKind

if TYPE_CHECKING:
    from imagegen_app.core.variables import Variable


def variable_field(variable: Variable, value: str) -> forms.Field:
    """Return the form field of a variable; its full rules are checked when the prompt is rendered."""
    initial: Any = value or variable.default
    options: dict[str, Any] = {
        "label": variable.label,
        "help_text": variable.help,
        "required": variable.required and not variable.default,
        "initial": initial,
    }
    if variable.kind is VariableKind.CHOICE:
        empty = [] if variable.required else [("", _("– none –"))]  # noqa: RUF001 - dashes for people
        return forms.ChoiceField(choices=[*empty, *((c, c) for c in variable.choices)], **options)
    if variable.kind is VariableKind.SWITCH:
        return forms.BooleanField(
            **options | {"required": False, "initial": initial in {"1", "true", "yes", "on"}}
        )
    if variable.kind is VariableKind.NUMBER:
        return forms.DecimalField(min_value=variable.minimum, max_value=variable.maximum, **options)
    # The text may be written in the other direction than the page.
    widget = forms.TextInput(attrs={"dir": "auto"})
    return forms.CharField(max_length=variable.max_chars, widget=widget, **options)
