"""Find the objects that a batch's images are placed on, and schedule them for a later time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from imagegen_app.core.states import ReviewState
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import pictures, placement, scheduled_placements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.db.models import Model

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset, Batch
    from imagegen_app.services.gateways.content_fields import Target

#: Objects per query: databases limit how many values one may have.
_AT_ONCE = 500


def target_of(batch: Batch) -> Target | None:
    """Return the field that a batch's images are for; None for none, or if the site has it no more."""
    return content_fields.target_by_path(str(batch.mapping.get("target", "")))


def object_pairs(batch: Batch, assets: Iterable[Asset]) -> tuple[str, list[tuple[Asset, Model]]]:
    """Return the field of the batch's objects, and each approved asset with the object of its row.

    Assets that are not approved and rows whose object no longer exists are left out.

    :raises CannotPlace: if the batch has no target field.
    """
    target = target_of(batch)
    if target is None:
        raise placement.CannotPlace(
            _("Nothing was placed."), reason=_("The batch has no target field."), remedy=""
        )
    approved = [one for one in assets if one.review_state == ReviewState.APPROVED.value]
    found = objects_by_key(target, [asset.job.row_key for asset in approved])
    return target.field, [
        (asset, found[asset.job.row_key]) for asset in approved if asset.job.row_key in found
    ]


def objects_by_key(target: Target, keys: Sequence[str]) -> dict[str, Any]:
    """Return the objects that still exist, by primary key as text."""
    manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
    wanted = sorted({key for key in keys if key})
    found: dict[str, Any] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = manager.filter(pk__in=wanted[start : start + _AT_ONCE])
        found |= {str(one.pk): one for one in rows}
    return found


def present_images(batch: Batch, keys: Sequence[str]) -> dict[str, str]:
    """Return the address of the image that each row's object holds now, by row; none if it is empty."""
    target = target_of(batch)
    if target is None:
        return {}
    found = objects_by_key(target, keys)
    column = target.model._meta.get_field(target.field)  # noqa: SLF001 - Django's documented API
    if column.is_relation:
        prefetch_related_objects(list(found.values()), f"{target.field}__renditions")
    return {
        key: url
        for key, instance in found.items()
        if (url := pictures.held_url(instance, target.field))
    }


def schedule_approved(
    *, actor: Person, batch: Batch, assets: Sequence[Asset], due_at: datetime
) -> int:
    """Schedule approved assets for the target field of their rows' objects; return how many.

    :raises ActionRefused: as `placement.attach` for the batch's target, and as
        `scheduled_placements.schedule`.
    """
    field, pairs = object_pairs(batch, assets)
    return scheduled_placements.schedule(
        actor=actor, pairs=pairs, field=field, due_at=due_at, batch=batch
    )
