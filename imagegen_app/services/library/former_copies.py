"""Replace copies of files that an erasure rewrote, wherever people have uploaded them by hand.

Such a copy still tells the erased text. It is replaced by the file that took the place of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType

from imagegen_app import database
from imagegen_app.core.actors import System
from imagegen_app.models import FormerFile, Placement
from imagegen_app.services.foundation import event_log, outbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, storage
from imagegen_app.services.library import placed_copies, placement

if TYPE_CHECKING:
    from imagegen_app.models import Asset, OutboxEntry

ERASURE = System("erasure")


@use_case()
def replace(asset: Asset, sha256: str, target: Any, field: str) -> bool:
    """Replace the copy of a former file that an object holds; return whether it still held it.

    The replaced file is deleted by a worker, with the thumbnails that were made of it.

    :raises StorageFailed: if a storage fails; nothing is changed then.
    """
    former = (
        FormerFile.objects.filter(asset=asset, sha256=sha256)
        .select_related("rendition")
        .order_by("pk")
        .last()
    )
    if former is None:
        return False
    file = getattr(target, field)
    before = str(file.name)
    try:
        data = storage.get(_present_key(asset, former))
    except storage.FileMissing:
        # Somebody has deleted it: there is nothing to put in its place.
        return False
    placed = _placement_of(asset, target, field, before=before, sha256=sha256)
    if placed is None:
        return False
    store = storage.GuardedStorage(file.storage)
    name = f"{storage.file_hash(data)[:16]}.{before.rpartition('.')[2]}"
    after = store.save(file.field.generate_filename(target, name), data)
    database.stored(target).filter(**{field: before}).update(**{field: after})
    of_field = Placement.objects.filter(content_type=placed.content_type_id, field=field)
    of_field.filter(placed_value=before).update(placed_value=after)
    of_field.filter(previous_value=before).update(previous_value=after)
    _record(placed, before=before, after=after, sha256=sha256)
    outbox.add(
        "delete",
        f"delete:{placed.pk}:{storage.file_hash(before.encode())[:32]}",
        asset=asset,
        payload={"placement": placed.pk, "name": before},
    )
    return True


def delete(entry: OutboxEntry) -> None:
    """Delete a file that was replaced, with its thumbnails, and have the caches drop them.

    :raises StorageFailed: if a storage fails; repeating it is safe.
    """
    placed = Placement.objects.select_related("asset", "content_type").get(
        pk=entry.payload["placement"]
    )
    name = str(entry.payload["name"])
    kind, field = placed.content_type, placed.field
    used = Placement.objects.filter(content_type=kind, field=field, placed_value=name)
    file = None if used.exists() else placed_copies.file_of(placed, name=name)
    urls = [] if file is None else placed_copies.delete(file)
    key = f"copy:{placed.pk}:{storage.file_hash(name.encode())[:32]}"
    cache_purge.plan(entry.asset, key, urls=urls, placements=[placed], cause="erasure")


@use_case()
def record_search(asset: Asset, count: int) -> None:
    """Record that the site's files were searched for copies of the former files of an asset."""
    event_log.record(
        ERASURE,
        "privacy.copies_searched",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"count": count, "sha256": asset.sha256},
    )


def _present_key(asset: Asset, former: FormerFile) -> str:
    if former.rendition is not None:
        return str(former.rendition.storage_key)
    return str(asset.original_storage_key if former.is_original else asset.storage_key)


def _placement_of(
    asset: Asset, target: Any, field: str, *, before: str, sha256: str
) -> Placement | None:
    """Return the placement of the copy, which is recorded now if nobody placed it by this app.

    None if the field holds another value by now.
    """
    found = placement.record_found(
        actor=ERASURE, asset=asset, target=target, field=field, sha256=sha256
    )
    if found is not None:
        return found
    kind = ContentType.objects.get_for_model(target)
    known: Placement | None = (
        Placement.objects.active()
        .filter(content_type=kind, object_id=str(target.pk), field=field, placed_value=before)
        .first()
    )
    return known


def _record(placed: Placement, *, before: str, after: str, sha256: str) -> None:
    kind = placed.content_type
    event_log.record(
        ERASURE,
        "placement.rewritten",
        subject=placed.asset,
        job=placed.asset.job,
        asset=placed.asset,
        data={
            "target": f"{kind.app_label}.{kind.model}:{placed.object_id}",
            "field": placed.field,
            "before": before,
            "after": after,
            "sha256": sha256,
        },
    )
