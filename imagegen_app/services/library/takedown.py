"""Take an image down everywhere: withdraw the asset, and clear every field that holds a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app import database
from imagegen_app.engines.base import wake
from imagegen_app.models import Placement
from imagegen_app.services.foundation import outbox
from imagegen_app.services.foundation.announcements import send_copy_deleted
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, storage
from imagegen_app.services.library import delivery, placed_copies, review

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset, Rendition

#: Copies deleted in one go.
_AT_ONCE = 500


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> int:
    """Withdraw an asset and clear the fields that hold a copy of it; return how many.

    Plugins and template tags check the review state whenever they render, so they show nothing from
    now on, and URLs of files stop working. A site's own image field holds a copy of the file: the
    field gets back the value it had before, and the copy is deleted with its thumbnails; if its
    storage fails, as soon as it works again. A worker then looks for copies that were uploaded by
    hand, and has the site's caches emptied (`IMAGEGEN["PURGE"]`), until both are done.

    :raises NotPermitted: if the actor may neither review nor withdraw.
    :raises WrongReviewState: if it is not approved.
    """
    review.withdraw(actor=actor, asset=asset, note=note)
    return clear_fields(asset)


@use_case(audited=False)
def clear_fields(asset: Asset) -> int:
    """Clear the fields that hold a copy of a withdrawn asset, with their events; return how many.

    Joins the caller's transaction, and is safe to repeat.
    """
    placements = list(
        Placement.objects.active()
        .filter(asset=asset)
        .select_related("asset__job", "content_type")
        .order_by("pk")
    )
    cleared = [placed_copies.take_back(p) for p in placements if placed_copies.is_in_field(p)]
    _plan_the_rest(asset, placements)
    if cleared:
        # Also where a field held another value by then.
        database.on_commit(delete_copies, robust=True)
    wake("sweep")
    return sum(cleared)


def _plan_the_rest(asset: Asset, placements: Sequence[Placement]) -> None:
    """Have a worker do what takes long or may fail."""
    moment = "" if asset.reviewed_at is None else f"{asset.reviewed_at.timestamp():.6f}"
    outbox.add("copies", f"copies:{asset.pk}:{moment}", asset=asset, payload={})
    files: list[Asset | Rendition] = [asset, *asset.renditions.order_by("pk")]
    urls = [delivery.public_url(file) for file in files]
    cache_purge.plan(asset, moment, urls=urls, placements=placements)


def delete_copies() -> int:
    """Delete the copies of withdrawn images; return how many a failing storage still holds.

    Safe to repeat: the sweep does, until none is left.
    """
    remaining = 0
    #: Not asked again for each of its files: a storage may take minutes to fail.
    away: set[object] = set()
    waiting = Placement.objects.filter(has_copy_to_delete=True).select_related("asset__job")
    for placed in waiting.order_by("pk")[:_AT_ONCE]:
        file = placed_copies.file_of(placed)
        store = None if file is None else file.storage
        if store in away:
            remaining += 1
            continue
        try:
            urls = [] if file is None else placed_copies.delete(file)
        except storage.StorageFailed:
            away.add(store)
            remaining += 1
        else:
            _mark_deleted(placed, urls)
    return remaining


@use_case(audited=False)
def _mark_deleted(placed: Placement, urls: Sequence[str]) -> None:
    Placement.objects.filter(pk=placed.pk).update(has_copy_to_delete=False)
    send_copy_deleted(placed)
    cache_purge.plan(placed.asset, f"copy:{placed.pk}", urls=urls, placements=[placed])
    wake("sweep")
