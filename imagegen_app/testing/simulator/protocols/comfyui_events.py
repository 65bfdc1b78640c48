"""Tell over ComfyUI's websocket how far calls are, and show images on their way, as the server does."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from imagegen_app.testing.simulator import generation

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.testing.simulator.asgi import Socket
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.jobs import Job
    from imagegen_app.testing.simulator.state import State

_TICK_SECONDS = 0.05
_STEPS = 20
_NODE = "4"
_JPEG = 1
_OVERSIZE_BYTES = 9 * 1024 * 1024
_STRANGER = "ffffffff-0000-4000-8000-00000000000f"
_PREVIEW_METHODS = frozenset({"auto", "latent2rgb", "taesd"})
_GARBAGE: tuple[str | bytes, ...] = (
    "",
    "{",
    "[]",
    '"progress"',
    '{"type": "progress"}',
    '{"type": ["progress"], "data": {"prompt_id": {}, "value": "x"}}',
    "[" * 5000,
    b"",
    b"\x00",
    b"\x00\x00\x00\x01",
    b"\x00\x00\x00\x04\xff\xff\xff\xff{}",
    b"\x00\x00\x00\x04\x00\x00\x00\x02[]not an image",
    b"\x00\x00\x00\x63\x00\x00\x00\x01?",
)


class Listener:
    """One connection: the client that it names, and what it wants to know."""

    def __init__(self, socket: Socket, client: str, *, state: State) -> None:
        self._socket, self._client, self._state = socket, client, state
        self._has_features = False

    async def tell(self, under_way: Callable[[], list[Job]], *, fault: Fault | None) -> bool:
        """Tell of the calls until the other side goes; return whether the connection is to break."""
        waiting = len(under_way())
        status = {"status": {"exec_info": {"queue_remaining": waiting}}, "sid": self._client}
        await self._send("status", status)
        reading = asyncio.create_task(self._read())
        last: Job | None = None
        try:
            while not reading.done():
                running = next(iter(under_way()), None)
                is_over = last is not running and fault is None
                if is_over and last is not None and self._hears_of(last):
                    await self._send("executing", {"node": None, "prompt_id": last.id})
                last = running
                if running is not None and self._hears_of(running):
                    if fault is not None:
                        if await self._go_wrong(running, fault):
                            return True
                    else:
                        await self._tell_of(running)
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        return False

    async def _read(self) -> None:
        """Read until the other side goes; only its first message can ask for something."""
        is_first = True
        while (text := await self._socket.receive_text()) is not None:
            if is_first:
                said = json.loads(text)
                features = said.get("data", {}) if said.get("type") == "feature_flags" else {}
                self._has_features = features.get("supports_preview_metadata") is True
            is_first = False

    def _hears_of(self, job: Job) -> bool:
        # What names no client is told to everybody.
        return job.sent.get("client_id") in {None, self._client}

    async def _tell_of(self, job: Job, *, ref: str = "", share: float | None = None) -> None:
        ref = ref or job.id
        done = self._share(job) if share is None else share
        step = {"value": int(done * _STEPS), "max": _STEPS, "prompt_id": ref}
        await self._send("executing", {"node": _NODE, "display_node": _NODE, "prompt_id": ref})
        await self._send("progress", {**step, "node": _NODE})
        nodes = {_NODE: {**step, "state": "running", "node_id": _NODE}}
        await self._send("progress_state", {"prompt_id": ref, "nodes": nodes})
        if job.sent.get("extra_data", {}).get("preview_method") in _PREVIEW_METHODS:
            await self._show(generation.preview_image(done, mark=ref), ref=ref)

    async def _show(self, image: bytes, *, ref: str) -> None:
        if not self._has_features:
            await self._socket.send_bytes(_number(1) + _number(_JPEG) + image)
            return
        named = {"node_id": _NODE, "prompt_id": ref, "image_type": "image/jpeg"}
        document = json.dumps(named).encode()
        await self._socket.send_bytes(_number(4) + _number(len(document)) + document + image)

    async def _go_wrong(self, job: Job, fault: Fault) -> bool:
        """Do what is planned; return whether the connection breaks now."""
        if fault.kind == "disconnect":
            await self._tell_of(job)
            return True
        if fault.kind == "oversize_message":
            await self._socket.send_bytes(b"\x00\x00\x00\x01" + b"\x00" * _OVERSIZE_BYTES)
        elif fault.kind == "garbage_messages":
            for message in _GARBAGE:
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)
        elif fault.kind == "other_call":
            await self._tell_of(job, ref=_STRANGER, share=0.9)
            # A server that knows nothing of documents.
            await self._socket.send_bytes(_number(1) + _number(_JPEG) + generation.preview_image(1))
        return False

    def _share(self, job: Job) -> float:
        script = self._state.script
        seconds = script.latency if script.job_seconds is None else script.job_seconds
        elapsed = time.time() - job.created_at
        return min(0.99, elapsed / seconds) if seconds else 0.5

    async def _send(self, kind: str, data: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps({"type": kind, "data": data}))


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")
