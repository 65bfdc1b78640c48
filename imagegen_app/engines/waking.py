"""Have a worker wait until it is woken, or until it is time to look by itself."""

from __future__ import annotations

import heapq
import selectors
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: After a wake-up, others that follow within this time are heard together with the next one, so
#: that a flood of them costs at most fifty looks a second.
MIN_SECONDS_BETWEEN_LOOKS = 0.02


class Listener(Protocol):
    """Something that hears wake-ups."""

    def fileno(self) -> int | None:
        """Return the descriptor that is readable when a wake-up has arrived; None without one."""
        ...

    def drain(self) -> bool:
        """Read all wake-ups that arrived; return whether there were any."""
        ...

    def close(self) -> None:
        """Stop hearing."""
        ...


class Alarm:
    """Wait for a wake-up, for a task that was enqueued for later, or for the end of an interval."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        *,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._listeners, self._interval = listeners, interval
        self._clock, self._sleep = clock, sleep
        self._due: list[float] = []
        self._heard_at = -MIN_SECONDS_BETWEEN_LOOKS

    def set(self, seconds: float) -> None:
        """End a later wait in `seconds`, when a task that this process enqueued becomes due."""
        heapq.heappush(self._due, self._clock() + seconds)

    def wait(self) -> bool:
        """Wait; return whether a wake-up was heard. One that arrived before counts."""
        rest = self._heard_at + MIN_SECONDS_BETWEEN_LOOKS - self._clock()
        if rest > 0:
            self._sleep(rest)
        self._select(self._seconds())
        # All of them, so that one wake-up by two ways is one.
        heard = sum(listener.drain() for listener in self._listeners) > 0
        if heard:
            self._heard_at = self._clock()
        return heard

    def close(self) -> None:
        """Stop hearing."""
        for listener in self._listeners:
            listener.close()

    def _seconds(self) -> float:
        now = self._clock()
        wait = self._interval
        while self._due and self._due[0] <= now + wait:
            # The others are found after the next wait.
            wait = max(0.0, heapq.heappop(self._due) - now)
        return wait

    def _select(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                descriptor = listener.fileno()
                if descriptor is not None:
                    selector.register(descriptor, selectors.EVENT_READ)
            if selector.get_map():
                selector.select(seconds)
            elif seconds:
                self._sleep(seconds)
