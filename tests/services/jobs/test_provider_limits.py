"""Calls keep to a provider's pace, stop while it fails, and go on with the model that stands in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import F

from imagegen_app.core.actors import System
from imagegen_app.core.errors import (
    AuthenticationFailed,
    ContentBlocked,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.models import (
    AuditEvent,
    BudgetPeriod,
    CircuitBreaker,
    LedgerEntry,
    Provider,
    RateLimitState,
)
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import breaker, leases, provider_limits, transitions
from imagegen_app.services.jobs.provider_limits import CallDeferred
from imagegen_app.services.monitoring import provider_status
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.services.worker import _outcomes, _provider_health, driver
from imagegen_app.services.worker._call_loop import CallResult
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_provider
from tests.services.conftest import Site, sent_at

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel, Job
    from imagegen_app.testing.simulator.process import SimulatorProcess


@use_case(audited=False)
def pace(site: Site, **changes: Any) -> None:
    provider = site.model.provider
    for name, value in changes.items():
        setattr(provider, name, value)
    provider.save()


def heard(job: Job, error: BaseException | None) -> None:
    """Say how a submit ended."""
    _provider_health.HealthMonitor().record_result(
        job, CallResult(job.pk, error=error), of_submit=True
    )


@use_case(audited=False)
def time_passes(seconds: float) -> None:
    """Move everything that waits back in time."""
    past = timedelta(seconds=seconds)
    RateLimitState.objects.update(
        next_call_at=F("next_call_at") - past, cooldown_until=F("cooldown_until") - past
    )
    CircuitBreaker.objects.filter(open_until__isnull=False).update(
        open_until=F("open_until") - past, opened_at=F("opened_at") - past
    )


def claimed(site: Site, count: int = 1) -> list[Job]:
    for _ in range(count):
        site.request()
    return leases.claim(limit=count, owner="test")


def begin(job: Job) -> None:
    transitions.mark_sent(job, transitions.start_attempt(job, digest="0" * 64))


def test_a_burst_goes_through_and_the_next_call_waits_for_its_time(site: Site) -> None:
    pace(site, calls_per_minute=60, burst=3, max_in_flight=50)
    first, second, third, fourth = claimed(site, 4)
    for job in (first, second, third):
        begin(job)

    with pytest.raises(CallDeferred) as refusal:
        begin(fourth)

    # One call a second, less what passed since the first.
    assert 0 < refusal.value.seconds <= 1.0
    fourth.refresh_from_db()
    assert (fourth.state, fourth.tries) == ("queued", 0)
    assert not fourth.attempts.exists()
    time_passes(1)
    begin(fourth)


def test_no_more_calls_at_once_than_the_provider_takes(site: Site) -> None:
    pace(site, max_in_flight=2)
    first, second, third = claimed(site, 3)
    begin(first)
    begin(second)

    with pytest.raises(CallDeferred):
        begin(third)

    transitions.cancel(first, leases.live_attempt(first), charge=None)
    begin(third)


def test_a_provider_that_asks_for_quiet_is_left_alone_by_all_and_probed_by_one(site: Site) -> None:
    one, two, three = claimed(site, 3)
    heard(one, RateLimited(retry_after=7))

    with pytest.raises(CallDeferred) as refusal:
        begin(one)
    assert refusal.value.seconds >= 6.9
    assert "limits the number of requests" in provider_status.waiting_reason(one)
    assert provider_status.provider_status(Provider.objects.get()) == "paused: rate limit reached"

    time_passes(7.1)
    begin(two)
    with pytest.raises(CallDeferred):
        begin(three)
    heard(two, None)
    begin(three)


def test_a_probe_that_is_about_to_be_sent_counts_as_one(site: Site) -> None:
    one, two, three = claimed(site, 3)
    heard(one, RateLimited(retry_after=7))
    time_passes(7.1)

    transitions.start_attempt(two, digest="0" * 64)

    with pytest.raises(CallDeferred):
        begin(three)


def test_quiet_without_a_time_doubles_until_a_call_is_answered(site: Site) -> None:
    provider = site.model.provider

    waits = [provider_limits.record_rate_limited(provider, named=None) for _ in range(3)]
    provider_limits.clear_refusals(provider)

    assert waits == [1, 2, 4]
    assert provider_limits.record_rate_limited(provider, named=None) == 1


def test_a_breaker_opens_lets_one_probe_through_and_heals_by_steps(site: Site) -> None:
    several = claimed(site, 4)
    for _ in range(5):
        heard(several[0], ProviderUnavailable())

    with pytest.raises(CallDeferred) as refusal:
        begin(several[0])
    assert (refusal.value.is_breaker_open, refusal.value.image_model) == (True, site.model.pk)
    assert "is unavailable" in provider_status.waiting_reason(several[0])
    assert (
        provider_status.provider_status(Provider.objects.get()) == "paused after repeated failures"
    )
    assert AuditEvent.objects.filter(type="provider.paused").count() == 1

    time_passes(16)
    begin(several[1])
    with pytest.raises(CallDeferred):
        begin(several[2])
    heard(several[1], None)
    assert AuditEvent.objects.filter(type="provider.resumed").count() == 1
    with pytest.raises(CallDeferred):
        begin(several[2])
    heard(several[1], None)
    begin(several[2])


def left_open() -> int:
    until = CircuitBreaker.objects.get().open_until
    assert until is not None
    return round((until - clock.now()).total_seconds())


def test_a_failed_probe_lengthens_the_pause(site: Site) -> None:
    (job,) = claimed(site)
    for _ in range(5):
        heard(job, ProviderUnavailable())
    heard(job, ProviderUnavailable())
    assert left_open() == 15

    time_passes(16)
    heard(job, ProviderUnavailable())

    assert left_open() == 30
    assert AuditEvent.objects.filter(type="provider.paused").count() == 1


def test_a_job_outlives_an_outage_in_which_it_was_the_probe_again_and_again(site: Site) -> None:
    (job,) = claimed(site)
    for _ in range(5):
        heard(job, ProviderUnavailable())
    for _ in range(8):
        time_passes(31)
        begin(job)
        heard(job, ProviderUnavailable())
        _outcomes.handle_error(job, leases.live_attempt(job), ProviderUnavailable())

    assert (job.state, job.tries) == ("queued", 0)


def test_a_probe_that_could_not_be_made_is_free_again(site: Site) -> None:
    job, other = claimed(site, 2)
    for _ in range(5):
        heard(job, ProviderUnavailable())
    time_passes(16)
    provider_limits.record_rate_limited(site.model.provider, named=5)

    with pytest.raises(CallDeferred):
        begin(job)
    time_passes(6)
    begin(other)


def test_refused_content_says_nothing_about_health_and_a_refused_key_closes_the_account(
    site: Site,
) -> None:
    (job,) = claimed(site)
    for _ in range(20):
        heard(job, ContentBlocked())
    assert breaker.open_until(job) is None

    heard(job, AuthenticationFailed())

    with pytest.raises(CallDeferred) as refusal:
        begin(job)
    assert refusal.value.image_model is None


def test_half_of_the_calls_failing_opens_a_breaker_though_some_succeed(site: Site) -> None:
    (job,) = claimed(site)
    for _ in range(6):
        heard(job, ProviderUnavailable())
        if breaker.open_until(job) is None:
            heard(job, None)

    assert breaker.open_until(job) is not None


def test_a_storm_of_refusals_loses_no_job_and_uses_up_no_tries(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("status", status=429, times=6, on="jobs", retry_after=0.2)
    several = [jobs_site.request() for _ in range(4)]

    driver.drive(seconds=20)

    for job in several:
        job.refresh_from_db()
    assert [job.state for job in several] == ["succeeded"] * 4
    assert {job.tries for job in several} == {1}
    assert simulator.bill()["images"] == 4
    # While it was refused, one call at a time found out whether it still was.
    assert simulator.calls()["POST /v1/jobs"] <= 4 + 6


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"},
        {"ratelimit": '"default";r=0;t=2'},
    ],
)
def test_a_provider_that_says_no_call_is_left_is_left_alone_for_as_long(
    jobs_site: Site, simulator: SimulatorProcess, headers: dict[str, str]
) -> None:
    pace(jobs_site, max_in_flight=1)
    simulator.script(headers=headers)
    several = [jobs_site.request() for _ in range(2)]

    driver.drive(seconds=20)

    sent = sorted(map(sent_at, several))
    assert all(job.attempts.get().state == "settled" for job in several)
    assert (sent[1] - sent[0]).total_seconds() >= 2


def test_a_limited_provider_serves_a_queue_at_its_pace(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    pace(jobs_site, calls_per_minute=300, burst=2, max_in_flight=50)
    several = [jobs_site.request() for _ in range(8)]
    began = clock.now()

    driver.drive(seconds=30)

    assert all(job.attempts.get().state == "settled" for job in several)
    # Two at once, then one each fifth of a second; a busy machine only makes it later.
    assert max(map(sent_at, several)) >= began + timedelta(seconds=6 / 5)


def stand_in(site: Site, *, granted: bool = True, price: str = "0.05") -> ImageModel:
    """Give the site's model a fallback model in the sandbox, at another price."""
    model = make_image_model(
        provider=make_provider(slug="spare"),
        slug="spare",
        provider_model_name="sandbox-1",
        price_list={"currency": "USD", "per_image": [{"amount": price}]},
    )
    if granted:
        make_grant(group=make_group("Image editors"), image_model=model)
    site.model.fallback = model
    model_catalog.save(actor=System("test"), record=site.model)
    return model


