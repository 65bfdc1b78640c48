"""Hosts that do not share their state folder: an answer is on one of them, and waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.states import WaitingReason
from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import spool
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.monitoring import progress, waiting_counts
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site


@use_case(audited=False)
def change(job: Job, **changes: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**changes)


@pytest.fixture
def on_host(settings: Any, tmp_path: Path) -> Callable[[str], None]:
    """Let this process be a host with a state folder of its own."""

    def become(name: str) -> None:
        settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": str(tmp_path / name)}

    return become


def drive(job: Job, seconds: float = 10) -> Job:
    """Make the job due, and take its steps."""
    change(job, due_at=clock.now(), lease_until=None)
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


@pytest.fixture
def answered(
    site: Site, on_host: Callable[[str], None], failing_storage: type[FailingStorage]
) -> Job:
    """A job whose answer is in the spool of host "a", where the storage did not work."""
    on_host("a")
    job = site.request()
    failing_storage.failing = {"*"}
    drive(job, seconds=0.3)
    failing_storage.failing = set()
    job.refresh_from_db()
    assert (job.state, job.waiting_for) == ("ingesting", "storage")
    return job


def test_another_host_leaves_an_answer_to_the_host_that_has_it(
    answered: Job, on_host: Callable[[str], None]
) -> None:
    on_host("b")
    drive(answered, seconds=0.3)
    waited = (answered.state, answered.waiting_for, answered.expired_leases)
    told = progress.job_progress(answered).message
    (waiting,) = waiting_counts.waiting_jobs()
    on_host("a")
    drive(answered)

    assert waited == ("ingesting", "other_host", 0)
    assert "another host" in told or "no worker" in told
    assert waiting.reason is WaitingReason.OTHER_HOST
    assert "stay charged" in waiting.remedy
    assert (answered.state, answered.attempts.count()) == ("succeeded", 1)


def test_a_host_to_which_the_folder_was_copied_goes_on(
    answered: Job, on_host: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "a" / "spool").rename(tmp_path / "copied")
    (tmp_path / "b").mkdir()
    (tmp_path / "copied").rename(tmp_path / "b" / "spool")

    on_host("b")
    drive(answered)

    assert answered.state == "succeeded"


def test_a_job_whose_host_is_lost_ends_when_it_is_cancelled(
    answered: Job, on_host: Callable[[str], None], site: Site
) -> None:
    on_host("b")
    drive(answered, seconds=0.3)
    job_actions.cancel(actor=site.actor, job=answered)
    drive(answered)

    assert (answered.state, answered.waiting_for) == ("failed", "")
    assert answered.actual_cost > 0


def test_a_job_whose_host_is_lost_ends_once_answers_are_kept_no_longer(
    answered: Job, on_host: Callable[[str], None]
) -> None:
    attempt = answered.attempts.get()
    long_ago = clock.now() - timedelta(days=31)
    use_case(audited=False)(type(attempt).objects.filter(pk=attempt.pk).update)(
        answered_at=long_ago
    )

    on_host("b")
    drive(answered)

    assert answered.state == "failed"


def test_each_state_folder_has_an_id_that_stays(on_host: Callable[[str], None]) -> None:
    on_host("a")
    first = spool.folder_id()
    on_host("b")
    second = spool.folder_id()
    spool._read_id.cache_clear()
    on_host("a")

    assert first != second
    assert len(first) == 32
    assert spool.folder_id() == first


def test_waiting_for_another_host_is_recorded_once(
    answered: Job, on_host: Callable[[str], None]
) -> None:
    on_host("b")
    for _ in range(3):
        drive(answered, seconds=0.3)

    events = AuditEvent.objects.filter(type="job.postponed", job_id=answered.pk)
    assert events.count() == 2
