"""Take an image down everywhere: withdraw the asset, and clear every field that holds a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import FieldDoesNotExist
from django.db import models, transaction

from imagegen_app.core.actors import System
from imagegen_app.models import Placement
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import placement, review

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: Clears fields of content that the reviewer may not edit; the withdrawal itself is the reviewer's.
TAKEDOWN = System("takedown")
#: Copies deleted in one go.
_AT_ONCE = 500


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> int:
    """Withdraw an asset and clear the fields that hold a copy of it; return how many.

    Plugins and template tags check the review state whenever they render, so they show nothing from
    now on. A site's own image field holds a copy of the file: the field gets back the value it had
    before, and the copy is deleted; if its storage fails, as soon as it works again.

    :raises NotPermitted: if the actor may not review.
    :raises WrongReviewState: if it is not approved.
    """
    review.withdraw(actor=actor, asset=asset, note=note)
    cleared = 0
    for placed in Placement.objects.active().filter(asset=asset).select_related("asset__job"):
        if _holds_copy(placed):
            Placement.objects.filter(pk=placed.pk).update(has_copy_to_delete=True)
            placement.detach(actor=TAKEDOWN, placement=placed, is_takedown=True)
            cleared += 1
    if cleared:
        transaction.on_commit(delete_copies, robust=True)
    return cleared


def delete_copies() -> int:
    """Delete the copies of withdrawn images; return how many a failing storage still holds.

    Safe to repeat: the sweep does, until none is left.
    """
    remaining = 0
    #: Not asked again for each of its files: a storage may take minutes to fail.
    away: set[object] = set()
    for placed in Placement.objects.filter(has_copy_to_delete=True).order_by("pk")[:_AT_ONCE]:
        field = _file_field(placed)
        store = None if field is None else field.storage
        if store in away:
            remaining += 1
            continue
        try:
            if store is not None:
                storage.GuardedStorage(store).delete(placed.placed_value)
        except storage.StorageFailed:
            away.add(store)
            remaining += 1
        else:
            _mark_deleted(placed)
    return remaining


@use_case(audited=False)
def _mark_deleted(placed: Placement) -> None:
    Placement.objects.filter(pk=placed.pk).update(has_copy_to_delete=False)


def _file_field(placed: Placement) -> models.FileField | None:
    """Return the field that held the copy; None if the site no longer has it."""
    model = placed.content_type.model_class()
    try:
        field = None if model is None else model._meta.get_field(placed.field)  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, models.FileField) else None


def _holds_copy(placed: Placement) -> bool:
    target = placed.target
    if target is None:
        return False
    file = getattr(target, placed.field, None)
    return isinstance(file, models.fields.files.FieldFile) and file.name == placed.placed_value
