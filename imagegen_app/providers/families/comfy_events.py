"""Listen at ComfyUI's websocket to what it tells and shows of one call of ours while it runs.

Nothing of it is needed: the queue and the history tell how a call ends. A server sends events of
calls that name no client to everybody, so that what does not name our call is never shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from imagegen_app.core.errors import ProviderError
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_values import InvalidJson, clean_number, load_json
from imagegen_app.core.types import Submission, SubmissionStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from imagegen_app.providers.base import PreviewHook, ProgressHook
    from imagegen_app.providers.http import WebSocket
    from imagegen_app.providers.remote import Remote

#: For so long one poll listens; a worker that is to stop waits for it.
LISTEN_SECONDS: Final = 5.0
#: After so much silence it is looked whether the call still runs, as if nobody listened.
QUIET_SECONDS: Final = 2.0
#: Between two tellings: some nodes tell a hundred times a second.
TELL_SECONDS: Final = 0.5
#: A server without a websocket for us is not asked again for so long.
DEAF_SECONDS: Final = 120.0
_MAX_DEAF: Final = 200
#: Asked for first of all, as it must be: previews that name their call.
_FEATURES: Final = '{"type": "feature_flags", "data": {"supports_preview_metadata": true}}'
_ENDS: Final = frozenset({"execution_success", "execution_error", "execution_interrupted"})
#: Binary messages by their first four bytes: an image behind its kind, or behind a document.
_IMAGE, _IMAGE_WITH_DOCUMENT = b"\x00\x00\x00\x01", b"\x00\x00\x00\x04"
_HEAD: Final = 8
_TENTHS: Final = 10
_deaf: dict[str, float] = {}


def client_of(ref: str) -> str:
    """Return the client that a call is made for, and listened for: nobody else knows it."""
    return hashlib.sha256(f"imagegen-client:{ref}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class Heard:
    """What was heard of a call, over all its polls."""

    #: How far it is, in tenths; previews are shown where this grows.
    tenth: int = -1
    #: Whether the server could be listened to at all.
    is_heard: bool = False


async def listen(
    remote: Remote,
    ref: str,
    *,
    client: str,
    tenth: int,
    is_running: Callable[[], Awaitable[bool]],
    on_progress: ProgressHook | None,
    on_preview: PreviewHook | None,
) -> Heard:
    """Listen for some seconds, or until the call ends; what fails only ends the listening.

    `tenth` is that of the listening before, and `is_running` looks whether the call still runs: it
    may have ended before anybody listened.
    """
    heard = Heard(tenth)
    now = remote.account.clock()
    if _deaf.get(remote.base, 0.0) > now:
        return heard
    listener = _Listener(ref, heard, on_progress=on_progress, on_preview=on_preview)
    path = f"/ws?{urlencode({'clientId': client})}"
    try:
        async with remote.websocket(path) as socket:
            heard.is_heard = True
            await socket.send_text(_FEATURES)
            if await is_running():
                async with asyncio.timeout(LISTEN_SECONDS):
                    await listener.take_all(socket, is_running=is_running)
    except (ProviderError, TimeoutError):
        if not heard.is_heard:
            if len(_deaf) >= _MAX_DEAF:
                _deaf.clear()
            _deaf[remote.base] = now + DEAF_SECONDS
    return heard


def forget() -> None:
    """Forget which servers could not be listened to."""
    _deaf.clear()


class _Listener:
    """Takes the messages about one call."""

    def __init__(
        self,
        ref: str,
        heard: Heard,
        *,
        on_progress: ProgressHook | None,
        on_preview: PreviewHook | None,
    ) -> None:
        self._ref, self._heard = ref, heard
        self._on_progress, self._on_preview = on_progress, on_preview
        #: Whether the last event that named a call named ours.
        self._is_ours = False
        self._share: float | None = None
        self._next_telling = 0.0
        # The first one needs no telling of how far the call is.
        self._shown = heard.tenth if heard.tenth >= 0 else -2

    async def take_all(
        self, socket: WebSocket, *, is_running: Callable[[], Awaitable[bool]]
    ) -> None:
        """Take messages until our call has ended.

        :raises ProviderError: if the connection ends before.
        """
        while True:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    message = await socket.receive()
            except TimeoutError:
                if not await is_running():
                    return
                continue
            if isinstance(message, bytes):
                self._show(message)
            elif self._take(message):
                return

    def _take(self, text: str) -> bool:
        """Take an event; return whether our call has ended."""
        try:
            event = load_json(text.encode())
        except InvalidJson:
            return False
        kind, named = value_at(event, "type"), value_at(event, "data.prompt_id")
        if not isinstance(named, str):
            return False
        self._is_ours = named == self._ref
        if not self._is_ours:
            return False
        data = value_at(event, "data")
        if kind == "progress":
            self._tell(_share(data))
        elif kind == "progress_state":
            self._tell(_share_of_nodes(value_at(data, "nodes")))
        return kind in _ENDS or (kind == "executing" and data.get("node", "") is None)

    def _tell(self, share: float | None) -> None:
        """Tell how far the call is, now and then, and never that it is less far than before."""
        if share is None or share < (self._share or 0.0):
            return
        self._share = share
        self._heard.tenth = max(self._heard.tenth, int(share * _TENTHS))
        now = time.monotonic()
        if self._on_progress is not None and now >= self._next_telling:
            self._next_telling = now + TELL_SECONDS
            told = Submission(SubmissionStatus.RUNNING, stage="running", progress=share)
            self._on_progress(told)

    def _show(self, message: bytes) -> None:
        image = self._image_of_ours(message)
        # A call shows ten at most: they are spread over all of it.
        if self._on_preview is None or not image or self._heard.tenth <= self._shown:
            return
        self._shown = self._heard.tenth
        self._on_preview(image)

    def _image_of_ours(self, message: bytes) -> bytes:
        """Return the image in a message; empty where it holds none of our call."""
        kind, size = message[:4], int.from_bytes(message[4:_HEAD], "big")
        if kind == _IMAGE:
            # It names no call: it is that of the call which runs.
            return message[_HEAD:] if self._is_ours else b""
        if kind != _IMAGE_WITH_DOCUMENT:
            return b""
        try:
            document = load_json(message[_HEAD : _HEAD + size])
        except InvalidJson:
            return b""
        named = value_at(document, "prompt_id")
        return message[_HEAD + size :] if named == self._ref else b""


def _share(data: Mapping[str, Any]) -> float | None:
    """Return how far a node is, if it tells more than that it runs."""
    most, done = (
        clean_number(value_at(data, name), low=0.0, high=1e9) for name in ("max", "value")
    )
    return None if most is None or done is None or most <= 1 else min(done / most, 1.0)


def _share_of_nodes(nodes: object) -> float | None:
    """Return how far the node is that runs; None where none tells it."""
    for node in nodes.values() if isinstance(nodes, dict) else ():
        if value_at(node, "state") == "running" and (share := _share(node)) is not None:
            return share
    return None
