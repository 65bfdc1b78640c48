"""The fields of a batch's form that choose the shots of each row, and where each is placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.services.batches import batch_shots
from imagegen_app.services.batches.batch_shots import ShotPlace
from imagegen_app.services.job_requests import shot_choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.shots import Shot
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.gateways.content_fields import Target

#: With what the names of the fields begin.
PREFIXES = ("shot_", "place_")


@dataclass(frozen=True, slots=True)
class ShotLine:
    """One shot on the page: whether it is made, and where it is placed."""

    shot: Shot
    made: Any
    #: None where no object is named that it could be placed on.
    place: Any


def add_shot_fields(
    form: forms.Form, version: TemplateVersion | None, target: Target | None
) -> tuple[Shot, ...]:
    """Add a box for each shot of the template, and the fields of the target's objects; return the shots."""
    shots = shot_choice.shots_of(version)
    usual = {one.shot: one.field for one in batch_shots.usual_places(target, shots)}
    for one in shots:
        form.fields[f"shot_{one.key}"] = forms.BooleanField(
            required=False, initial=True, label=one.label
        )
        if target is not None:
            form.fields[f"place_{one.key}"] = forms.ChoiceField(
                choices=[
                    ("", _("not placed: stays in the library")),
                    *batch_shots.field_choices(target),
                ],
                required=False,
                initial=usual[one.key],
                label=_("Place “%(shot)s” in") % {"shot": one.label},
            )
    return shots


def with_usual_places(data: Any, version: TemplateVersion | None, target: Target | None) -> Any:
    """Return sent data with the usual place of each shot that the page had no field for.

    That is so where other objects were chosen since it was shown.
    """
    if data is None or target is None:
        return data
    usual = batch_shots.usual_places(target, shot_choice.shots_of(version))
    missing = {f"place_{one.shot}": one.field for one in usual if f"place_{one.shot}" not in data}
    if not missing:
        return data
    completed = data.copy()
    completed.update(missing)
    return completed


def shot_lines(form: forms.Form, shots: Sequence[Shot]) -> list[ShotLine]:
    """Return what the page shows of the shots."""
    return [
        ShotLine(
            one,
            form[f"shot_{one.key}"],
            form[f"place_{one.key}"] if f"place_{one.key}" in form.fields else None,
        )
        for one in shots
    ]


def chosen_shots(values: Mapping[str, Any], shots: Sequence[Shot]) -> list[ShotPlace]:
    """Return the shots that are made, from the values of a form."""
    return [
        ShotPlace(one.key, str(values.get(f"place_{one.key}") or ""))
        for one in shots
        if values.get(f"shot_{one.key}")
    ]


def require_choice(form: forms.Form, values: Mapping[str, Any], shots: Sequence[Shot]) -> None:
    """Say in the form that no shot is chosen, or that two are for the same field."""
    if not shots:
        return
    chosen = chosen_shots(values, shots)
    if not chosen:
        form.add_error(f"shot_{shots[0].key}", _("Choose at least one shot."))
    taken: dict[str, str] = {}
    labels = {one.key: one.label for one in shots}
    for one in chosen:
        if one.field and one.field in taken:
            form.add_error(
                f"place_{one.shot}",
                _("“%(shot)s” is to be placed there, too: choose another field.")
                % {"shot": labels[taken[one.field]]},
            )
        taken.setdefault(one.field, one.shot)
