"""Write the parameters and LoRA that a template fixes as lines of text, and read them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import parameter_fields
from imagegen_app.core import types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Characters of all lines together.
MAX_LINES_CHARS = 20_000
_PARAMETER = re.compile(r"([\w.-]{1,60})\s*=\s*(.*)")


class FixedParametersField(forms.CharField):
    """Lines such as `steps=28`; a text of several lines is written as JSON, in quotes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=MAX_LINES_CHARS, required=False, widget=_lines_widget(), **options
        )

    def clean(self, value: Any) -> dict[str, str]:
        """Return the values by name, as text.

        :raises ValidationError: if a line has another form, or a name stands twice.
        """
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, super().clean(value).splitlines())):
            match = _PARAMETER.fullmatch(line)
            if match is None:
                raise ValidationError(_("Write each on a line of its own: name=value."))
            if match[1] in found:
                raise ValidationError(_("“%(name)s” stands twice.") % {"name": match[1]})
            found[match[1]] = _unquoted(match[2])
        return found


class FixedLorasField(forms.CharField):
    """Lines such as `watercolour=0.8`; without a weight it is 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=MAX_LINES_CHARS, required=False, widget=_lines_widget(), **options
        )

    def clean(self, value: Any) -> list[types.Lora]:
        """Return the LoRA in order.

        :raises ValidationError: if a weight is no number, or a name stands twice.
        """
        found: dict[str, types.Lora] = {}
        for line in filter(None, map(str.strip, super().clean(value).splitlines())):
            name, equals, weight = line.rpartition("=")
            try:
                one = types.Lora(name.strip(), float(weight)) if equals else types.Lora(line)
            except ValueError:
                raise ValidationError(_("Write each on a line of its own: name=weight.")) from None
            if one.name in found:
                raise ValidationError(_("“%(name)s” stands twice.") % {"name": one.name[:60]})
            found[one.name] = one
        return list(found.values())


def parameter_lines(parameters: Mapping[str, Any]) -> str:
    """Return parameters as lines."""
    return "\n".join(
        f"{name}={_quoted(parameter_fields.as_initial(value))}"
        for name, value in parameters.items()
    )


def lora_lines(loras: Sequence[Mapping[str, Any]]) -> str:
    """Return LoRA as lines."""
    return "\n".join(f"{one['name']}={one['weight']:g}" for one in loras)


def _quoted(text: str) -> str:
    return json.dumps(text) if "\n" in text or text.startswith('"') else text


def _unquoted(text: str) -> str:
    try:
        found = json.loads(text) if text.startswith('"') else text
    except ValueError:
        return text
    return found if isinstance(found, str) else text


def _lines_widget() -> forms.Textarea:
    return forms.Textarea(attrs={"rows": 3, "dir": "ltr", "spellcheck": "false"})
