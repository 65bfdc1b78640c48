"""Where else an image's alternative text stands, as far as the admin shows it to the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin.exceptions import NotRegistered

from imagegen_app.services.library import placed_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin.sites import AdminSite
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset
    from imagegen_app.services.library.placed_texts import TextPlace

#: Places that are named; the others are counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class OfferedPlaces:
    """The places of one image that can get a new text, too."""

    keys: tuple[int, ...]
    #: The names of the first objects.
    names: str
    #: How many further places show the text, and are on objects that the person may not change.
    others: int

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.keys)


def offered_places(
    site: AdminSite, request: HttpRequest, actor: Person, assets: Iterable[Asset]
) -> dict[Any, OfferedPlaces]:
    """Return by the key of the image where its text can be changed, too; none for the others."""
    found = placed_texts.text_places(actor, assets)
    shown = _shown(site, request, [place for one in found.values() for place in one.changeable])
    offered = {}
    for key, places in found.items():
        changeable = [one for one in places.changeable if one in shown]
        others = places.others + len(places.changeable) - len(changeable)
        if changeable or others:
            names = ", ".join(str(one.target) for one in changeable[:_NAMED])
            more = " …" if len(changeable) > _NAMED else ""
            keys = tuple(one.placement.pk for one in changeable)
            offered[key] = OfferedPlaces(keys, f"{names}{more}", others)
    return offered


def _shown(site: AdminSite, request: HttpRequest, places: list[TextPlace]) -> list[TextPlace]:
    """Return the places on objects that their own admin lets the person change."""
    by_model: dict[Any, list[TextPlace]] = {}
    for place in places:
        by_model.setdefault(type(place.target), []).append(place)
    found = []
    for model, ones in by_model.items():
        try:
            model_admin = site.get_model_admin(model)
        except NotRegistered:
            continue
        keys = [one.target.pk for one in ones]
        visible = set(
            model_admin.get_queryset(request).filter(pk__in=keys).values_list("pk", flat=True)
        )
        found += [
            one
            for one in ones
            if one.target.pk in visible and model_admin.has_change_permission(request, one.target)
        ]
    return found
