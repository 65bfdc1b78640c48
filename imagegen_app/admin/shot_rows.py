"""The shots of a template as rows of a form: as many as there are, and one that is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import Script
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext as _

from imagegen_app.core.limits import (
    MAX_SHOT_KEY_CHARS,
    MAX_SHOT_LABEL_CHARS,
    MAX_SHOT_TEXT_CHARS,
    MAX_SHOTS,
)
from imagegen_app.core.shots import Shot, ShotError, shots_from

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The button that asks for one more row.
ADD_SHOT_BUTTON = "_add_shot"
#: Stands for a row's number in the row that script copies.
_NUMBER = "__n__"
#: Rows that are read; whoever sends more is told how many a template may have.
_MAX_ROWS = MAX_SHOTS + 2
_CELLS = ("label", "key", "text", "size")


class ShotRowsWidget(forms.Widget):
    """Rows of inputs, one for each shot."""

    template_name = "imagegen_app/admin/widgets/shots.html"
    use_fieldset = True

    class Media:
        js = (Script("imagegen_app/js/elements/rows.js", type="module"),)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """Return the rows in their order, each as it was typed; without those that were removed."""
        del files
        total = str(data.get(f"{name}-total", ""))
        number = int(total) if total.isascii() and total.isdecimal() and len(total) < 4 else 0  # noqa: PLR2004 - digits that no form needs
        rows = []
        for row in range(number):
            cells = {cell: str(data.get(f"{name}-{row}-{cell}", "")) for cell in _CELLS}
            if f"{name}-{row}-remove" in data or not any(map(str.strip, cells.values())):
                continue
            rows.append((_order(data.get(f"{name}-{row}-order"), row), row, cells))
        return [cells for _place, _row, cells in sorted(rows, key=lambda one: one[:2])][:_MAX_ROWS]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Return whether a form was sent without these rows."""
        del files
        return f"{name}-total" not in data

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        filled = list(value or [])
        # One more, so that it works without script.
        rows = [*filled, {}] if len(filled) < MAX_SHOTS else filled
        context |= {
            "rows": [_shown(name, number, row) for number, row in enumerate(rows)],
            "blank": _shown(name, _NUMBER, {}),
            "most": MAX_SHOTS,
            "add_button": ADD_SHOT_BUTTON,
            "most_key": MAX_SHOT_KEY_CHARS,
            "most_label": MAX_SHOT_LABEL_CHARS,
            "most_text": MAX_SHOT_TEXT_CHARS,
        }
        return context

    def id_for_label(self, id_: str) -> str:
        """Return none: each input has a label of its own."""
        del id_
        return ""


class ShotRowsField(forms.Field):
    """The shots of a template, with a short name made of the name for people where there is none."""

    widget = ShotRowsWidget

    def prepare_value(self, value: Any) -> Any:
        """Return rows as they are typed."""
        return [_typed(row) for row in value or []]

    def clean(self, value: Any) -> tuple[Shot, ...]:
        """Return the shots.

        :raises ValidationError: if one is not valid, or there are too many.
        """
        rows = [_typed(row) for row in value or []]
        for row in rows:
            # A name in another script gives none; then the author has to.
            row["key"] = row["key"].strip() or slugify(row["label"])[:MAX_SHOT_KEY_CHARS].strip("-")
        try:
            return shots_from(rows)
        except ShotError as error:
            raise ValidationError(f"{capfirst(_(error.message) % error.values)}.") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether rows differ from those that were shown."""
        return bool(self.prepare_value(initial) != self.prepare_value(data))


def _typed(row: Mapping[str, Any] | Shot) -> dict[str, str]:
    """Return a shot, or a row as it was stored or sent, as texts of inputs."""
    found = row.as_dict() if isinstance(row, Shot) else row
    return {cell: str(found.get(cell) or "") for cell in _CELLS}


def _shown(name: str, number: int | str, row: Mapping[str, Any]) -> dict[str, Any]:
    place = number + 1 if isinstance(number, int) else ""
    return {**_typed(row), "prefix": f"{name}-{number}", "place": place}


def _order(text: Any, otherwise: int) -> float:
    try:
        # As it is counted for people.
        return float(str(text)[:12]) - 1
    except ValueError:
        return float(otherwise)
