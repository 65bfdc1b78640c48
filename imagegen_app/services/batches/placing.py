"""Find the objects that a batch's images are placed on, and schedule them for a later time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from imagegen_app.core.states import ReviewState
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import (
    pictures,
    placement,
    planned_places,
    scheduled_placements,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from django.db.models import Model

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Batch
    from imagegen_app.services.gateways.content_fields import Target

#: Objects per query: databases limit how many values one may have.
_AT_ONCE = 500


def object_pairs(
    batch: Batch, assets: Iterable[Asset]
) -> Iterator[tuple[str, list[tuple[Asset, Model]]]]:
    """Yield each field of the batch's objects, and the approved assets for it with their objects.

    Assets that are not approved, those of shots for no field and rows whose object no longer exists are
    left out. The objects of a field are read when its turn comes.

    :raises CannotPlace: if the batch has no target field.
    """
    if planned_places.main_target(batch) is None:
        raise placement.CannotPlace(
            _("Nothing was placed."), reason=_("The batch has no target field."), remedy=""
        )
    approved = [one for one in assets if one.review_state == ReviewState.APPROVED.value]
    for target, chosen in _by_target(batch, approved):
        found = objects_by_key(target, [asset.job.row_key for asset in chosen])
        yield (
            target.field,
            [(asset, found[asset.job.row_key]) for asset in chosen if asset.job.row_key in found],
        )


def _by_target(batch: Batch, assets: Iterable[Asset]) -> list[tuple[Target, list[Asset]]]:
    """Return the assets of a batch by the field that each is for, without those for none."""
    by_shot: dict[str, list[Asset]] = {}
    for asset in assets:
        by_shot.setdefault(asset.job.shot, []).append(asset)
    found: dict[str, tuple[Target, list[Asset]]] = {}
    for shot, chosen in by_shot.items():
        target = planned_places.target_of(batch, shot)
        if target is not None:
            found.setdefault(target.path, (target, []))[1].extend(chosen)
    return list(found.values())


def objects_by_key(target: Target, keys: Sequence[str]) -> dict[str, Any]:
    """Return the objects that still exist, by primary key as text."""
    manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
    wanted = sorted({key for key in keys if key})
    found: dict[str, Any] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = manager.filter(pk__in=wanted[start : start + _AT_ONCE])
        found |= {str(one.pk): one for one in rows}
    return found


def present_images(batch: Batch, assets: Iterable[Asset]) -> dict[tuple[str, str], str]:
    """Return the address of the image that stands where each asset is for, by its row and shot.

    None if the field is empty, or the asset is for no field.
    """
    urls: dict[tuple[str, str], str] = {}
    for target, chosen in _by_target(batch, assets):
        found = objects_by_key(target, [asset.job.row_key for asset in chosen])
        column = target.model._meta.get_field(target.field)  # noqa: SLF001 - Django's documented API
        if column.is_relation:
            prefetch_related_objects(list(found.values()), f"{target.field}__renditions")
        for asset in chosen:
            instance = found.get(asset.job.row_key)
            url = "" if instance is None else pictures.held_url(instance, target.field)
            if url:
                urls[asset.job.row_key, asset.job.shot] = url
    return urls


@use_case()
def schedule_approved(
    *, actor: Person, batch: Batch, assets: Sequence[Asset], due_at: datetime
) -> int:
    """Schedule approved assets for the fields of their rows' objects; return how many.

    :raises ActionRefused: as `placement.attach` for the batch's target, and as
        `scheduled_placements.schedule`.
    """
    return sum(
        scheduled_placements.schedule(
            actor=actor, pairs=pairs, field=field, due_at=due_at, batch=batch
        )
        for field, pairs in object_pairs(batch, assets)
    )
