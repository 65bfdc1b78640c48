"""A job that waits for something of the site keeps its state, is told of once, and continues."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.foundation import clock, worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, transitions, waiting
from imagegen_app.services.jobs.leases import LeaseLost
from imagegen_app.services.monitoring import progress

if TYPE_CHECKING:
    from tests.services.conftest import Site


def claim(job: Job) -> Job:
    """Make a job due and claim it."""
    use_case(audited=False)(lambda: Job.objects.filter(pk=job.pk).update(due_at=clock.now()))()
    return leases.claim(limit=1, owner="a")[0]


def seconds_until_due(job: Job) -> float:
    assert job.due_at is not None
    return (job.due_at - clock.now()).total_seconds()


def data_of(kind: str) -> dict[str, Any]:
    """Return what the only event of a kind holds."""
    data: dict[str, Any] = json.loads(AuditEvent.objects.get(type=kind).body)["data"]
    return data


def test_waiting_keeps_the_state_and_costs_no_try(site: Site) -> None:
    worker_registry.record_heartbeat(name="a")
    job = claim(site.request())

    waiting.wait_for(job, WaitingReason.STORAGE, detail="EndpointConnectionError")

    job.refresh_from_db()
    assert (job.state, job.tries, job.expired_leases) == ("queued", 0, 0)
    assert job.waiting_for == "storage"
    assert job.lease_until is None
    assert seconds_until_due(job) > 0
    assert "the storage of the images does not work" in progress.job_progress(job).message
    told = {"waiting_for": "storage", "detail": "EndpointConnectionError"}
    assert data_of("job.postponed") == told


def test_waiting_again_for_the_same_reason_is_one_event_with_a_growing_delay(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    job, delays = site.request(), []

    for _ in range(8):
        job = claim(job)
        waiting.wait_for(job, WaitingReason.STORAGE)
        delays.append(round(seconds_until_due(job)))

    assert delays == [2, 4, 8, 16, 32, 60, 60, 60]
    assert AuditEvent.objects.filter(type="job.postponed").count() == 1


def test_another_reason_is_told_of_and_a_transition_ends_the_wait(site: Site) -> None:
    job = claim(site.request())
    waiting.wait_for(job, WaitingReason.STORAGE)
    job = claim(job)
    waiting.wait_for(job, WaitingReason.CERTIFICATE)
    job = claim(job)

    transitions.start_attempt(job, digest="0" * 64)

    job.refresh_from_db()
    assert (job.waiting_for, job.waiting_since, job.wait_count) == ("", None, 0)
    assert AuditEvent.objects.filter(type="job.postponed").count() == 2


def test_waiting_jobs_can_be_tried_at_once_by_hand(site: Site) -> None:
    job = claim(site.request())
    waiting.wait_for(job, WaitingReason.CERTIFICATE)

    tried = waiting.try_now(WaitingReason.CERTIFICATE, actor=System("test"))
    again = waiting.try_now(WaitingReason.CERTIFICATE, actor=System("test"))

    job.refresh_from_db()
    assert (tried, again) == (1, 0)
    assert seconds_until_due(job) <= 0
    assert data_of("job.tried_now") == {"waiting_for": "certificate", "count": 1}


def test_a_worker_that_lost_the_lease_lets_nothing_wait(site: Site) -> None:
    stale = claim(site.request())
    use_case(audited=False)(lambda: Job.objects.filter(pk=stale.pk).update(lease_until=None))()
    leases.claim(limit=1, owner="b")

    with pytest.raises(LeaseLost):
        waiting.wait_for(stale, WaitingReason.DISK)
