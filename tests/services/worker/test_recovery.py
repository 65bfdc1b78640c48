"""The calls of a paused or killed worker are finished once and billed once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from imagegen_app import conf
from imagegen_app.core.actors import System
from imagegen_app.imaging.certificates import make_development_chain
from imagegen_app.models import Attempt, AuditEvent, Budget, BudgetPeriod, Job
from imagegen_app.services.foundation import clock, db_session
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, signing, spool
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.jobs import leases, transitions, unknown_outcomes
from imagegen_app.services.jobs.rebuilding import rebuild_request
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.policy import budget_refusals, model_catalog
from imagegen_app.services.worker import _decisions, _recovery, driver
from tests.services.conftest import Site

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.testing.simulator.process import SimulatorProcess


@use_case(audited=False)
def expire_lease(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=clock.now() - timedelta(seconds=1))


def paused_before_sending(site: Site) -> tuple[Job, Attempt]:
    """Return a job and its attempt, marked as sent by a worker that paused before sending."""
    site.request()
    (job,) = leases.claim(limit=1, owner="paused")
    attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
    transitions.mark_sent(job, attempt)
    expire_lease(job)
    return job, attempt


def test_a_paused_worker_that_sends_late_causes_no_second_bill(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    job, attempt = paused_before_sending(jobs_site)
    driver.drive(seconds=15)

    asyncio.run(send_late(job, attempt))

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert list(job.attempts.values_list("pk", "state")) == [(attempt.pk, "settled")]
    assert simulator.bill()["images"] == 1
    sent = AuditEvent.objects.filter(type="job.submitted", job_id=job.pk)
    assert sorted('"again":true' in event.body for event in sent) == [False, True]


async def send_late(job: Job, attempt: Attempt) -> None:
    """Send the call that the paused worker had prepared."""
    async with adapters.http_client() as http:
        request = await asyncio.to_thread(rebuild_request, job, attempt, {})
        adapter = await asyncio.to_thread(
            adapters.build_adapter, job.image_model.provider, http=http
        )
        await adapter.submit(request, answer=spool.answer_of(attempt))


def test_a_resent_call_that_is_rate_limited_keeps_its_idempotency_key(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    job, attempt = paused_before_sending(jobs_site)
    simulator.fail("status", status=429, retry_after=0.3, on="jobs", times=1)

    driver.drive(seconds=15)

    job.refresh_from_db()
    assert (job.state, job.attempts.get().pk) == ("succeeded", attempt.pk)
    assert simulator.bill()["images"] == 1


def test_a_cancelled_call_is_not_sent_again(jobs_site: Site, simulator: SimulatorProcess) -> None:
    job, _attempt = paused_before_sending(jobs_site)
    job_actions.cancel(actor=jobs_site.actor, job=job)

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert job.state == "cancelled"
    assert simulator.bill()["images"] == 0


def test_sending_again_at_risk_counts_against_the_persons_own_budget(
    site: Site,
) -> None:
    own = Budget(
        name="Own", scope="user", user=site.actor.user, period="month", limit=Decimal("0.03")
    )
    model_catalog.save(actor=System("test"), record=own)
    job, attempt = paused_before_sending(site)
    unknown_outcomes.mark_uncertain(job, attempt, look_again=None)

    with pytest.raises(budget_refusals.OverBudget):
        unknown_outcomes.requeue_at_risk(job, attempt, actor=WORKER_ACTOR)

    assert BudgetPeriod.objects.get(budget=own).reserved == Decimal("0.02")


def test_no_transaction_limit_is_set_inside_a_transaction(db: None) -> None:
    queries = {"postgresql": "SHOW idle_in_transaction_session_timeout", "sqlite": "SELECT 'none'"}
    # This test runs inside a transaction, so the session must stay as it is.
    db_session.limit_idle_transactions()
    with connection.cursor() as cursor:
        cursor.execute(queries.get(connection.vendor, "SELECT 'none'"))
        assert cursor.fetchone()[0] in {"0", "none"}


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_idle_transactions_end_after_the_lease_time() -> None:
    db_session.limit_idle_transactions()

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            assert cursor.fetchone()[0] == f"{conf.get().lease_seconds}s"


def test_the_connection_pool_is_larger_than_the_calls_in_flight(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAX_IN_FLIGHT": 500}

    assert adapters.http_client().limits.max_connections > 500


def test_threads_that_create_the_signing_identity_at_once_share_one(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "state"}
    all_started = Barrier(8)

    def slow_chain(organization: str) -> tuple[str, str]:
        # No thread continues before all have seen that no identity exists yet.
        all_started.wait(timeout=120)
        return make_development_chain(organization)

    monkeypatch.setattr(signing, "make_development_chain", slow_chain)
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(signing.development_identity, ["Shop"] * 8))

    assert len(set(identities)) == 1
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["development-signing.pem"]


def test_the_database_clock_is_read_once_a_second_and_never_runs_ahead(
    db: None, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(1):
        times = [clock.now() for _ in range(50)]

    assert times == sorted(times)
    for _ in range(300):
        estimated = clock.now()
        clock._last_reading = None
        assert estimated <= clock.now()


@pytest.mark.parametrize(
    ("is_free", "cost"), [(False, Decimal("0.02")), (True, Decimal(0))], ids=["billed", "free"]
)
def test_a_call_cancelled_at_the_provider_costs_what_the_provider_bills(
    jobs_site: Site, simulator: SimulatorProcess, is_free: bool, cost: Decimal
) -> None:
    simulator.script(job_seconds=30, free_cancel=is_free)
    job = jobs_site.request()
    driver.drive(seconds=0.5)
    job_actions.cancel(actor=jobs_site.actor, job=job)

    driver.drive(seconds=10)

    job.refresh_from_db()
    period = BudgetPeriod.objects.get()
    assert (job.state, job.actual_cost) == ("cancelled", cost)
    assert ("but it was billed" in job.error_message) is not is_free
    assert (period.spent, period.reserved) == (cost, 0)
    assert Decimal(simulator.bill()["images"]) * Decimal("0.02") == cost


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_failed_look_up_does_not_fail_the_call(
    jobs_site: Site, simulator: SimulatorProcess, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_recovery, "LOOKUP_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(_decisions, "retry_delay", lambda _tries, _error: 0.05)
    simulator.fail("disconnect", on="jobs")
    simulator.fail("status", on="lookup", status=status, times=2)
    job = jobs_site.request()

    driver.drive(seconds=20)

    job.refresh_from_db()
    assert (job.state, job.attempts.count()) == ("succeeded", 1)
    assert simulator.bill()["images"] == 1


def test_a_call_that_failed_at_the_provider_is_retried_and_not_polled_for_ever(
    jobs_site: Site, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_decisions, "retry_delay", lambda _tries, _error: 0.05)
    simulator.fail("job_failed", on="jobs", code="overloaded")
    job = jobs_site.request()

    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert [a.state for a in job.attempts.order_by("number")] == ["refused", "settled"]
