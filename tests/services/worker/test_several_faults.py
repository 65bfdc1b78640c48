"""Several things are out of order at once, or one after the other: money and answers are kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.core.states import WaitingReason
from imagegen_app.core.types import Cost
from imagegen_app.models import AuditEvent, BudgetPeriod, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import signing, spool, spool_room
from imagegen_app.services.gateways.spool_room import NoRoom
from imagegen_app.services.jobs import leases, provider_limits, transitions, waiting
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.worker import driver
from tests.services.worker.test_keys import with_source as with_source  # noqa: PLC0414
from tests.services.worker.test_lost_calls import lost
from tests.services.worker.test_storage_failures import request_edit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site


@use_case(audited=False)
def change(row: Any, **changes: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**changes)


def drive(job: Job, *, seconds: float = 0.5) -> Job:
    """Make the job due and take its next steps."""
    change(job, due_at=clock.now(), lease_until=None)
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


def begun(site: Site, **changes: Any) -> Job:
    """Return a job whose worker was killed before its call was marked as sent."""
    request_edit(site)
    (job,) = leases.claim(limit=1, owner="killed")
    transitions.start_attempt(job, digest=leases.digest_of(job))
    change(job, lease_until=None, **changes)
    return job


@pytest.fixture
def out_of_order(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    failing_storage: type[FailingStorage],
) -> str:
    """Put one thing of the site out of order."""

    def no_room(*_args: Any, **_kwargs: Any) -> None:
        raise NoRoom("0 MB free")

    def no_certificate() -> None:
        raise signing.CertificateUnusable("the certificate has expired")

    if request.param == "disk":
        monkeypatch.setattr(spool_room, "require_room", no_room)
    elif request.param == "certificate":
        monkeypatch.setattr(signing, "require_usable_identity", no_certificate)
    else:
        failing_storage.failing = {"open"}
    return str(request.param)


@pytest.mark.parametrize("out_of_order", ["disk", "certificate", "storage"], indirect=True)
@pytest.mark.parametrize("ending", ["cancelled", "overdue"])
def test_a_job_that_was_not_sent_ends_whatever_it_waits_for(
    jobs_site: Site, out_of_order: str, ending: str
) -> None:
    job = drive(begun(jobs_site))
    assert (job.state, job.waiting_for) == ("submitting", out_of_order)

    if ending == "cancelled":
        change(job, cancel_requested_at=clock.now())
    else:
        change(job, deadline_at=clock.now() - timedelta(seconds=1))
    job = drive(job)

    assert job.is_final, (job.state, job.waiting_for)
    assert BudgetPeriod.objects.get().reserved == BudgetPeriod.objects.get().spent == 0
    assert doctor.violated_invariants() == {}


@pytest.mark.parametrize("out_of_order", ["disk"], indirect=True)
def test_a_lost_call_becomes_uncertain_at_its_deadline_although_the_disk_is_full(
    jobs_site: Site, out_of_order: str
) -> None:
    job, _attempt = lost(jobs_site)
    job = drive(job)
    assert (job.state, job.waiting_for) == ("submitting", out_of_order)

    change(job, deadline_at=clock.now() - timedelta(seconds=1))
    job = drive(job)

    assert job.state == "uncertain"


@pytest.mark.parametrize("state", ["submitting", "awaiting"])
def test_a_call_that_was_sent_is_not_given_up_because_its_key_is_gone(
    jobs_site: Site, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    job, attempt = lost(jobs_site)
    if state == "awaiting":
        (held,) = leases.claim(limit=1, owner="a", only=job.pk)
        transitions.mark_accepted(held, attempt, ref="job-1", request_id="", poll_after=0)
    monkeypatch.delenv("SIMULATOR_KEY")

    job = drive(job)

    assert not job.is_final, (job.state, job.error_code)
    assert BudgetPeriod.objects.get().reserved == attempt.reserved_cost


def test_a_job_that_fails_over_waits_for_nothing(jobs_site: Site) -> None:
    job = jobs_site.request()
    (held,) = leases.claim(limit=1, owner="a")
    waiting.wait_for(held, WaitingReason.CREDENTIAL)
    change(job, due_at=clock.now())
    (held,) = leases.claim(limit=1, owner="a")
    transitions.fail_over(
        held,
        None,
        to=jobs_site.model,
        cost=Cost(amount=Decimal("0.02"), currency="USD"),
        fingerprint="0" * 64,
        error=ProviderUnavailable(),
    )

    job.refresh_from_db()
    assert (job.state, job.waiting_for, job.wait_count) == ("queued", "", 0)


def test_room_is_given_back_if_a_resent_call_must_wait(
    jobs_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, attempt = lost(jobs_site)

    def busy(provider: Any, **_kwargs: Any) -> None:
        raise provider_limits.CallDeferred(1.0, provider=provider.pk)

    monkeypatch.setattr(provider_limits, "acquire", busy)
    drive(job, seconds=2)

    assert not spool.answer_of(attempt).folder.exists()


def test_an_unreadable_key_keeps_the_jobs_of_its_provider_in_the_queue(
    with_source: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "ROUND", 4)
    site = with_source("raises")
    for number in range(12):
        site.request(prompt=f"A mug {number}")

    driver.drive(seconds=2)

    assert Job.objects.filter(state="queued").count() == 12
    assert 1 <= AuditEvent.objects.filter(type="job.postponed").count() <= 4
