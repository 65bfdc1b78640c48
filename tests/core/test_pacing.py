from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core import pacing

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@given(
    rate=st.integers(1, 6000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_window_has_more_calls_than_a_burst_and_the_rate(
    rate: int, burst: int, gaps: list[float]
) -> None:
    """Apply the algorithm as the database does, to calls at any times."""
    next_at, now = NOON - timedelta(days=1), NOON
    each, ahead = pacing.interval(rate), pacing.headroom(rate, burst)
    allowed: list[datetime] = []
    for gap in gaps:
        now += timedelta(seconds=gap)
        if pacing.wait_seconds(next_at, now=now, ahead=ahead) == 0:
            next_at = max(next_at, now) + each
            allowed.append(now)

    for first, start in enumerate(allowed):
        in_window = sum(1 for at in allowed[first:] if at - start < timedelta(seconds=1))
        assert in_window <= burst + 1 + rate / 60


def test_a_cooldown_is_as_long_as_named_and_doubles_if_none_is_named() -> None:
    assert pacing.cooldown_seconds(3, named=7.5) == 7.5
    assert pacing.cooldown_seconds(0, named=1e9) == pacing.MAX_COOLDOWN_SECONDS
    assert [pacing.cooldown_seconds(n, named=None) for n in (0, 1, 2, 99)] == [1, 2, 4, 120]


def test_a_breaker_opens_after_five_failures_or_half_of_ten_calls() -> None:
    assert pacing.CallWindow(4, 4, 4).failed().should_open
    assert pacing.CallWindow(9, 4, 0).failed().should_open
    assert not pacing.CallWindow(8, 3, 0).failed().should_open


def test_a_breaker_opens_longer_each_time_and_then_allows_more_and_more_calls() -> None:
    ramp, steps = 1, []
    longer = [pacing.open_seconds(outage) for outage in (None, 15, 299, 600, 3000, 9000)]
    while ramp:
        steps.append(ramp)
        ramp = pacing.next_ramp(ramp)

    assert longer == [15, 30, 30, 60, 300, 300]
    assert steps == [1, 2, 4, 8]


def test_a_breaker_probes_an_outage_of_five_minutes_ten_times() -> None:
    outage, probes = float(pacing.open_seconds(None)), 0
    while outage < 300:
        outage += pacing.open_seconds(outage)
        probes += 1

    assert probes == 10
