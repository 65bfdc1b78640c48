"""Ask AUTOMATIC1111's web UI how far one call is, while its answer is awaited.

`/sdapi/v1/progress` tells of whatever the server does just now, and may show the image of somebody
else. `/internal/progress` tells of one call by the id that it was given; it is there only where the
server shows its pages, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.provider_values import InvalidJson, clean_count, clean_number, load_json
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.providers.families import base64_text
from imagegen_app.providers.families.base64_text import NotBase64

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imagegen_app.providers.base import PreviewHook, ProgressHook
    from imagegen_app.providers.remote import Remote

PATH: Final = "/internal/progress"
#: Seconds before the first question, and between two.
FIRST_SECONDS: Final = 0.3
EVERY_SECONDS: Final = 1.0
#: Of an answer, which may hold an image.
MAX_BYTES: Final = 8 * 1024 * 1024
#: Questions in succession without an answer after which no more are asked.
MAX_FAILURES: Final = 3
#: What the server says where it does not have the route, or not for us.
_REFUSED: Final = frozenset({401, 403, 404, 405, 422})
_PLACE = re.compile(r"\b(\d{1,5})/\d{1,5}\b")
_MAX_WORDS: Final = 200


def task_of(key: str) -> str:
    """Return the id under which a call is made: of our own key, and not the key."""
    return f"task({hashlib.sha256(key.encode()).hexdigest()[:20]})"


@asynccontextmanager
async def watched(
    remote: Remote,
    task: str,
    *,
    on_progress: ProgressHook | None,
    on_preview: PreviewHook | None,
) -> AsyncIterator[None]:
    """Ask about a call while the block awaits its answer; not about one without an id."""
    if not task:
        yield
        return
    watcher = _Watcher(remote, task, on_progress=on_progress, on_preview=on_preview)
    asking = asyncio.create_task(watcher.ask_again_and_again())
    try:
        yield
    finally:
        # Some of what is awaited may take a cancellation for its own, and go on.
        watcher.is_over = True
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


class _Watcher:
    def __init__(
        self,
        remote: Remote,
        task: str,
        *,
        on_progress: ProgressHook | None,
        on_preview: PreviewHook | None,
    ) -> None:
        self._remote = remote
        self._task = task
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._last_preview = -1
        #: Whether the call has ended, so that nothing is asked or told any more.
        self.is_over = False

    async def ask_again_and_again(self) -> None:
        """Ask until the call has ended, or the server does not answer."""
        failures = 0
        await asyncio.sleep(FIRST_SECONDS)
        while failures < MAX_FAILURES:
            document = await self._ask()
            if document is None or self.is_over:
                return
            failures = 0 if document else failures + 1
            if document:
                await self._tell(document)
            await asyncio.sleep(EVERY_SECONDS)

    async def _ask(self) -> dict[str, Any] | None:
        """Return what the server tells; nothing if it fails, None if it never will tell."""
        question = {
            "id_task": self._task,
            "id_live_preview": self._last_preview,
            "live_preview": self._on_preview is not None,
        }
        try:
            reply = await self._remote.send("POST", PATH, document=question, limit=MAX_BYTES)
            if reply.status in _REFUSED:
                return None
            document = load_json(reply.body) if reply.ok else {}
        except (ProviderError, InvalidJson):
            return {}
        return document if isinstance(document, dict) else {}

    async def _tell(self, document: dict[str, Any]) -> None:
        # Of a call that the server does not know by our id, nothing is ours.
        if document.get("active") is True:
            share = clean_number(document.get("progress"), low=0.0, high=1.0)
            self._told(Submission(SubmissionStatus.RUNNING, stage="running", progress=share))
            await self._show(document)
        elif document.get("queued") is True:
            said = document.get("textinfo")
            found = _PLACE.search(said[:_MAX_WORDS]) if isinstance(said, str) else None
            # The places count from 1, behind the call that is worked on.
            position = int(found[1]) if found else None
            queued = Submission(SubmissionStatus.RUNNING, stage="queued", position=position)
            self._told(queued)

    def _told(self, submission: Submission) -> None:
        if self._on_progress is not None:
            self._on_progress(submission)

    async def _show(self, document: dict[str, Any]) -> None:
        text = document.get("live_preview")
        if self._on_preview is None or not isinstance(text, str) or not text:
            return
        number = clean_count(document.get("id_live_preview"), most=1 << 31)
        self._last_preview = self._last_preview if number is None else number
        try:
            image = await asyncio.to_thread(base64_text.decode, text)
        except NotBase64:
            return
        if image:
            self._on_preview(image)