def test_a_model_that_is_gone_is_stood_in_for_at_the_other_price(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    other = stand_in(jobs_site)
    simulator.fail("status", status=404, on="jobs", times=None)
    job = jobs_site.request()
    before = job.fingerprint

    driver.drive(seconds=15)

    job.refresh_from_db()
    assert (job.state, job.image_model, job.actual_cost) == ("succeeded", other, Decimal("0.05"))
    assert job.fingerprint != before
    assert simulator.bill()["images"] == 0
    assert sorted(job.attempts.values_list("image_model", "state")) == sorted(
        [(jobs_site.model.pk, "refused"), (other.pk, "settled")]
    )
    event = AuditEvent.objects.get(type="job.failed_over")
    assert '"from":"' in event.body
    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, Decimal("0.05"))
    assert LedgerEntry.objects.filter(job=job, kind="reservation").count() == 2


def test_work_moves_on_as_soon_as_the_breaker_opens(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    other = stand_in(jobs_site)
    simulator.fail("status", status=503, on="jobs", times=None)
    several = [jobs_site.request() for _ in range(12)]

    driver.drive(seconds=30)

    for job in several:
        job.refresh_from_db()
    assert {(job.state, job.image_model_id) for job in several} == {("succeeded", other.pk)}
    assert simulator.bill()["images"] == 0


def test_nobody_is_handed_a_model_that_they_may_not_use_or_pay(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    other = stand_in(jobs_site, granted=False)
    simulator.fail("status", status=404, on="jobs", times=None)
    job = jobs_site.request()
    driver.drive(seconds=10)
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "not_found")

    make_grant(group=make_group("Image editors"), image_model=other)
    dear = replace_price(other, "99")
    job = jobs_site.request()
    driver.drive(seconds=10)
    job.refresh_from_db()
    assert (job.state, job.image_model == dear) == ("failed", False)
    assert BudgetPeriod.objects.get().reserved == 0


def replace_price(model: ImageModel, amount: str) -> ImageModel:
    model.price_list = {"currency": "USD", "per_image": [{"amount": amount}]}
    model_catalog.save(actor=System("test"), record=model)
    return model


def test_no_model_stands_in_for_itself(site: Site) -> None:
    site.model.fallback = site.model

    with pytest.raises(InvalidRecord):
        model_catalog.save(actor=System("test"), record=site.model)


def test_two_models_that_stand_in_for_each_other_end_somewhere(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    other = stand_in(jobs_site)
    other.fallback = jobs_site.model
    other.provider, other.provider_model_name = jobs_site.model.provider, "generic-2"
    model_catalog.save(actor=System("test"), record=other)
    simulator.fail("status", status=404, on="jobs", times=None)
    job = jobs_site.request()

    driver.drive(seconds=15)

    job.refresh_from_db()
    assert job.state == "failed"
    assert job.attempts.count() <= 4
