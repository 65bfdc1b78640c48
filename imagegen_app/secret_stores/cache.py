"""Keep what a store answered for a while, and through a short outage of the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: For how long a value is used before the store is asked again.
FRESH_SECONDS: Final = 300.0
#: For how long a value is used while the store cannot be reached.
STALE_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str
    read_at: float


class ValueCache:
    """The values of this process by their source; safe to use from several threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._warned_at: dict[str, float] = {}
        self._lock = Lock()

    def fresh(self, source: str) -> str | None:
        """Return a value that needs no asking again."""
        return self._younger_than(FRESH_SECONDS, source)

    def through_outage(self, source: str) -> str | None:
        """Return a value that may be used since the store cannot be reached."""
        return self._younger_than(STALE_SECONDS, source)

    def _younger_than(self, seconds: float, source: str) -> str | None:
        with self._lock:
            kept = self._kept.get(source)
        return kept.value if kept is not None and self._clock() - kept.read_at <= seconds else None

    def keep(self, source: str, value: str) -> None:
        """Remember what the store answered just now."""
        with self._lock:
            self._kept[source] = _Kept(value, self._clock())
            self._warned_at.pop(source, None)

    def forget(self, source: str) -> None:
        """Ask the store anew the next time, and use nothing older."""
        with self._lock:
            self._kept.pop(source, None)

    def forget_all(self) -> None:
        """Ask all stores anew."""
        with self._lock:
            self._kept.clear()
            self._warned_at.clear()

    def must_warn(self, source: str) -> bool:
        """Tell whether the outage is to be told of, which is once in `FRESH_SECONDS`."""
        with self._lock:
            now, before = self._clock(), self._warned_at.get(source)
            if before is not None and now - before < FRESH_SECONDS:
                return False
            self._warned_at[source] = now
            return True
