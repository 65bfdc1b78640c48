"""Use the site's storages: the one for images, by content hash, and those of its own file fields.

Every call of a storage goes through this module, and every read of a file that a storage opened.
The libraries behind storages raise errors of their own (of botocore, of Google, of Azure) and not
only `OSError`, so any error means that the storage fails at present. The one exception is a file
that is not there, which no later try will find.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from imagegen_app import conf
from imagegen_app.core.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.files.base import File

logger = logging.getLogger("imagegen.storage")

#: What object storages call a file that is not there; a missing bucket is none of them.
_MISSING_CODES = frozenset({"NoSuchKey", "404", "BlobNotFound"})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_PIECE_BYTES = 64 * 1024


class StorageFailed(Exception):
    """The storage could not read or write a file; trying again later is safe."""


class FileMissing(StorageFailed):
    """The storage works, but does not hold the file; trying again does not help."""


@contextmanager
def storage_errors(store: object = None) -> Iterator[None]:
    """Turn whatever a storage raises inside the block into one of our two errors.

    :raises FileMissing: if the storage says that it does not hold the file.
    :raises StorageFailed: if the storage raises anything else.
    """
    try:
        yield
    except StorageFailed:
        raise
    except Exception as error:
        reason = _describe(error)
        if _is_missing(error, store):
            raise FileMissing(reason) from error
        logger.warning("A storage failed: %s", reason)
        raise StorageFailed(reason) from error


class GuardedFile:
    """A file of a storage: its reads fail as the storage's other calls do.

    Many storages fetch the bytes only when they are read.
    """

    def __init__(self, file: File[bytes], store: Storage) -> None:
        self._file = file
        self._store = store

    def __getattr__(self, name: str) -> Any:
        # What a server asks for besides: `fileno`, `seekable`, `name`.
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(_PIECE_BYTES):
            yield piece

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all that follow."""
        with storage_errors(self._store):
            return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        with storage_errors(self._store):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the position."""
        with storage_errors(self._store):
            return int(self._file.tell())

    def close(self) -> None:
        """Close the file; a storage that fails now has nothing more to say about it."""
        try:
            self._file.close()
        except Exception as error:  # noqa: BLE001 - see the module
            logger.warning("A file could not be closed: %s", _describe(error))


class GuardedStorage:
    """A Django storage whose calls raise `StorageFailed` or `FileMissing` and nothing else."""

    def __init__(self, store: Storage) -> None:
        self._store = store

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading.

        :raises StorageFailed: if the storage fails; as `FileMissing` if the file is not there.
        """
        with storage_errors(self._store):
            file = self._store.open(name, "rb")
        return cast("IO[bytes]", GuardedFile(file, self._store))

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        :raises StorageFailed: if the storage fails; as `FileMissing` if the file is not there.
        """
        with self.open(name) as file:
            return file.read()

    def save(self, name: str, data: bytes) -> str:
        """Store bytes and return the name under which they are stored.

        :raises StorageFailed: if the storage fails.
        """
        with storage_errors(self._store):
            return str(self._store.save(name, ContentFile(data)))

    def exists(self, name: str) -> bool:
        """Return whether the storage holds a file of this name.

        :raises StorageFailed: if the storage fails.
        """
        with storage_errors(self._store):
            return bool(self._store.exists(name))

    def size(self, name: str) -> int:
        """Return the length of a file in bytes.

        :raises StorageFailed: if the storage fails; as `FileMissing` if the file is not there.
        """
        with storage_errors(self._store):
            return int(self._store.size(name))

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no failure.

        :raises StorageFailed: if the storage fails.
        """
        try:
            with storage_errors(self._store):
                self._store.delete(name)
        except FileMissing:
            return

    def list_files(self, folder: str) -> list[str]:
        """Return the names of the files in a folder; none if there is no such folder.

        A storage that cannot list its files has none here.

        :raises StorageFailed: if the storage fails.
        """
        list_folder = self._store.listdir
        if getattr(list_folder, "__func__", None) is Storage.listdir:
            return []
        try:
            with storage_errors(self._store):
                return [str(name) for name in list_folder(folder)[1]]
        except FileMissing:
            return []

    def url(self, name: str) -> str:
        """Return the URL of a file; empty where the storage gives none."""
        try:
            return str(self._store.url(name))
        except Exception as error:  # noqa: BLE001 - see the module
            logger.info("A storage gave no URL: %s", _describe(error))
            return ""


def image_storage() -> GuardedStorage:
    """Return the storage that the site configured for images.

    :raises StorageFailed: if it cannot be built.
    """
    return named_storage(conf.get().storage)


def named_storage(alias: str) -> GuardedStorage:
    """Return the storage of an alias in `STORAGES`.

    :raises StorageFailed: if it cannot be built.
    """
    with storage_errors():
        return GuardedStorage(storages[alias])


def has_alias(alias: str) -> bool:
    """Return whether `STORAGES` has an alias."""
    return alias in storages.backends


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
    if store.exists(key) and _has_size(store, key, len(data)):
        return key, sha256
    failpoint("store.half_write")
    saved = store.save(key, data)
    if saved != key:
        # The storage renamed the file instead of overwriting an incomplete one of that name.
        store.delete(key)
        store.delete(saved)
        saved = store.save(key, data)
    if saved != key or not _has_size(store, key, len(data)):
        raise StorageFailed("the stored file differs")
    failpoint("store.after_write")
    return key, sha256


def get(key: str) -> bytes:
    """Return the bytes under a key.

    :raises StorageFailed: if they cannot be read; as `FileMissing` if there are none.
    """
    return image_storage().read(key)


def delete(key: str) -> None:
    """Delete the file under a key; one that is not there is no failure.

    :raises StorageFailed: if the storage fails.
    """
    image_storage().delete(key)


def probe() -> bool:
    """Write, read and delete a small file; return whether the same bytes came back.

    :raises StorageFailed: if the storage fails.
    """
    content = b"imagegen"
    store = image_storage()
    name = store.save(f"doctor/{uuid4().hex}.txt", content)
    try:
        return store.read(name) == content
    finally:
        store.delete(name)


def _has_size(store: GuardedStorage, key: str, size: int) -> bool:
    try:
        return store.size(key) == size
    except FileMissing:
        # Deleted meanwhile, or the storage took it and does not have it: later, in any case.
        return False


def _is_missing(error: Exception, store: object) -> bool:
    if isinstance(error, FileNotFoundError):
        # A disk that is not mounted holds no file either.
        is_local = isinstance(store, FileSystemStorage)
        return not is_local or Path(cast("FileSystemStorage", store).location).is_dir()
    return _code(error) in _MISSING_CODES


def _describe(error: Exception) -> str:
    """Return the error's class and code: words of our own, without addresses and names of files."""
    code = _code(error)
    return f"{type(error).__name__} {code}" if _CODE.fullmatch(code) else type(error).__name__


def _code(error: Exception) -> str:
    """Return the code that an object storage gave, as botocore's and Azure's errors hold it."""
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, Mapping) else None
    code = details.get("Code") if isinstance(details, Mapping) else None
    return str(code or getattr(error, "error_code", "") or "")
