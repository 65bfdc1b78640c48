"""Search the site's own files for copies of a withdrawn image, and take them back.

A copy is known by its bytes: those of the published file, of the original or of a rendition. So
one is found that somebody saved from a page and uploaded by hand. Only files of the same size are
read. A copy that was changed, even in its size, is another file and is not found.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models

from imagegen_app.models import Asset, Placement, Rendition
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields, storage
from imagegen_app.services.library import placed_copies, placement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models.fields.files import FieldFile

#: Objects read at once.
_CHUNK = 200
#: Stands for the end of a field in the progress; a primary key stands for how far it was read.
_DONE = "*"

Field = tuple[type[models.Model], "models.FileField"]


class StorageAway(Exception):
    """A storage failed; the rest was searched, and `progress` says how far each field was."""

    def __init__(self, progress: dict[str, Any]) -> None:
        super().__init__("a storage failed")
        self.progress = progress


def search(asset: Asset, progress: dict[str, Any], *, until: float) -> dict[str, Any] | None:
    """Search on from `progress` until a moment of `time.monotonic`; return how far it came.

    None if the search is over. Repeating any part is safe.

    :raises StorageAway: if all is searched but files of a storage that fails.
    """
    known = _known_hashes(asset)
    names = set(Placement.objects.filter(asset=asset).values_list("placed_value", flat=True))
    fields: dict[str, str] = dict(progress.get("fields", {}))
    is_away = False
    count = int(progress.get("found", 0))
    for model, column in _file_fields():
        path = content_fields.field_path(model, column.name)
        try:
            for target in _objects(model, column, after=fields.get(path, "")):
                if time.monotonic() > until:
                    return {"fields": fields, "found": count}
                sha256 = _match(getattr(target, column.name), known, names)
                if sha256 is not None and _take_back(asset, target, column.name, sha256):
                    count += 1
                fields[path] = str(target.pk)
        except storage.StorageFailed:
            is_away = True
        else:
            fields[path] = _DONE
    try:
        _flag_left_copies(asset, known)
    except storage.StorageFailed:
        is_away = True
    if is_away:
        raise StorageAway({"fields": fields, "found": count})
    _record(asset, count)
    return None


def _known_hashes(asset: Asset) -> dict[int, set[str]]:
    """Return the hashes of an asset's files by size, without those that another asset still shows."""
    files = [
        (asset.byte_size, asset.sha256),
        (asset.original_byte_size, asset.original_sha256),
        *asset.renditions.values_list("byte_size", "sha256"),
    ]
    hashes = {sha256 for _size, sha256 in files}
    others = Asset.objects.showable().exclude(pk=asset.pk)
    shown = set(others.filter(sha256__in=hashes).values_list("sha256", flat=True))
    shown |= set(
        Rendition.objects.filter(sha256__in=hashes, asset__in=others).values_list(
            "sha256", flat=True
        )
    )
    known: dict[int, set[str]] = {}
    for size, sha256 in files:
        if sha256 not in shown:
            known.setdefault(size, set()).add(sha256)
    return known


def _file_fields() -> Iterator[Field]:
    for model in sorted(apps.get_models(), key=lambda m: m._meta.label):  # noqa: SLF001 - Django's documented API
        meta = model._meta  # noqa: SLF001 - Django's documented API
        if meta.managed and not meta.proxy and not meta.swapped and meta.app_label != "imagegen":
            for column in meta.local_fields:
                if isinstance(column, models.FileField):
                    yield model, column


def _objects(
    model: type[models.Model], column: models.FileField, *, after: str
) -> Iterator[models.Model]:
    """Yield the objects that hold a file, by key, from after a key on."""
    rows: Any = model._base_manager.all()  # noqa: SLF001 - Django's documented API
    if hasattr(rows, "non_polymorphic"):
        rows = rows.non_polymorphic()
    rows = rows.exclude(**{column.name: ""}).exclude(**{f"{column.name}__isnull": True})
    last = None if after in ("", _DONE) else content_fields.parse_key(model, after)
    while after != _DONE:
        chunk = list((rows if last is None else rows.filter(pk__gt=last)).order_by("pk")[:_CHUNK])
        yield from chunk
        if len(chunk) < _CHUNK:
            return
        last = chunk[-1].pk


def _match(file: FieldFile, known: dict[int, set[str]], names: set[str]) -> str | None:
    """Return the hash of a file that is a copy; empty for one that is deleted already; else None.

    :raises StorageFailed: if the file cannot be read.
    """
    store = storage.GuardedStorage(file.storage)
    name = str(file.name)
    try:
        hashes = known.get(store.size(name))
        if hashes is None:
            return None
        sha256 = storage.file_hash(store.read(name))
    except storage.FileMissing:
        # A second object with the same file, which was deleted with the first one's placement.
        return "" if name in names else None
    return sha256 if sha256 in hashes else None


@use_case()
def _take_back(asset: Asset, target: Any, field: str, sha256: str) -> bool:
    """Record the copy that an object holds and clear its field; return whether it held one."""
    if hasattr(target, "get_real_instance"):
        target = target.get_real_instance()
    found = placement.record_found(
        actor=placed_copies.TAKEDOWN, asset=asset, target=target, field=field, sha256=sha256
    )
    return found is not None and placed_copies.take_back(found)


@use_case(audited=False)
def _flag_left_copies(asset: Asset, known: dict[int, set[str]]) -> None:
    """Have copies deleted that no field holds any more: of ended placements, of replaced files."""
    left = Placement.objects.filter(asset=asset, has_copy_to_delete=False)
    for placed in left.select_related("content_type"):
        file = placed_copies.file_of(placed)
        if file is not None and _match(file, known, set()) is not None:
            Placement.objects.filter(pk=placed.pk).update(has_copy_to_delete=True)


@use_case()
def _record(asset: Asset, count: int) -> None:
    event_log.record(
        placed_copies.TAKEDOWN,
        "withdrawal.searched",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"count": count, "sha256": asset.sha256},
    )
