"""Make the calls that describe images which exist already, beside the jobs of a time slice.

Each call waits in a thread of its own for the captioner, so that no job waits for it; rows are read and
written in the driver's thread.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from imagegen_app.services.gateways import captioning
from imagegen_app.services.gateways.captioning import NO_SUGGESTION, Suggestion
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.library import alt_text_suggestions
from imagegen_app.services.worker import _captions

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.models import TextCall

#: Calls at once: a captioner is no provider, and has one account.
MAX_CALLS: Final = 4


class DescriptionCalls:
    """The calls that are under way in one time slice."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[Future[Suggestion], TextCall] = {}

    @property
    def is_running(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._running)

    def start(self) -> int:
        """Start calls that wait, as far as there is room; return how many."""
        free = MAX_CALLS - len(self._running)
        claimed = text_calls.claim(limit=free) if free else []
        for call in claimed:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(MAX_CALLS, "imagegen-descriptions")
            self._running[self._threads.submit(_call_of(call))] = call
        return len(claimed)

    def finish(self) -> int:
        """Keep what has come; return how many calls ended."""
        done = [future for future in self._running if future.done()]
        for future in done:
            call = self._running.pop(future)
            found = NO_SUGGESTION if future.exception() else captioning.screened(future.result())
            alt_text_suggestions.keep_suggestion(actor=WORKER_ACTOR, call=call, found=found)
        return len(done)

    def close(self) -> None:
        """Wait for the calls that are under way, and keep what they bring."""
        if self._running:
            wait(self._running)
            self.finish()
        if self._threads is not None:
            self._threads.shutdown()


def _call_of(call: TextCall) -> Callable[[], Suggestion]:
    """Return a call that needs no database any more."""
    asset = call.asset
    if asset is None or asset.hard_category:
        return lambda: NO_SUGGESTION
    files = [
        _captions.SentFile(one.storage_key, f"image/{one.format}", one.width)
        for one in asset.renditions.all()
    ]
    files.append(_captions.SentFile(asset.storage_key, asset.media_type, asset.width))
    data = _captions.data_to_send(files)
    if not data:
        return lambda: NO_SUGGESTION
    return captioning.description_call(data, purpose=asset.job.prompt, language=call.language)
