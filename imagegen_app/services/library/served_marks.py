"""Find the files that a site serves of placed images without the AI marking: copies and thumbnails.

A thumbnailer that knows nothing of the marking removes it. Our own renditions bear it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imagegen_app.models import Placement
from imagegen_app.services.gateways import storage, thumbnails
from imagegen_app.services.library import delivery, inspection, placed_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app.models import Asset

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that the site serves of a placed image, and whether it bears a mark."""

    placement: Placement
    kind: Literal["copy", "thumbnail"]
    name: str
    #: Empty where the storage gives none.
    url: str
    state: Literal["marked", "unmarked", "unreadable"]


def served_files() -> Iterator[ServedFile]:
    """Look at every copy in content and every thumbnail of one, and yield each with what it bears.

    Files that are not there are left out: nobody is served them.
    """
    rows = Placement.objects.active().select_related("asset", "content_type").order_by("pk")
    for placed in rows.iterator(chunk_size=_CHUNK):
        file = placed_copies.file_of(placed)
        if file is None or not placed_copies.is_in_field(placed):
            continue
        store, name = storage.GuardedStorage(file.storage), str(file.name)
        yield from _look(placed, "copy", name, store.url(name), lambda: store.read(name))  # noqa: B023 - called at once
        try:
            made = thumbnails.thumbnails_of(file)
        except storage.StorageFailed:
            yield ServedFile(placed, "thumbnail", name, "", "unreadable")
            continue
        for one in made:
            yield from _look(placed, "thumbnail", one.name, one.url(), one.read)


def _look(
    placed: Placement,
    kind: Literal["copy", "thumbnail"],
    name: str,
    url: str,
    read: Callable[[], bytes],
) -> Iterator[ServedFile]:
    try:
        data = read()
    except storage.FileMissing:
        return
    except storage.StorageFailed:
        yield ServedFile(placed, kind, name, url, "unreadable")
    else:
        state: Literal["marked", "unmarked"]
        state = "marked" if _bears_mark(data, name, placed.asset) else "unmarked"
        yield ServedFile(placed, kind, name, url, state)


def _bears_mark(data: bytes, name: str, asset: Asset) -> bool:
    if asset.c2pa_state in {"valid", "trusted"} and storage.file_hash(data) == asset.sha256:
        return True
    media_type = delivery.MEDIA_TYPES.get(name.rpartition(".")[2].lower().replace("jpeg", "jpg"))
    found = inspection.inspect_bytes(data, media_type or asset.media_type)
    return bool(found.marks.digital_source_type) or found.credentials.state in {"valid", "trusted"}
