"""Decide by arithmetic alone: when a call may be made, and when a provider counts as broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: The longest that one answer of a provider may keep us quiet.
MAX_COOLDOWN_SECONDS: Final = 900.0
#: Quiet after refusals that name no time: doubles with each one in a row.
INITIAL_COOLDOWN_SECONDS: Final = 1.0
MAX_UNNAMED_COOLDOWN_SECONDS: Final = 120.0

WINDOW_SECONDS: Final = 60.0
#: A share of failures says something from so many calls on.
MIN_CALLS: Final = 10
FAILING_SHARE: Final = 0.5
MAX_CONSECUTIVE_FAILURES: Final = 5
INITIAL_OPEN_SECONDS: Final = 15
NEXT_OPEN_SECONDS: Final = 30
MAX_OPEN_SECONDS: Final = 300
#: Of a long outage, the share by which it may take longer for us than for the provider.
OPEN_SHARE: Final = 0.1
#: A probe whose end nobody saw is believed lost after so long.
PROBE_SECONDS: Final = 120
#: Calls at once from which on a closed breaker lets all through.
FULL_RAMP: Final = 16


def interval(calls_per_minute: int) -> timedelta:
    """Return the time between two calls at a steady pace."""
    return timedelta(seconds=60 / calls_per_minute)


def headroom(calls_per_minute: int, burst: int) -> timedelta:
    """Return how far calls may run ahead of the steady pace: room for one burst."""
    return interval(calls_per_minute) * (burst - 1)


def wait_seconds(next_at: datetime, *, now: datetime, ahead: timedelta) -> float:
    """Return the seconds until a call fits, by the theoretical arrival time (GCRA)."""
    return max(0.0, (next_at - ahead - now).total_seconds())


def cooldown_seconds(refusals: int, *, named: float | None) -> float:
    """Return how long a provider is left alone after it has refused a call for being too fast."""
    if named is not None:
        return min(max(named, 0.0), MAX_COOLDOWN_SECONDS)
    grown = INITIAL_COOLDOWN_SECONDS * 2.0 ** min(refusals, 10)
    return min(grown, MAX_UNNAMED_COOLDOWN_SECONDS)


@dataclass(frozen=True, slots=True)
class CallWindow:
    """The calls of one window."""

    calls: int
    failures: int
    consecutive_failures: int

    def failed(self) -> CallWindow:
        """Return the tally with one more failure."""
        return CallWindow(self.calls + 1, self.failures + 1, self.consecutive_failures + 1)

    @property
    def should_open(self) -> bool:
        """Whether it is no longer worth calling."""
        often = self.calls >= MIN_CALLS and self.failures >= FAILING_SHARE * self.calls
        return often or self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES


def open_seconds(outage: float | None) -> int:
    """Return how long a breaker opens: fifteen seconds at first; thirty, if the probe fails, too.

    After an outage of five minutes, a tenth of what it has lasted, up to five minutes.
    """
    if outage is None:
        return INITIAL_OPEN_SECONDS
    return min(max(NEXT_OPEN_SECONDS, int(outage * OPEN_SHARE)), MAX_OPEN_SECONDS)


def next_ramp(ramp: int) -> int:
    """Return how many calls at once follow a good one after a breaker has closed; 0 for all."""
    return 0 if ramp == 0 or 2 * ramp >= FULL_RAMP else 2 * ramp
