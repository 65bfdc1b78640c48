"""Search the site's own files for copies: of withdrawn images, and of files that were rewritten.

A copy is known by its bytes: those of the published file, of the original or of a rendition, and
of what these were before an erasure. So one is found that somebody saved from a page and uploaded
by hand. Only files of the same size are read. A copy that was changed, even in its size, is another
file and is not found.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Placement, Rendition
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields, storage
from imagegen_app.services.library import former_copies, placed_copies, placement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models.fields.files import FieldFile

#: Objects read at once, and hashes looked up at once.
_CHUNK = 200
_AT_ONCE = 500
#: After so many files of a storage that cannot be read, the others of it are left for the next try.
_MAX_FAILURES = 5
#: Stands for the end of a field in the progress; a primary key stands for how far it was read.
_DONE = "*"

Field = tuple[type[models.Model], "models.FileField"]
#: What is done about a copy: with its image, its hash, the object and the field that hold it.
Action = Callable[[Asset, str, Any, str], bool]


class StorageAway(Exception):
    """A file could not be read; the rest was searched, and `progress` says where to begin again."""

    def __init__(self, progress: dict[str, Any]) -> None:
        super().__init__("a storage failed")
        self.progress = progress


@dataclass(frozen=True, slots=True)
class _Known:
    """By what copies of images are known."""

    #: The images by size and hash of their files.
    hashes: dict[int, dict[str, Asset]]
    #: The images by the names of copies that were placed.
    names: dict[str, Asset]


def search(asset: Asset, progress: dict[str, Any], *, until: float) -> dict[str, Any] | None:
    """Search on for copies of a withdrawn image from `progress`; return how far it came.

    Until a moment of `time.monotonic`. None if the search is over. Repeating any part is safe.

    :raises StorageAway: if all is searched but files of a storage that fails.
    """
    further = _take_all_back([asset], progress, until=until)
    if "is_over" not in further:
        return further
    _record(asset, further["found"])
    return None


def search_all() -> int:
    """Search for copies of all withdrawn images, in one pass over the site's files; return how many.

    For copies that were uploaded after the withdrawal.

    :raises StorageAway: if all is searched but files of a storage that fails.
    """
    withdrawn = Asset.objects.filter(review_state=ReviewState.WITHDRAWN.value)
    rows = withdrawn.select_related("job").prefetch_related("renditions", "former_files")
    assets = list(rows)
    return int(_take_all_back(assets, {}, until=float("inf"))["found"]) if assets else 0


def replace_former(
    asset: Asset, progress: dict[str, Any], *, until: float
) -> dict[str, Any] | None:
    """Search on for copies of an asset's files as they were before an erasure, and replace them.

    Otherwise as `search`.

    :raises StorageAway: if all is searched but files of a storage that fails.
    """
    known = _Known(_hashes([(f.byte_size, f.sha256, asset) for f in asset.former_files.all()]), {})
    further = _search(known, former_copies.replace, progress, until=until)
    if "is_over" not in further:
        return further
    former_copies.record_search(asset, further["found"])
    return None


def _take_all_back(
    assets: Sequence[Asset], progress: dict[str, Any], *, until: float
) -> dict[str, Any]:
    known = _known(assets)
    return _search(
        known, _take_back, progress, until=until, finish=lambda: _flag_left_copies(assets, known)
    )


def _search(
    known: _Known,
    action: Action,
    progress: dict[str, Any],
    *,
    until: float,
    finish: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    fields: dict[str, str] = dict(progress.get("fields", {}))
    #: By field, the key before the first object whose file could not be read: the next try begins there.
    failed: dict[str, str] = dict(progress.get("failed", {}))
    failures: Counter[int] = Counter()
    is_away = False
    count = int(progress.get("found", 0))
    for model, column in _file_fields():
        path = content_fields.field_path(model, column.name)
        for target in _objects(model, column, after=fields.get(path, "")):
            if time.monotonic() > until:
                return {"fields": fields, "failed": failed, "found": count}
            file = getattr(target, column.name)
            # Some fields choose their storage by the object.
            if failures[id(file.storage)] < _MAX_FAILURES:
                try:
                    match = _match(file, known)
                    if match is not None and action(*match, _whole(target), column.name):
                        count += 1
                except storage.StorageFailed:
                    failures[id(file.storage)] += 1
                    failed.setdefault(path, fields.get(path, ""))
            fields[path] = str(target.pk)
        fields[path] = _DONE
    try:
        finish()
    except storage.StorageFailed:
        is_away = True
    if failed or is_away:
        raise StorageAway({"fields": {**fields, **failed}, "found": count})
    return {"fields": fields, "found": count, "is_over": True}


def _known(assets: Sequence[Asset]) -> _Known:
    """Return by what copies of these assets are known, without files that another one still shows."""
    files = [
        (size, sha256, asset)
        for asset in assets
        for size, sha256 in (
            (asset.byte_size, asset.sha256),
            (asset.original_byte_size, asset.original_sha256),
            *((r.byte_size, r.sha256) for r in asset.renditions.all()),
            *((f.byte_size, f.sha256) for f in asset.former_files.all()),
        )
    ]
    known = _Known(_hashes(files), {})
    by_key = {asset.pk: asset for asset in assets}
    for key, name in _placements(assets).values_list("asset", "placed_value"):
        # Another may have been withdrawn just now; it is searched for by itself.
        if key in by_key:
            known.names[name] = by_key[key]
    return known


def _hashes(files: Sequence[tuple[int, str, Asset]]) -> dict[int, dict[str, Asset]]:
    """Return the images by size and hash of these files, without those that another one shows."""
    shown: set[str] = set()
    others = Asset.objects.showable()
    for start in range(0, len(files), _AT_ONCE):
        hashes = [sha256 for _size, sha256, _asset in files[start : start + _AT_ONCE]]
        shown.update(others.filter(sha256__in=hashes).values_list("sha256", flat=True))
        renditions = Rendition.objects.filter(sha256__in=hashes, asset__in=others)
        shown.update(renditions.values_list("sha256", flat=True))
    found: dict[int, dict[str, Asset]] = {}
    for size, sha256, asset in files:
        if sha256 not in shown:
            found.setdefault(size, {})[sha256] = asset
    return found


def _placements(assets: Sequence[Asset]) -> Any:
    if len(assets) == 1:
        return Placement.objects.filter(asset=assets[0])
    return Placement.objects.filter(asset__review_state=ReviewState.WITHDRAWN.value)


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


def _whole(target: Any) -> Any:
    """Return an object of a polymorphic model as what it is, others as they are."""
    return target.get_real_instance() if hasattr(target, "get_real_instance") else target


def _match(file: FieldFile, known: _Known) -> tuple[Asset, str] | None:
    """Return of which image a file is a copy, with its hash, which is empty if it is deleted already.

    :raises StorageFailed: if the file cannot be read.
    """
    store = storage.GuardedStorage(file.storage)
    name = str(file.name)
    try:
        hashes = known.hashes.get(store.size(name))
        if hashes is None:
            return None
        sha256 = storage.file_hash(store.read(name))
    except storage.FileMissing:
        # A second object with the same file, which was deleted with the first one's placement.
        return (known.names[name], "") if name in known.names else None
    return (hashes[sha256], sha256) if sha256 in hashes else None


@use_case()
def _take_back(asset: Asset, sha256: str, target: Any, field: str) -> bool:
    """Record the copy that an object holds and clear its field; return whether it held one."""
    found = placement.record_found(
        actor=placed_copies.TAKEDOWN, asset=asset, target=target, field=field, sha256=sha256
    )
    return found is not None and placed_copies.take_back(found)


def _flag_left_copies(assets: Sequence[Asset], known: _Known) -> None:
    """Have copies deleted that no field holds any more: of ended placements, of replaced files."""
    by_hash = _Known(known.hashes, {})
    left = _placements(assets).filter(has_copy_to_delete=False).select_related("content_type")
    last = 0
    # Not in one transaction: no other process could write while files are read.
    while chunk := list(left.filter(pk__gt=last).order_by("pk")[:_CHUNK]):
        last = chunk[-1].pk
        files = [(placed.pk, placed_copies.file_of(placed)) for placed in chunk]
        _flag([key for key, file in files if file is not None and _match(file, by_hash)])


@use_case(audited=False)
def _flag(keys: Sequence[int]) -> None:
    Placement.objects.filter(pk__in=keys).update(has_copy_to_delete=True)


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
