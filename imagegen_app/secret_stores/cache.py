"""Keep what a store answered for a while, and through a short outage of the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: For how long a value is used before the store is asked again, unless the settings say otherwise.
FRESH_SECONDS: Final = 300.0
#: For how long a value is used while the store cannot be reached, likewise.
STALE_SECONDS: Final = 3600.0
#: For how long a store that failed is not asked again while there is a value to be used: each time
#: costs seconds where it hangs.
PAUSE_SECONDS: Final = 30.0
#: The same where there is none, and jobs wait for it.
PAUSE_WITHOUT_VALUE_SECONDS: Final = 5.0
#: How often an outage is told of while it lasts.
WARNING_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str
    read_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    failed_at: float


class ValueCache:
    """The values of this process by their source; safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fresh_seconds = FRESH_SECONDS
        self._stale_seconds = STALE_SECONDS
        self._kept: dict[str, _Kept] = {}
        self._failures: dict[str, _Failure] = {}
        self._warned_at: dict[str, float] = {}
        self._lock = Lock()

    def configure(self, *, fresh_seconds: float, stale_seconds: float) -> None:
        """Use values for as long as the settings say."""
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds

    def fresh(self, source: str) -> str | None:
        """Return a value that needs no asking again."""
        return self._younger_than(self._fresh_seconds, source)

    def through_outage(self, source: str) -> str | None:
        """Return a value that may be used since the store cannot be reached."""
        return self._younger_than(self._stale_seconds, source)

    def _younger_than(self, seconds: float, source: str) -> str | None:
        with self._lock:
            kept = self._kept.get(source)
        return kept.value if kept is not None and self._clock() - kept.read_at <= seconds else None

    def keep(self, source: str, value: str) -> None:
        """Remember what the store answered just now."""
        with self._lock:
            self._kept[source] = _Kept(value, self._clock())
            self._failures.pop(source, None)

    def note_failure(self, source: str, reason: str) -> None:
        """Remember that the store could not be reached just now, and why, in words of ours."""
        with self._lock:
            self._failures[source] = _Failure(reason, self._clock())

    def recent_failure(self, source: str) -> str | None:
        """Return why the store could not be reached, if that is too new to ask it again."""
        has_value = self.through_outage(source) is not None
        pause = PAUSE_SECONDS if has_value else PAUSE_WITHOUT_VALUE_SECONDS
        with self._lock:
            failure = self._failures.get(source)
        if failure is None or self._clock() - failure.failed_at >= pause:
            return None
        return failure.reason

    def forget(self, source: str) -> None:
        """Ask the store anew the next time, and use nothing older."""
        with self._lock:
            self._kept.pop(source, None)

    def forget_all(self) -> None:
        """Ask all stores anew."""
        with self._lock:
            self._kept.clear()
            self._failures.clear()
            self._warned_at.clear()

    def must_warn(self, source: str) -> bool:
        """Tell whether the outage is to be told of: at its beginning, and seldom while it lasts."""
        with self._lock:
            now, before = self._clock(), self._warned_at.get(source)
            if before is not None and now - before < WARNING_SECONDS:
                return False
            self._warned_at[source] = now
            return True

    def end_outage(self, source: str) -> bool:
        """Note that the store answers, and tell whether that ends an outage that was told of."""
        with self._lock:
            self._failures.pop(source, None)
            return self._warned_at.pop(source, None) is not None
