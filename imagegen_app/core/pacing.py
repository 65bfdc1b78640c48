"""Compute when a call may be made (rate limit) and when to stop calling (circuit breaker)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: The longest cooldown that one answer of a provider may ask for.
MAX_COOLDOWN_SECONDS: Final = 900.0
#: Cooldown after a refusal that names no time; it doubles with each consecutive refusal.
INITIAL_COOLDOWN_SECONDS: Final = 1.0
#: The longest cooldown after refusals that name no time.
MAX_UNNAMED_COOLDOWN_SECONDS: Final = 120.0

#: A circuit breaker counts the calls and failures of a window of this length.
WINDOW_SECONDS: Final = 60.0
#: The share of failures counts only in a window with at least this many calls.
MIN_CALLS: Final = 10
#: A breaker opens at this share of failures in its window.
FAILING_SHARE: Final = 0.5
#: A breaker opens at this many consecutive failures, however few calls the window has.
MAX_CONSECUTIVE_FAILURES: Final = 5
#: How long a breaker opens at first.
INITIAL_OPEN_SECONDS: Final = 15
#: How long it opens at least after a failed probe.
NEXT_OPEN_SECONDS: Final = 30
#: How long it opens at most.
MAX_OPEN_SECONDS: Final = 300
#: After a failed probe it opens for this share of the outage so far: our calls resume at most so
#: much later than the provider recovers.
OPEN_SHARE: Final = 0.1
#: A probe without a result for this time lets another one through: it may hang, or its worker was
#: killed.
PROBE_SECONDS: Final = 30
#: The longest time that a probe holds up another one, after many that had no result.
MAX_PROBE_SECONDS: Final = 300
#: A closed breaker ceases to limit concurrent calls when the limit reaches this number.
FULL_RAMP: Final = 16


def interval(calls_per_minute: int) -> timedelta:
    """Return the time between two calls at a steady rate."""
    return timedelta(seconds=60 / calls_per_minute)


def headroom(calls_per_minute: int, burst: int) -> timedelta:
    """Return how much earlier than at the steady rate a call may be made, so that bursts fit."""
    return interval(calls_per_minute) * (burst - 1)


def wait_seconds(next_at: datetime, *, now: datetime, ahead: timedelta) -> float:
    """Return the seconds until a call is allowed (generic cell rate algorithm, GCRA).

    `next_at` is the theoretical arrival time of the next call, `ahead` the result of `headroom`.
    """
    return max(0.0, (next_at - ahead - now).total_seconds())


def cooldown_seconds(refusals: int, *, named: float | None) -> float:
    """Return how long a provider gets no calls after it refused one because of its rate limit.

    `refusals` counts the consecutive refusals before this one; `named` is the time in seconds that
    the provider asked for, None where it named none.
    """
    if named is not None:
        return min(max(named, 0.0), MAX_COOLDOWN_SECONDS)
    doubled = INITIAL_COOLDOWN_SECONDS * 2.0 ** min(refusals, 10)
    return min(doubled, MAX_UNNAMED_COOLDOWN_SECONDS)


@dataclass(frozen=True, slots=True)
class CallWindow:
    """What a circuit breaker counted in one window."""

    calls: int
    failures: int
    consecutive_failures: int

    def failed(self) -> CallWindow:
        """Return the counts with one more failed call."""
        return CallWindow(self.calls + 1, self.failures + 1, self.consecutive_failures + 1)

    @property
    def should_open(self) -> bool:
        """Whether the breaker should open, so that calls stop."""
        fails_often = self.calls >= MIN_CALLS and self.failures >= FAILING_SHARE * self.calls
        return fails_often or self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES


def open_seconds(outage: float | None) -> int:
    """Return for how many seconds a breaker opens.

    `outage` is how long it has been open without a successful call, in seconds; None if it was
    closed. A closed breaker opens for 15 seconds. After a failed probe it opens for a tenth of the
    outage, but for at least 30 seconds and at most 5 minutes.
    """
    if outage is None:
        return INITIAL_OPEN_SECONDS
    return min(max(NEXT_OPEN_SECONDS, int(outage * OPEN_SHARE)), MAX_OPEN_SECONDS)


def probe_seconds(probing: float) -> float:
    """Return for how long a probe keeps others away, `probing` seconds after the first could start.

    The time doubles from probe to probe, so that a provider that swallows them all gets a few only.
    """
    return min(max(float(PROBE_SECONDS), probing), float(MAX_PROBE_SECONDS))


def next_ramp(ramp: int) -> int:
    """Return how many concurrent calls a breaker allows next after a success; 0 means no limit.

    `ramp` is the present limit. It doubles with each success after the breaker has closed, so that
    a provider that has just recovered is not flooded.
    """
    return 0 if ramp == 0 or 2 * ramp >= FULL_RAMP else 2 * ramp
