"""The variables of a template as rows of a form: as many as there are, and one that is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imagegen_app.admin.form_rows import RowsWidget
from imagegen_app.core.limits import MAX_VARIABLE_CHARS, MAX_VARIABLES
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.models import labels

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The button that asks for one more row; its value is the name that the row begins with.
ADD_BUTTON = "_add_variable"
_DEFAULT_CHARS = 200
_TEXT_CELLS = (
    "name",
    "kind",
    "label",
    "help",
    "default",
    "choices",
    "minimum",
    "maximum",
    "max_chars",
)


class VariableRowsWidget(RowsWidget):
    """Rows of inputs; which of them a row shows depends on its kind."""

    template_name = "imagegen_app/admin/widgets/variables.html"
    cells = _TEXT_CELLS
    most = MAX_VARIABLES
    blank: ClassVar[Mapping[str, Any]] = {"required": True}

    def read_row(self, data: Mapping[str, Any], prefix: str) -> dict[str, Any] | None:
        cells = super().read_row(data, prefix)
        if cells is None or not _is_filled(cells):
            return None
        return {**cells, "required": f"{prefix}-required" in data}

    def shown_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        typed = _typed(row)
        return {**typed, "kind": typed["kind"] or VariableKind.TEXT.value}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """Return the rows, and a new one if a button asked for it."""
        found = super().value_from_datadict(data, files, name)
        added = str(data.get(ADD_BUTTON, ""))
        return [*found, *([{"name": added, "required": True}] if added else [])]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, value, attrs) | {
            "add_button": ADD_BUTTON,
            "kinds": [
                (kind, label)
                for kind, label in labels.choices(VariableKind)
                if kind != VariableKind.IMAGE.value
            ],
            "most_chars": MAX_VARIABLE_CHARS,
        }


class VariableRowsField(forms.Field):
    """The variables of a template in the form in which versions store them."""

    widget = VariableRowsWidget

    def prepare_value(self, value: Any) -> Any:
        """Return rows as they are typed."""
        return [_typed(row) for row in value or []]

    def clean(self, value: Any) -> list[dict[str, Any]]:
        """Return the variables.

        :raises ValidationError: if a limit of characters is no number.
        """
        found = []
        for row in value or []:
            typed = _typed(row)
            chars = typed["max_chars"].strip()
            if chars and not (chars.isascii() and chars.isdecimal() and int(chars[:9]) > 0):
                raise ValidationError(
                    _("“%(name)s”: the number of characters must be a whole number above 0.")
                    % {"name": typed["name"]}
                )
            choices = [one.strip() for one in typed["choices"].splitlines() if one.strip()]
            found.append(
                {
                    "name": typed["name"].strip(),
                    "kind": typed["kind"] or VariableKind.TEXT.value,
                    "label": typed["label"].strip(),
                    "help": typed["help"].strip(),
                    "default": typed["default"].strip(),
                    "choices": choices if typed["kind"] == VariableKind.CHOICE else [],
                    "required": bool(typed["required"]),
                    "minimum": typed["minimum"].strip() or None,
                    "maximum": typed["maximum"].strip() or None,
                    "max_chars": int(chars[:9]) if chars else _DEFAULT_CHARS,
                }
            )
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether rows differ from those that were shown."""
        return self.clean(initial) != self.clean(data)


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored variable, or a row as it was sent, as texts of inputs."""
    choices = row.get("choices") or ""
    typed: dict[str, Any] = {
        cell: "" if row.get(cell) is None else str(row.get(cell)) for cell in _TEXT_CELLS
    }
    typed["choices"] = choices if isinstance(choices, str) else "\n".join(map(str, choices))
    typed["required"] = bool(row.get("required", True))
    return typed


def _is_filled(cells: Mapping[str, str]) -> bool:
    return any(text.strip() for cell, text in cells.items() if cell not in {"kind", "max_chars"})
