"""A worker whose lease was taken by another one writes nothing more for the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import F

from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.core.states import JobState, WaitingReason
from imagegen_app.models import Attempt, AuditEvent, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, state_machine, transitions, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.conftest import Site


@use_case(audited=False)
def claimed_by_another(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_token=F("lease_token") + 1, lease_owner="another")


@use_case(audited=False)
def require_lease(job: Job) -> None:
    state_machine.require_lease(job)


def fail(job: Job) -> None:
    transitions.fail(job, None, error=ProviderUnavailable())


def start_attempt(job: Job) -> None:
    transitions.start_attempt(job, digest=leases.digest_of(job))


def row(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = {**Job.objects.filter(pk=job.pk).values().get()}
    return found


@pytest.fixture
def late(site: Site) -> Job:
    """Return a job as a worker has it in hand whose lease is another's by now."""
    site.request()
    job = leases.claim(limit=1, owner="late")[0]
    claimed_by_another(job)
    return job


@pytest.mark.parametrize(
    "write",
    [
        fail,
        start_attempt,
        require_lease,
        lambda job: leases.postpone(job, seconds=5),
        lambda job: leases.update_leased_job(job, progress=0.5),
        lambda job: waiting.wait_for(job, WaitingReason.STORAGE),
        leases.mark_cancel_sent,
    ],
    ids=[
        "fail",
        "start an attempt",
        "require the lease",
        "postpone",
        "update",
        "wait",
        "cancel too late",
    ],
)
def test_a_late_write_is_refused_and_changes_nothing(
    late: Job, write: Callable[[Job], Any]
) -> None:
    before, events = row(late), AuditEvent.objects.count()

    with pytest.raises(leases.LeaseLost):
        write(late)

    assert row(late) == before
    assert AuditEvent.objects.count() == events
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    "write",
    [
        lambda job: leases.release([job], due_at=clock.now()),
        leases.park_unreleased_pass,
    ],
    ids=["release", "park"],
)
def test_a_late_release_changes_nothing(late: Job, write: Callable[[Job], Any]) -> None:
    before = row(late)

    write(late)

    assert row(late) == before


def test_a_write_in_time_is_accepted(site: Site) -> None:
    site.request()
    job = leases.claim(limit=1, owner="worker")[0]

    require_lease(job)
    fail(job)

    assert row(job)["state"] == JobState.FAILED.value
