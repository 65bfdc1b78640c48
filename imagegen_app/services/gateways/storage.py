"""Keep bytes by content hash behind the site's storage alias."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from imagegen_app import conf
from imagegen_app.core.failpoints import failpoint

if TYPE_CHECKING:
    from django.core.files.storage import Storage


class StorageFailed(Exception):
    """The storage did not keep the file; trying again later is safe."""


def image_storage() -> Storage:
    """Return the storage that the site chose."""
    return storages[conf.get().storage]


def file_hash(data: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def put(prefix: str, data: bytes, *, extension: str) -> tuple[str, str]:
    """Keep bytes and return (key, SHA-256 in hex); the same bytes are kept once.

    :raises StorageFailed: if the storage refuses or keeps something else.
    """
    sha256 = file_hash(data)
    key = f"{prefix}/{sha256[:2]}/{sha256}.{extension}"
    where = image_storage()
    try:
        if where.exists(key) and where.size(key) == len(data):
            return key, sha256
        failpoint("store.half_write")
        saved = where.save(key, ContentFile(data))
        if saved != key:
            # A storage that does not overwrite renames instead; a torn file stood in the way.
            where.delete(key)
            where.delete(saved)
            saved = where.save(key, ContentFile(data))
        intact = saved == key and where.size(key) == len(data)
    except OSError as error:
        raise StorageFailed(type(error).__name__) from None
    if not intact:
        raise StorageFailed("the stored file differs")
    failpoint("store.after_write")
    return key, sha256


def get(key: str) -> bytes:
    """Return the bytes under a key.

    :raises StorageFailed: if they cannot be read.
    """
    try:
        with image_storage().open(key, "rb") as file:
            data: bytes = file.read()
    except OSError as error:
        raise StorageFailed(type(error).__name__) from None
    return data
