"""Store a provider's answer durably before its result is recorded."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import BadResponse
from imagegen_app.core.failpoints import failpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path


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

    async def write(self, chunks: AsyncIterator[bytes], *, limit: int, part: str = "body") -> str:
        """Stream the chunks to the disk and return their SHA-256 in hex.

        :raises BadResponse: if more than `limit` bytes come.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        partial = self.folder / f"{part}.partial"
        with partial.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    partial.unlink(missing_ok=True)
                    raise BadResponse(detail=f"answer larger than {limit} bytes")
                digest.update(chunk)
                file.write(chunk)
                failpoint("answer.half_body")
            file.flush()
            failpoint("spool.before_fsync")
            # In a thread, so that a slow disk does not block the other calls on this loop.
            await asyncio.to_thread(os.fsync, file.fileno())
        # The name itself is made durable by `finish`; until then nobody relies on the part.
        partial.rename(self.folder / part)
        return digest.hexdigest()

    def finish(self, note: dict[str, Any]) -> None:
        """Declare the answer complete; the note holds small facts such as headers and names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "note.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(note, file)
            file.flush()
            os.fsync(file.fileno())
        # The body's name first, in a step of its own: a note without its body would look complete.
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
