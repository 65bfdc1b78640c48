"""Tell of the calls under way as AUTOMATIC1111's web UI does at `/internal/progress`."""

from __future__ import annotations

import base64
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagegen_app.testing.simulator import asgi

PATH = "/internal/progress"
_FIELDS: Mapping[str, type] = {"id_task": str, "id_live_preview": int, "live_preview": bool}
_INVALID = 422
#: Finished calls that it remembers.
_MAX_FINISHED = 16


class Tasks:
    """The calls that were begun under an id of the caller's; the first is worked on, others wait."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._finished: list[str] = []

    def reset(self) -> None:
        """Forget all calls."""
        self._begun.clear()
        self._finished.clear()

    @contextmanager
    def running(self, task: str) -> Iterator[None]:
        """Have a call under way while the block runs; one without an id is not told of."""
        if not task:
            yield
            return
        self._begun[task] = time.monotonic()
        try:
            yield
        finally:
            self._begun.pop(task, None)
            self._finished = [*self._finished, task][-_MAX_FINISHED:]

    def progress(self, call: asgi.Call, *, seconds: float) -> dict[str, Any]:
        """Return what is told of one call, which takes so many seconds in all.

        :raises Refused: if the question is not valid.
        """
        document = _read(call)
        task, waiting = document["id_task"], list(self._begun)
        if not waiting or task != waiting[0]:
            is_queued = task in waiting
            place = f"In queue: {waiting.index(task)}/{len(waiting) - 1}" if is_queued else ""
            return {
                "active": False,
                "queued": is_queued,
                "completed": task in self._finished,
                "progress": None,
                "eta": None,
                "live_preview": None,
                "id_live_preview": -1,
                "textinfo": place or "Waiting...",
            }
        elapsed = time.monotonic() - self._begun[task]
        share = min(0.99, elapsed / seconds) if seconds else 0.5
        step = int(share * 10)
        shows = document.get("live_preview", True) and document.get("id_live_preview", -1) != step
        return {
            "active": True,
            "queued": False,
            "completed": False,
            "progress": share,
            "eta": max(0.0, seconds - elapsed),
            "live_preview": _picture(share) if shows else None,
            "id_live_preview": step,
            "textinfo": None,
        }


def _read(call: asgi.Call) -> dict[str, Any]:
    try:
        document = call.json()
    except ValueError:
        raise Refused(_INVALID, "", "JSON decode error") from None
    for name, value in document.items():
        if not isinstance(value, _FIELDS.get(name, ())):
            raise Refused(_INVALID, "", "value is not valid", param=name)
    if "id_task" not in document:
        raise Refused(_INVALID, "", "field required", param="id_task")
    return document


def _picture(share: float) -> str:
    """Return an image on its way as the address of its data."""
    return "data:image/jpeg;base64," + base64.b64encode(generation.preview_image(share)).decode()
