"""Carry a reworded alternative text to the objects that still show the old one beside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from imagegen_app import database
from imagegen_app.models import Placement
from imagegen_app.services.foundation import event_log
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import _placed_fields
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from django.db.models import Model

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: Places that are changed together with a text, at most.
MOST: Final = 200
#: The language of the asset's own field, among its texts by language.
OWN: Final = ""


@dataclass(frozen=True, slots=True)
class TextPlace:
    """An object that shows the image with one of its texts, word for word."""

    placement: Placement
    target: Model
    #: The object's field for the alternative text.
    field: str
    #: In which language of the image the text is.
    language: str


@dataclass(frozen=True, slots=True)
class TextPlaces:
    """Where an image's texts stand unchanged."""

    changeable: tuple[TextPlace, ...]
    #: How many further ones are on objects that the person may not change.
    others: int


def texts_by_language(asset: Asset) -> dict[str, str]:
    """Return the asset's texts by language; a decorative image has the empty one alone."""
    if asset.is_decorative:
        return {OWN: ""}
    further = {one.language: one.text for one in asset.alt_texts.all() if one.text}
    return {OWN: asset.alt_text, **further}


def text_places(actor: Actor, assets: Iterable[Asset]) -> dict[Any, TextPlaces]:
    """Return by asset where its texts stand unchanged, with a few queries for all of them."""
    texts = {asset.pk: texts_by_language(asset) for asset in assets}
    found: dict[Any, list[TextPlace]] = {key: [] for key in texts}
    others = dict.fromkeys(texts, 0)
    rows = Placement.objects.active().filter(asset__in=list(texts)).order_by("-pk")
    for placement in rows.prefetch_related("target")[: MOST * 2]:
        place = _place(placement, texts[placement.asset_id])
        if place is None:
            continue
        if access.may_change_content(actor, place.target):
            found[placement.asset_id].append(place)
        else:
            others[placement.asset_id] += 1
    return {key: TextPlaces(tuple(places[:MOST]), others[key]) for key, places in found.items()}


def renew(
    *,
    actor: Actor,
    asset: Asset,
    before: Mapping[str, str],
    after: Mapping[str, str],
    placements: Collection[int],
) -> int:
    """Write the new texts where the old ones still stand, among these placements; return how many.

    Called by the use case that changes the texts, which it joins.
    `before` and `after` are texts by language. Each object is locked and read anew: what somebody
    wrote there meanwhile stays, and so does what the actor may not change.
    """
    if not placements or before == after:
        return 0
    rows = Placement.objects.active().filter(asset=asset, pk__in=[*placements][:MOST])
    number = 0
    for placement in rows.select_related("content_type").prefetch_related("target").order_by("pk"):
        place = _place(placement, before)
        if place is None or not access.may_change_content(actor, place.target):
            continue
        number += _write(actor, asset, place, before=before, after=after)
    return number


def _write(
    actor: Actor,
    asset: Asset,
    place: TextPlace,
    *,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> bool:
    # A language that has no words any more leaves the place with those of the site's own.
    text = after.get(place.language, "") or after[OWN]
    if text == before[place.language]:
        return False
    target, name = place.target, place.field
    rows = database.stored(target)
    if connections[rows.db].in_atomic_block:
        rows = rows.select_for_update()
    held = rows.values_list(name, flat=True).first()
    if str(held or "") != str(getattr(target, name) or ""):
        return False
    setattr(target, name, content_fields.fitting_text(target, name, text))
    _placed_fields.save(target, [name])
    kind = place.placement.content_type
    event_log.record(
        actor,
        "placement.text_changed",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={
            "target": f"{kind.app_label}.{kind.model}:{place.placement.object_id}",
            "field": name,
            "placement": place.placement.pk,
            "is_decorative": not text,
        },
        personal={"target_label": str(target)[:200]},
    )
    return True


def _place(placement: Placement, texts: Mapping[str, str]) -> TextPlace | None:
    """Return where a text of the image stands beside it; None if the object has words of its own."""
    target: Any = placement.target
    if target is None:
        return None
    name = content_fields.alt_field_of(target, placement.field)
    if not name:
        return None
    column = target._meta.get_field(placement.field)  # noqa: SLF001 - Django's documented API
    value = getattr(target, column.attname)
    if str(getattr(value, "name", value) or "") != placement.placed_value:
        # The field holds another image by now.
        return None
    held = str(getattr(target, name) or "")
    for language, text in texts.items():
        if held == content_fields.fitting_text(target, name, text):
            return TextPlace(placement, target, name, language)
    return None
