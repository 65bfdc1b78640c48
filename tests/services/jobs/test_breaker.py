"""One call that hangs while it probes a provider holds up its other jobs for a short time only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from imagegen_app.core import pacing
from imagegen_app.core.errors import (
    AuthenticationFailed,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.models import Attempt, CircuitBreaker, Job, RateLimitState
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import breaker, leases, transitions
from imagegen_app.services.jobs.provider_limits import CallDeferred
from imagegen_app.services.worker._provider_pauses import PausedProviders
from imagegen_app.testing.factories import make_grant, make_image_model
from tests.services.conftest import Site
from tests.services.jobs.test_provider_limits import begin, claimed, heard


@use_case(audited=False)
def time_passes(seconds: float) -> None:
    """Move everything that was begun or waits back in time."""
    past = timedelta(seconds=seconds)
    CircuitBreaker.objects.update(
        open_until=F("open_until") - past,
        opened_at=F("opened_at") - past,
        probe_until=F("probe_until") - past,
        window_started_at=F("window_started_at") - past,
    )
    RateLimitState.objects.update(
        next_call_at=F("next_call_at") - past, cooldown_until=F("cooldown_until") - past
    )
    Attempt.objects.update(sent_at=F("sent_at") - past, created_at=F("created_at") - past)


def may_begin(job: Job) -> bool:
    try:
        begin(job)
    except CallDeferred:
        return False
    return True


def opened(job: Job, error: ProviderError | None = None) -> None:
    """Let a job's breaker open, and the time until its first probe pass."""
    for _ in range(5):
        heard(job, error or ProviderUnavailable())
    time_passes(16)


def ended(job: Job) -> None:
    transitions.cancel(job, leases.live_attempt(job), charge=None)


def test_a_probe_that_hangs_gives_way_to_another_one(site: Site) -> None:
    first, hanging, second, third = claimed(site, 4)
    opened(first)
    assert may_begin(hanging)
    assert not may_begin(second)

    time_passes(31)

    assert may_begin(second)
    assert not may_begin(third)


def test_a_hanging_probe_does_not_hold_up_the_calls_after_the_provider_is_back(site: Site) -> None:
    first, hanging, second, third = claimed(site, 4)
    opened(first)
    begin(hanging)
    time_passes(31)
    begin(second)
    heard(second, None)
    ended(second)

    assert may_begin(third)


def test_a_provider_that_swallows_all_probes_gets_a_few_of_them_only(site: Site) -> None:
    first, *others = claimed(site, 40)
    opened(first)
    waiting = list(others)
    seconds = 0

    while seconds < 900:
        if may_begin(waiting[-1]):
            waiting.pop()
        time_passes(15)
        seconds += 15

    assert 3 <= len(others) - len(waiting) <= 7


@pytest.mark.parametrize(
    ("error", "is_closed"),
    [
        (ContentBlocked(), True),
        (InvalidRequest(), True),
        (NotFound(), False),
        (RateLimited(retry_after=0.001), False),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_a_probe_that_is_answered_frees_the_way_at_once(
    site: Site, error: ProviderError, is_closed: bool
) -> None:
    first, probe, other = claimed(site, 3)
    opened(first)
    begin(probe)
    heard(probe, error)
    ended(probe)
    time_passes(1)

    assert (CircuitBreaker.objects.get().open_until is None) is is_closed
    assert may_begin(other)


def test_a_late_verdict_of_an_earlier_call_does_not_close_an_open_breaker(site: Site) -> None:
    (first,) = claimed(site)
    for _ in range(5):
        heard(first, OutcomeUnknown())

    heard(first, ContentBlocked())

    assert breaker.open_until(first) is not None


def test_a_hanging_call_after_a_rate_limit_gives_way_to_another_one(site: Site) -> None:
    first, hanging, second, third = claimed(site, 4)
    heard(first, RateLimited(retry_after=1))
    time_passes(2)
    assert may_begin(hanging)
    assert not may_begin(second)

    time_passes(31)

    assert may_begin(second)
    assert not may_begin(third)


def other_model(site: Site, name: str) -> Job:
    model = make_image_model(provider=site.model.provider, provider_model_name=name)
    make_grant(group=site.actor.user.groups.get(), image_model=model)
    site.request(model=model)
    (job,) = leases.claim(limit=1, owner="test")
    return job


def test_other_models_go_on_unless_the_key_is_refused(site: Site) -> None:
    (first,) = claimed(site)
    opened(first)
    assert may_begin(other_model(site, "second"))

    opened(first, AuthenticationFailed())
    begin(other_model(site, "third"))

    assert not may_begin(other_model(site, "fourth"))


@use_case(audited=False)
def rename_operation(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(operation="vary")


def test_one_operation_that_fails_does_not_pause_the_others_of_the_model(site: Site) -> None:
    first, second = claimed(site, 2)
    for _ in range(5):
        heard(first, ProviderUnavailable())
    with pytest.raises(CallDeferred) as refusal:
        begin(first)
    second.operation = "vary"
    pauses = PausedProviders(max_claims=4)
    first.state = second.state = "queued"

    pauses.pause(refusal.value)

    now = clock.now()
    assert (pauses.is_paused(first, now=now), pauses.is_paused(second, now=now)) == (True, False)
    excluded = pauses.excluded_jobs(now=now)
    assert excluded is not None
    rename_operation(second)
    assert list(Job.objects.filter(excluded)) == [first]


def test_failures_before_a_success_in_a_later_window_are_forgotten(site: Site) -> None:
    (job,) = claimed(site)
    for _ in range(4):
        heard(job, ProviderUnavailable())
    time_passes(pacing.WINDOW_SECONDS + 1)

    heard(job, None)

    row = CircuitBreaker.objects.get()
    assert (row.calls, row.failures, row.consecutive_failures) == (0, 0, 0)
    for _ in range(4):
        heard(job, ProviderUnavailable())
    assert breaker.open_until(job) is None


def test_failures_in_succession_open_a_breaker_however_far_apart(site: Site) -> None:
    (job,) = claimed(site)

    for _ in range(4):
        heard(job, ProviderUnavailable())
        time_passes(pacing.WINDOW_SECONDS + 1)
    assert breaker.open_until(job) is None
    heard(job, ProviderUnavailable())

    assert breaker.open_until(job) is not None


def test_a_success_counts_only_after_failures(site: Site) -> None:
    (job,) = claimed(site)
    assert not breaker.record_success(job)
    heard(job, ProviderUnavailable())
    assert breaker.record_success(job)
    time_passes(pacing.WINDOW_SECONDS + 1)

    assert breaker.record_success(job)

    assert not breaker.record_success(job)
