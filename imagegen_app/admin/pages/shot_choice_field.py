"""The studio's field for the shot of a template: one of them, or all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.services.job_requests import shot_choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django import forms

    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.models import TemplateVersion

#: What the field says where each shot is made; no shot is called so.
ALL: Final = "*"


def shot_field(version: TemplateVersion | None) -> dict[str, forms.Field]:
    """Return the field; none where the template has no shots."""
    shots = shot_choice.shots_of(version)
    if not shots:
        return {}
    choices = [(one.key, one.label) for one in shots]
    if len(shots) > 1:
        choices.append((ALL, _("All %(number)s shots, one job each") % {"number": len(shots)}))
    return {
        "shot": OfferedChoiceField(
            label=_("Shot"), choices=choices, required=False, initial=shots[0].key
        )
    }


def with_shots(form: StudioForm, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the values of a form for each shot that it asks for."""
    if data.get("shot") != ALL:
        yield dict(data)
        return
    for one in shot_choice.shots_of(form.version):
        yield {**data, "shot": one.key}
