"""Make the calls that have texts written for the rows of tables, beside the jobs of a time slice.

Each call waits in a thread of its own for the text model, so that no job waits for it; rows are read and
written, and texts screened, in the driver's thread.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from imagegen_app.services.batches import row_texts
from imagegen_app.services.gateways import prompt_writing, screening
from imagegen_app.services.gateways.prompt_writing import Suggestion
from imagegen_app.services.gateways.text_services import ServiceText

if TYPE_CHECKING:
    from imagegen_app.services.batches.row_texts import TakenRow
    from imagegen_app.services.gateways.screening import UnsavedVerdict

logger = logging.getLogger("imagegen.driver")

#: Calls at once: a text model is no provider, and has one account.
MAX_CALLS: Final = 4


class RowTextCalls:
    """The calls that are under way in one time slice."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[Future[ServiceText], tuple[TakenRow, list[UnsavedVerdict]]] = {}

    @property
    def is_running(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._running)

    def start(self) -> int:
        """Start calls for rows that wait, as far as there is room; return how many."""
        free = MAX_CALLS - len(self._running)
        started = 0
        for taken in row_texts.take(limit=free) if free else ():
            try:
                self._start(taken)
            except Exception:
                # Perhaps of a screener of the site's own. Nothing was sent, so nothing is owed.
                logger.exception("The text of a row could not be asked for.")
                row_texts.keep_answer(taken=taken, before=(), found=Suggestion(ServiceText()))
            started += 1
        return started

    def finish(self) -> int:
        """Keep what has come; return how many calls ended."""
        done = [future for future in self._running if future.done()]
        for future in done:
            taken, before = self._running.pop(future)
            answer = ServiceText() if future.exception() else future.result()
            found = prompt_writing.screened(answer)
            row_texts.keep_answer(taken=taken, before=before, found=found)
        return len(done)

    def close(self) -> None:
        """Wait for the calls that are under way, and keep what they bring."""
        if self._running:
            wait(self._running)
            self.finish()
        if self._threads is not None:
            self._threads.shutdown()

    def _start(self, taken: TakenRow) -> None:
        column = taken.text.column
        sent = "\n".join([column.instruction, *taken.texts.values()])
        before = screening.screen_text(sent, part="prompt")
        if screening.is_blocked(before):
            # Nothing is sent to the text model.
            row_texts.keep_answer(taken=taken, before=before, found=Suggestion(ServiceText()))
            return
        call = prompt_writing.row_text_call(
            taken.texts,
            instruction=column.instruction,
            language=column.language,
            max_chars=column.max_chars,
        )
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_CALLS, "imagegen-row-texts")
        self._running[self._threads.submit(call)] = (taken, before)
