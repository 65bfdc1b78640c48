"""The variables of a template as rows of a form: as many as there are, and one that is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import Script
from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_VARIABLE_CHARS, MAX_VARIABLES
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.models import labels

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The button that asks for one more row; its value is the name that the row begins with.
ADD_BUTTON = "_add_variable"
#: Stands for a row's number in the row that script copies.
_NUMBER = "__n__"
#: Rows that are read; whoever sends more is told how many a template may have.
_MAX_ROWS = MAX_VARIABLES + 2
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


class VariableRowsWidget(forms.Widget):
    """Rows of inputs; which of them a row shows depends on its kind."""

    template_name = "imagegen_app/admin/widgets/variables.html"
    use_fieldset = True

    class Media:
        js = (Script("imagegen_app/js/elements/rows.js", type="module"),)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """Return the rows in their order, each as it was typed; without those that were removed."""
        del files
        total = str(data.get(f"{name}-total", ""))
        number = int(total) if total.isascii() and total.isdecimal() and len(total) < 4 else 0  # noqa: PLR2004 - digits that no form needs
        rows = []
        for row in range(min(number, _MAX_ROWS)):
            cells: dict[str, Any] = {
                cell: str(data.get(f"{name}-{row}-{cell}", "")) for cell in _TEXT_CELLS
            }
            if f"{name}-{row}-remove" in data or not _is_filled(cells):
                continue
            cells["required"] = f"{name}-{row}-required" in data
            rows.append((_order(data.get(f"{name}-{row}-order"), row), row, cells))
        found = [cells for _place, _row, cells in sorted(rows, key=lambda one: one[:2])]
        added = str(data.get(ADD_BUTTON, ""))
        return [*found, *([{"name": added, "required": True}] if added else [])]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Return whether a form was sent without these rows."""
        del files
        return f"{name}-total" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        filled = list(value or [])
        # One more, so that it works without script.
        rows = [*filled, {"required": True}] if len(filled) < MAX_VARIABLES else filled
        context |= {
            "rows": [_shown(name, number, row) for number, row in enumerate(rows)],
            "blank": _shown(name, _NUMBER, {"required": True}),
            "most": MAX_VARIABLES,
            "add_button": ADD_BUTTON,
            "kinds": [
                (kind, label)
                for kind, label in labels.choices(VariableKind)
                if kind != VariableKind.IMAGE.value
            ],
            "most_chars": MAX_VARIABLE_CHARS,
        }
        return context

    def id_for_label(self, id_: str) -> str:
        """Return none: each input has a label of its own."""
        del id_
        return ""


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


def _shown(name: str, number: int | str, row: Mapping[str, Any]) -> dict[str, Any]:
    typed = _typed(row)
    kind = typed["kind"] or VariableKind.TEXT.value
    place = number + 1 if isinstance(number, int) else ""
    return {**typed, "kind": kind, "prefix": f"{name}-{number}", "place": place}


def _is_filled(cells: Mapping[str, str]) -> bool:
    return any(text.strip() for cell, text in cells.items() if cell not in {"kind", "max_chars"})


def _order(text: Any, otherwise: int) -> float:
    try:
        # As it is counted for people.
        return float(str(text)[:12]) - 1
    except ValueError:
        return float(otherwise)
