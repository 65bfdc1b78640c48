"""Run provider calls on an event loop in a thread of its own; all database work stays outside.

The driver submits coroutines and takes results from a queue, so that one thread writes rows
while many calls wait for their providers.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a finished call or function, or the exception that it raised."""

    #: The caller's key for the work.
    tag: Any
    result: Any = None
    error: BaseException | None = None
    #: It came beside the work that was submitted, which still runs.
    is_extra: bool = False


class CallLoop:
    """An event loop for calls and a bounded thread pool for images, with one queue of results."""

    def __init__(self, *, byte_workers: int = 2) -> None:
        self._loop = asyncio.new_event_loop()
        # No SimpleQueue: if a signal's handler outlasts its time-out, it waits without end (3.11).
        self._done: queue.Queue[CallResult] = queue.Queue()
        self._pool = ThreadPoolExecutor(byte_workers, thread_name_prefix="imagegen-bytes")
        #: Work for the pool: rank, order of arrival, tag and function.
        self._waiting: queue.PriorityQueue[tuple[tuple[int, ...], int, Any, Callable[[], Any]]] = (
            queue.PriorityQueue()
        )
        self._arrivals = itertools.count()
        self._thread = threading.Thread(target=self._run, name="imagegen-calls", daemon=True)
        self._in_flight = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def in_flight(self) -> int:
        """How much submitted work has a result that was not taken yet."""
        return self._in_flight

    def submit_call(self, tag: Any, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine on the loop."""
        self._in_flight += 1
        asyncio.run_coroutine_threadsafe(self._report(tag, work), self._loop)

    def submit_work(self, tag: Any, work: Callable[[], Any], *, rank: tuple[int, ...] = ()) -> None:
        """Run a function on the pool, the lowest rank first."""
        self._in_flight += 1
        self._waiting.put((rank, next(self._arrivals), tag, work))
        self._pool.submit(self._compute_next)

    def report(self, tag: Any) -> None:
        """Tell the taker of results of something that came while a call runs; from any thread."""
        self._done.put(CallResult(tag, is_extra=True))

    def run_in_background(self, work: Callable[[], Any]) -> None:
        """Run a short function in a thread; its result is dropped, and only `__exit__` waits for it."""
        self._loop.call_soon_threadsafe(self._loop.run_in_executor, None, work)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a short coroutine on the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def next_result(self, *, wait: float) -> CallResult | None:
        """Return the next result, or None if none comes within `wait` seconds."""
        try:
            done = self._done.get(timeout=wait) if wait > 0 else self._done.get_nowait()
        except queue.Empty:
            return None
        if not done.is_extra:
            self._in_flight -= 1
        return done

    def next_results(self, *, wait: float, most: int) -> list[CallResult]:
        """Return up to `most` available results; empty if none comes within `wait` seconds."""
        results: list[CallResult] = []
        done = self.next_result(wait=wait)
        while done is not None:
            results.append(done)
            done = self.next_result(wait=0) if len(results) < most else None
        return results

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _report(self, tag: Any, work: Coroutine[Any, Any, Any]) -> None:
        try:
            self._done.put(CallResult(tag, result=await work))
        except BaseException as error:  # noqa: BLE001 - the driver handles every error
            self._done.put(CallResult(tag, error=error))

    def _compute_next(self) -> None:
        _rank, _arrival, tag, work = self._waiting.get_nowait()
        try:
            self._done.put(CallResult(tag, result=work()))
        except BaseException as error:  # noqa: BLE001 - the driver handles every error
            self._done.put(CallResult(tag, error=error))

    async def _end(self) -> None:
        tasks = [t for t in asyncio.all_tasks(self._loop) if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()
