"""Find the thumbnails that easy-thumbnails made of a file, for itself or for django-filer."""

from __future__ import annotations

import logging
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.files.base import ContentFile

from imagegen_app.imaging import marked_sample
from imagegen_app.services.gateways import storage

if TYPE_CHECKING:
    from django.db.models.fields.files import FieldFile

logger = logging.getLogger("imagegen.thumbnails")

#: What easy-thumbnails and filer append to a file's name: `.80x60_q85_crop.jpg`, `__80x60_q85.jpg`.
_APPENDED = re.compile(r"(?:\.|_{1,2})\d+x\d+[._].*")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One thumbnail file."""

    store: storage.GuardedStorage
    name: str

    def delete(self) -> None:
        """Delete the file.

        :raises StorageFailed: if the storage fails.
        """
        self.store.delete(self.name)

    def read(self) -> bytes:
        """Return the file's bytes.

        :raises StorageFailed: if it cannot be read; as `FileMissing` if it is not there.
        """
        return self.store.read(self.name)

    def url(self) -> str:
        """Return the URL under which the storage serves the file; empty if it serves none."""
        return self.store.url(self.name)


def is_installed() -> bool:
    """Return whether the site uses easy-thumbnails."""
    return apps.is_installed("easy_thumbnails")


def keeps_marks() -> bool | None:
    """Return whether a thumbnail of a marked image bears the mark; None if that cannot be told.

    Thumbnails of small images are made in memory, as the site's settings say.
    """
    if not is_installed():
        return None
    from easy_thumbnails.files import Thumbnailer  # noqa: PLC0415 - optional

    kept = []
    for kind in marked_sample.FORMATS:
        sample = ContentFile(marked_sample.make_sample(kind))
        try:
            thumbnailer = Thumbnailer(sample, name=f"probe.{kind}", remote_source=True)
            with thumbnailer.generate_thumbnail({"size": (16, 16)}) as made:
                kept.append(marked_sample.bears_mark(made.read()))
        except Exception as error:  # noqa: BLE001 - the site's processors may raise anything
            logger.info("No thumbnail could be made: %s", type(error).__name__)
            return None
    return all(kept)


def thumbnails_of(file: FieldFile) -> list[Thumbnail]:
    """Return the thumbnails of a file: those that easy-thumbnails remembers, and those beside them.

    `file` is the field's file as it was: the field may hold another one, or none, by now.

    :raises StorageFailed: if the storage of thumbnails cannot be searched.
    """
    if not is_installed() or not file.name:
        return []
    with storage.storage_errors():
        thumbnailer = _thumbnailer(file)
        store = thumbnailer.thumbnail_storage
        names = _remembered(thumbnailer) | _in_folder(thumbnailer)
    return [Thumbnail(storage.GuardedStorage(store), name) for name in sorted(names)]


def forget(file: FieldFile) -> None:
    """Remove what easy-thumbnails remembers of a file, once its thumbnails are deleted."""
    if is_installed() and file.name:
        source = _thumbnailer(file).get_source_cache()
        if source is not None:
            source.delete()


def _thumbnailer(file: FieldFile) -> Any:
    from easy_thumbnails.files import get_thumbnailer  # noqa: PLC0415 - optional

    return get_thumbnailer(file)


def _remembered(thumbnailer: Any) -> set[str]:
    from easy_thumbnails.utils import get_storage_hash  # noqa: PLC0415 - optional

    source = thumbnailer.get_source_cache()
    if source is None:
        return set()
    known = source.thumbnails.filter(storage_hash=get_storage_hash(thumbnailer.thumbnail_storage))
    return {str(name) for name in known.values_list("name", flat=True)}


def _in_folder(thumbnailer: Any) -> set[str]:
    """Return the files whose names begin with the image's: its rows may be gone."""
    sample = str(thumbnailer.get_thumbnail_name({"size": (1, 1)}))
    folder = posixpath.dirname(sample)
    begin = f"{thumbnailer.thumbnail_prefix}{posixpath.basename(str(thumbnailer.name))}"
    names = storage.GuardedStorage(thumbnailer.thumbnail_storage).list_files(folder)
    return {
        posixpath.join(folder, name)
        for name in names
        if name.startswith(begin) and _APPENDED.fullmatch(name.removeprefix(begin))
    }
