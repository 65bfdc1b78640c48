"""Rows of inputs in a form: as many as there are and one that is empty, with script and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.forms import Script

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Stands for a row's number in the row that script copies.
_NUMBER = "__n__"
#: Digits of the number of rows that a form sends; none needs more.
_MAX_DIGITS = 3


class RowsWidget(forms.Widget):
    """Rows of inputs, which can be moved and removed."""

    use_fieldset = True
    #: The names of a row's inputs that hold a text.
    cells: ClassVar[tuple[str, ...]]
    #: How many rows there may be.
    most: ClassVar[int]
    #: What the empty row holds.
    blank: ClassVar[Mapping[str, Any]] = {}

    class Media:
        js = (Script("imagegen_app/js/elements/rows.js", type="module"),)

    def read_row(self, data: Mapping[str, Any], prefix: str) -> dict[str, Any] | None:
        """Return a row as it was typed; None for one that is empty."""
        row = {cell: str(data.get(f"{prefix}-{cell}", "")) for cell in self.cells}
        return row if any(map(str.strip, row.values())) else None

    def shown_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the template shows of a row."""
        return {cell: str(row.get(cell) or "") for cell in self.cells}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """Return the rows in their order, each as it was typed; without those that were removed."""
        del files
        total = str(data.get(f"{name}-total", ""))
        is_number = total.isascii() and total.isdecimal() and len(total) <= _MAX_DIGITS
        rows = []
        for number in range(int(total) if is_number else 0):
            prefix = f"{name}-{number}"
            row = None if f"{prefix}-remove" in data else self.read_row(data, prefix)
            if row is not None:
                rows.append((_order(data.get(f"{prefix}-order"), number), number, row))
        found = [row for _place, _number, row in sorted(rows, key=lambda one: one[:2])]
        # Whoever sends more is told how many there may be.
        return found[: self.most + 2]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Return whether a form was sent without these rows."""
        del files
        return f"{name}-total" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        filled = list(value or [])
        # One more, so that it works without script.
        rows = [*filled, self.blank] if len(filled) < self.most else filled
        context |= {
            "rows": [
                {**self.shown_row(row), "prefix": f"{name}-{number}", "place": number + 1}
                for number, row in enumerate(rows)
            ],
            "blank": {**self.shown_row(self.blank), "prefix": f"{name}-{_NUMBER}", "place": ""},
            "most": self.most,
        }
        return context

    def id_for_label(self, id_: str) -> str:
        """Return none: each input has a label of its own."""
        del id_
        return ""


def _order(text: Any, otherwise: int) -> float:
    try:
        # As it is counted for people.
        return float(str(text)[:12]) - 1
    except ValueError:
        return float(otherwise)
