"""Store a provider's answer durably before its result is recorded."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import AnswerNotKept, BadResponse
from imagegen_app.core.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from io import FileIO
    from pathlib import Path

#: The reserved room shrinks by at least so many bytes at once.
_ROOM_STEP = 1024 * 1024
#: What a file system answers that cannot reserve room.
_CANNOT_RESERVE = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class SpooledAnswer:
    """One attempt's answer in a folder: a body, further parts and a JSON note of metadata.

    The body is written to a temporary file, flushed to the disk and renamed, so that a file that
    exists is whole. Images fetched afterwards (`part`) follow the same rule; `finish` comes last
    and makes the answer complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def body_path(self) -> Path:
        return self.folder / "body"

    @property
    def is_complete(self) -> bool:
        return (self.folder / "note.json").exists()

    def reserve(self, size: int) -> None:
        """Take room on the disk for an answer of this size, before anything is sent.

        What is written afterwards uses the room up; `finish` and `release_room` give back the rest.

        :raises OSError: if the disk is full or cannot be written to; nothing is left behind then.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._room.open("wb") as file:
                _allocate(file.fileno(), size)
        except OSError:
            self.release_room()
            raise

    def release_room(self) -> None:
        """Give back the reserved room; an answer without any bytes leaves no folder either."""
        with suppress(OSError):
            self._room.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    @property
    def _room(self) -> Path:
        return self.folder / "room.partial"

    async def write(self, chunks: AsyncIterator[bytes], *, limit: int, part: str = "body") -> str:
        """Stream the chunks to the disk and return their SHA-256 in hex.

        :raises BadResponse: if more than `limit` bytes come.
        :raises AnswerNotKept: if the disk is full or fails.
        """
        digest, size, freed = hashlib.sha256(), 0, 0
        partial = self.folder / f"{part}.partial"
        with disk_errors():
            file = self._open(partial)
        try:
            with file:
                async for chunk in chunks:
                    size += len(chunk)
                    _require_size(size, limit=limit)
                    digest.update(chunk)
                    with disk_errors():
                        if size > freed:
                            freed += self._use_room(size - freed)
                        _write_all(file, chunk)
                    failpoint("answer.half_body")
                failpoint("spool.before_fsync")
                with disk_errors():
                    # In a thread, so that a slow disk does not block the other calls on this loop.
                    await asyncio.to_thread(os.fsync, file.fileno())
            with disk_errors():
                # The name is made durable by `finish`; until then nobody relies on the part.
                partial.rename(self.folder / part)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def _open(self, path: Path) -> FileIO:
        """Open a file of this answer; unbuffered, so that closing it meets no full disk again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            return path.open("wb", buffering=0)
        except FileNotFoundError:
            # A worker that was thought lost has just removed the empty folder.
            self.folder.mkdir(parents=True, exist_ok=True)
            return path.open("wb", buffering=0)

    def _use_room(self, size: int) -> int:
        """Shrink the reserved room by at least `size` bytes; return by how many."""
        size = max(size, _ROOM_STEP)
        try:
            left = self._room.stat().st_size
            if left:
                os.truncate(self._room, max(0, left - size))
        except FileNotFoundError:
            pass
        return size

    def finish(self, note: dict[str, Any]) -> None:
        """Declare the answer complete; the note holds small facts such as headers and names.

        :raises AnswerNotKept: if the disk is full or fails.
        """
        partial = self.folder / "note.partial"
        with disk_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            # The note may need the last of the room.
            self._room.unlink(missing_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                json.dump(note, file)
                file.flush()
                os.fsync(file.fileno())
            # The body's name first, in a step of its own: a note without its body would look
            # complete.
            self._sync_folder()
            partial.rename(self.folder / "note.json")
            self._sync_folder()
        failpoint("spool.after_rename")

    def metadata(self) -> dict[str, Any]:
        """Return the note of a complete answer."""
        loaded: dict[str, Any] = json.loads((self.folder / "note.json").read_text("utf-8"))
        return loaded

    def read(self, *, part: str = "body") -> bytes:
        """Return the bytes of one part."""
        return (self.folder / part).read_bytes()

    def parts(self) -> Iterable[str]:
        """Return the names of all whole parts but the note, sorted."""
        if not self.folder.exists():
            return []
        return sorted(
            p.name
            for p in self.folder.iterdir()
            if p.suffix != ".partial" and p.name != "note.json"
        )

    def discard(self) -> None:
        """Remove the answer; a missing one is no error."""
        if not self.folder.exists():
            return
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)
        self.folder.rmdir()

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Tell a full or failing disk from every other failure.

    :raises AnswerNotKept: if the work inside raises an `OSError`.
    """
    try:
        yield
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise AnswerNotKept(detail=f"the spool's disk: {name}") from error


def _allocate(file: int, size: int) -> None:
    if size <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise


def _require_size(size: int, *, limit: int) -> None:
    if size > limit:
        raise BadResponse(detail=f"answer larger than {limit} bytes")


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
