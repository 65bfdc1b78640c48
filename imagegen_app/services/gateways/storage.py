"""Store files by content hash in the storage that `IMAGEGEN['STORAGE']` names."""

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
    """The storage could not write or read a file; trying again later is safe."""


def image_storage() -> Storage:
    """Return the Django storage that the site configured for images."""
    return storages[conf.get().storage]


def file_hash(data: bytes) -> str:
    """Return the SHA-256 of bytes in hex."""
    return hashlib.sha256(data).hexdigest()


def put(prefix: str, data: bytes, *, extension: str) -> tuple[str, str]:
    """Store bytes and return (key, SHA-256 in hex); the same bytes are stored once.

    :raises StorageFailed: if writing fails, or the stored file has another name or size.
    """
    sha256 = file_hash(data)
    key = f"{prefix}/{sha256[:2]}/{sha256}.{extension}"
    store = image_storage()
    try:
        if store.exists(key) and store.size(key) == len(data):
            return key, sha256
        failpoint("store.half_write")
        saved = store.save(key, ContentFile(data))
        if saved != key:
            # The storage renamed the file instead of overwriting an incomplete one of that name.
            store.delete(key)
            store.delete(saved)
            saved = store.save(key, ContentFile(data))
        intact = saved == key and store.size(key) == len(data)
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
