"""Take an image down everywhere: withdrawn here, and out of every field that holds a copy."""

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

#: Withdrawing reaches content that the reviewer may not edit; the log names the reviewer.
TAKEDOWN = System("takedown")


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> int:
    """Withdraw an asset and clear the fields that hold a copy of it; return how many.

    Plugins and tags ask for approval at each display, so they show nothing from now on. A copy in
    a site's own image field is another file: the field is emptied, or gets back what it held
    before, and the copy is deleted.

    :raises NotPermitted: if the actor may not decide.
    :raises WrongReviewState: if it is not approved.
    """
    review.withdraw(actor=actor, asset=asset, note=note)
    cleared = 0
    for standing in Placement.objects.active().filter(asset=asset).select_related("asset__job"):
        if _holds_copy(standing):
            _delete_copy_after_commit(standing)
            placement.detach(actor=TAKEDOWN, placement=standing)
            cleared += 1
    return cleared


def _holds_copy(standing: Placement) -> bool:
    target = standing.target
    if target is None:
        return False
    file = getattr(target, standing.field, None)
    return isinstance(file, models.fields.files.FieldFile) and file.name == standing.placed_value


def _delete_copy_after_commit(standing: Placement) -> None:
    file = getattr(standing.target, standing.field)
    storage, name = file.storage, file.name
    transaction.on_commit(lambda: storage.delete(name), robust=True)
