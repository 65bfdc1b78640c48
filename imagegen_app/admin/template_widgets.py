"""Inputs of a template's form: a text whose variables are marked, and a text with suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.forms import Script

if TYPE_CHECKING:
    from collections.abc import Sequence


class SourceTextarea(forms.Textarea):
    """A text with variables, which script marks."""

    template_name = "imagegen_app/admin/widgets/source.html"

    class Media:
        css = {"all": ["imagegen_app/css/tokens.css", "imagegen_app/css/template.css"]}
        js = (Script("imagegen_app/js/elements/editor.js", type="module"),)

    def __init__(self, *, rows: int) -> None:
        super().__init__(attrs={"rows": rows, "dir": "auto", "spellcheck": "true"})


class SuggestedInput(forms.TextInput):
    """A text, with the ones that are in use as suggestions."""

    template_name = "imagegen_app/admin/widgets/suggested.html"
    suggestions: Sequence[str] = ()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        list_id = f"{name}-suggestions"
        context = super().get_context(name, value, {**(attrs or {}), "list": list_id})
        return context | {"suggestions": self.suggestions, "list_id": list_id}
