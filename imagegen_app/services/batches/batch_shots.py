"""Decide which shots a batch makes of each row, and in which field of the row's object each is placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.shots import Shot
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.gateways.content_fields import Target


@dataclass(frozen=True, slots=True)
class ShotPlace:
    """One shot that a batch makes of each row."""

    #: The short name of one of the template's shots.
    shot: str
    #: The field of the row's object that it is placed in; empty if it stays in the library.
    field: str = ""


def chosen_places(
    version: TemplateVersion, target: Target | None, wanted: Sequence[ShotPlace] | None
) -> tuple[ShotPlace, ...]:
    """Return the shots of a batch in the order of its template: all of them where none are named.

    :raises InvalidJobRequest: if the template has no such shot, one is named twice, or two are for the
        same field or for one that the site does not allow.
    """
    offered = shot_choice.shots_of(version)
    if wanted is None:
        return usual_places(target, offered)
    if offered and not wanted:
        raise InvalidJobRequest(
            _("No shot is chosen."), field="shots", remedy=_("Choose at least one.")
        )
    names = [one.shot for one in wanted]
    for name in names:
        shot_choice.chosen_shot(version, name)
    fields = [one.field for one in wanted if one.field]
    if len(set(names)) < len(names):
        raise InvalidJobRequest(_("A shot is chosen twice."), field="shots")
    for field in fields:
        if target is None or content_fields.target_for_field(target.model, field) is None:
            raise InvalidJobRequest(
                _("Images cannot be placed in the field “%(field)s”.") % {"field": field[:80]},
                field="shots",
                remedy=_("Choose another field, or leave the images in the library."),
            )
    if len(set(fields)) < len(fields):
        raise InvalidJobRequest(
            _("Two shots are to be placed in the same field."),
            field="shots",
            remedy=_("Choose a field of its own for each, or leave one in the library."),
        )
    order = [one.key for one in offered]
    return tuple(sorted(wanted, key=lambda one: order.index(one.shot)))


def usual_places(target: Target | None, shots: Sequence[Shot]) -> tuple[ShotPlace, ...]:
    """Return all shots, the first for the target's field, and others where a field is named as they are.

    What cannot be guessed stays in the library, where it overwrites nothing.
    """
    free = [] if target is None else [name for name, _label in field_choices(target)]
    places: list[ShotPlace] = []
    for number, one in enumerate(shots):
        field = ""
        if target is not None and number == 0:
            field = target.field
        elif target is not None:
            words = one.key.replace("-", "_")
            field = next((name for name in free if words in name.split("_") or words == name), "")
        if field in free:
            free.remove(field)
        else:
            field = ""
        places.append(ShotPlace(one.key, field))
    return tuple(places)


def field_choices(target: Target) -> list[tuple[str, str]]:
    """Return the fields of a target's objects that images may be placed in, its own first."""
    every = [one for one in content_fields.all_targets() if one.model is target.model]
    every.sort(key=lambda one: one.field != target.field)
    return [(one.field, capfirst(content_fields.field_label(one))) for one in every]


def made_shots(version: TemplateVersion, keys: Sequence[str]) -> list[Shot | None]:
    """Return the shots that each row is made with; of none, what a request without one makes."""
    by_key: Mapping[str, Shot] = {one.key: one for one in shot_choice.shots_of(version)}
    if keys:
        return [by_key[key] for key in keys]
    return [shot_choice.chosen_shot(version, "")]
