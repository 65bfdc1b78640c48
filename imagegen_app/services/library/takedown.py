"""Take an image down everywhere: withdraw the asset, and clear every field that holds a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models, transaction

from imagegen_app.core.actors import System
from imagegen_app.models import Placement
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import placement, review

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: Clears fields of content that the reviewer may not edit; the withdrawal itself is the reviewer's.
TAKEDOWN = System("takedown")


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> int:
    """Withdraw an asset and clear the fields that hold a copy of it; return how many.

    Plugins and template tags check the review state whenever they render, so they show nothing from
    now on. A site's own image field holds a copy of the file: the field gets back the value it had
    before, and the copy is deleted.

    :raises NotPermitted: if the actor may not review.
    :raises WrongReviewState: if it is not approved.
    """
    review.withdraw(actor=actor, asset=asset, note=note)
    cleared = 0
    for placed in Placement.objects.active().filter(asset=asset).select_related("asset__job"):
        if _holds_copy(placed):
            _delete_copy_after_commit(placed)
            placement.detach(actor=TAKEDOWN, placement=placed)
            cleared += 1
    return cleared


def _holds_copy(placed: Placement) -> bool:
    target = placed.target
    if target is None:
        return False
    file = getattr(target, placed.field, None)
    return isinstance(file, models.fields.files.FieldFile) and file.name == placed.placed_value


def _delete_copy_after_commit(placed: Placement) -> None:
    file = getattr(placed.target, placed.field)
    storage, name = file.storage, file.name
    transaction.on_commit(lambda: storage.delete(name), robust=True)
