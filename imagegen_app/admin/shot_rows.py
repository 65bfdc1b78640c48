"""The shots of a template as rows of a form: as many as there are, and one that is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst, slugify
from django.utils.translation import gettext as _

from imagegen_app.admin.form_rows import RowsWidget
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
_CELLS = ("label", "key", "text", "size")


class ShotRowsWidget(RowsWidget):
    """Rows of inputs, one for each shot."""

    template_name = "imagegen_app/admin/widgets/shots.html"
    cells = _CELLS
    most = MAX_SHOTS

    def shown_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(_typed(row))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, value, attrs) | {
            "add_button": ADD_SHOT_BUTTON,
            "most_key": MAX_SHOT_KEY_CHARS,
            "most_label": MAX_SHOT_LABEL_CHARS,
            "most_text": MAX_SHOT_TEXT_CHARS,
        }


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
