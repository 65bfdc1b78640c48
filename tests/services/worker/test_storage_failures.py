"""A storage that fails delays jobs: it ends none of them, and nothing is paid for twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models.signals import post_save

from imagegen_app.core.types import Operation
from imagegen_app.models import Asset, AuditEvent, BudgetPeriod, Job
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import spool, storage
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.jobs import leases, transitions, waiting
from imagegen_app.services.monitoring import progress
from imagegen_app.services.worker import _storage_failures, driver
from imagegen_app.testing.factories import make_image
from tests.failing_storage import FailingStorage

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site

STORAGE_MESSAGE = "the storage of the images does not work"


class CountingScreener:
    """Allows everything, and counts how often it was asked."""

    asked = 0

    def screen_text(self, _text: str) -> ScreenerDecision:
        """Allow it."""
        return PASSED

    def screen_image(self, _data: bytes, *, media_type: str) -> ScreenerDecision:
        """Allow it."""
        type(self).asked += bool(media_type)
        return PASSED


@use_case(audited=False)
def change(job: Job, **changes: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**changes)


def drive(job: Job) -> Job:
    """Make the job due, and drive until nothing is; not until it is due again, if it must wait."""
    change(job, due_at=clock.now())
    driver.drive(seconds=0.3 if FailingStorage.failing else 10)
    job.refresh_from_db()
    return job


def request_edit(site: Site) -> Job:
    """Request a job with an input image."""
    source = InputSource(data=make_image(size=(64, 64)))
    return site.request(operation=Operation.EDIT, inputs=[source])


def test_a_paid_answer_waits_for_the_storage_and_is_stored_later(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    job = site.request()
    failing_storage.failing = {"*"}

    for _ in range(4):
        job = drive(job)
    message = progress.job_progress(job).message
    waited = (job.state, job.waiting_for, job.expired_leases, job.attempts.count())
    failing_storage.failing = set()
    job = drive(job)

    assert waited == ("ingesting", "storage", 0, 1)
    assert STORAGE_MESSAGE in message or "no worker" in message
    assert (job.state, job.waiting_for, job.tries) == ("succeeded", "", 1)
    assert AuditEvent.objects.filter(type="job.postponed", job_id=job.pk).count() == 1
    assert BudgetPeriod.objects.get().spent == job.actual_cost > 0


@pytest.mark.parametrize("call", ["exists", "save", "size", "open", "read"])
def test_an_error_at_any_call_of_the_storage_only_delays(
    site: Site, failing_storage: type[FailingStorage], call: str
) -> None:
    job = request_edit(site)
    failing_storage.failing = {call}

    job = drive(job)
    waited = job.waiting_for
    failing_storage.failing = set()
    job = drive(job)

    assert waited == "storage"
    assert (job.state, job.attempts.count()) == ("succeeded", 1)


def test_a_job_whose_input_cannot_be_read_waits_before_anything_is_sent(
    jobs_site: Site, failing_storage: type[FailingStorage], simulator: SimulatorProcess
) -> None:
    job = request_edit(jobs_site)
    failing_storage.failing = {"read"}

    for _ in range(4):
        job = drive(job)
    waited = (job.state, job.waiting_for, job.tries, job.attempts.count())
    billed = simulator.bill()["images"]
    failing_storage.failing = set()
    job = drive(job)

    assert (waited, billed) == (("queued", "storage", 0, 0), 0)
    assert (job.state, job.waiting_for) == ("succeeded", "")
    assert simulator.bill()["images"] == 1


def test_a_call_under_way_is_not_told_of_as_waiting(
    jobs_site: Site, failing_storage: type[FailingStorage]
) -> None:
    job = request_edit(jobs_site)
    (job,) = leases.claim(limit=1, owner="a")
    transitions.start_attempt(job, digest="0" * 64)
    change(job, waiting_for="storage", lease_until=None)

    job = drive(job)

    assert (job.state, job.waiting_for) == ("awaiting", "") or job.state == "succeeded"


def test_the_deadline_ends_the_wait_with_the_true_reason_and_at_no_cost(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    job = request_edit(site)
    (job,) = leases.claim(limit=1, owner="a")
    transitions.start_attempt(job, digest="0" * 64)
    change(job, deadline_at=clock.now() - timedelta(seconds=1), lease_until=None)
    failing_storage.failing = {"open"}

    job = drive(job)

    assert (job.state, job.error_code) == ("failed", "inputs_unreadable")
    assert BudgetPeriod.objects.get().spent == BudgetPeriod.objects.get().reserved == 0


def test_the_deadline_ends_a_paid_job_with_the_true_reason_and_its_answer_is_kept(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    job = site.request()
    failing_storage.failing = {"save"}
    job = drive(job)
    change(job, deadline_at=clock.now() - timedelta(seconds=1))

    job = drive(job)

    attempt = job.attempts.get()
    assert (job.state, job.error_code) == ("failed", "images_not_stored")
    assert job.error_message == "The storage did not take the images before the job's deadline."
    assert BudgetPeriod.objects.get().spent == attempt.reserved_cost > 0
    assert spool.answer_of(attempt).is_complete


def test_a_missing_input_ends_the_job_at_once_with_nothing_spent(
    jobs_site: Site, failing_storage: type[FailingStorage], simulator: SimulatorProcess
) -> None:
    job = request_edit(jobs_site)
    storage.image_storage().delete(job.inputs.get().storage_key)

    job = drive(job)

    assert (job.state, job.error_code) == ("failed", "input_missing")
    assert "Choose the image again" in job.error_remedy
    assert simulator.bill()["images"] == 0
    assert BudgetPeriod.objects.get().reserved == 0


def test_paid_images_are_kept_if_their_input_disappeared_after_the_call(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    job = request_edit(site)
    failing_storage.failing = {"save"}
    job = drive(job)
    failing_storage.failing = set()
    storage.image_storage().delete(job.inputs.get().storage_key)

    job = drive(job)

    assert (job.state, job.assets.count()) == ("succeeded", 1)


def test_paid_images_are_kept_if_the_asset_they_were_made_from_disappeared(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    parent = drive(site.request()).assets.get()
    source = InputSource(asset=parent)
    job = site.request(operation=Operation.EDIT, inputs=[source])
    failing_storage.failing = {"save"}
    job = drive(job)
    assert (job.state, job.waiting_for) == ("ingesting", "storage")
    failing_storage.failing = set()
    storage.image_storage().delete(parent.storage_key)

    job = drive(job)

    assert (job.state, job.waiting_for, job.assets.count()) == ("succeeded", "", 1)


def test_an_answer_that_waits_for_its_time_stamp_is_read_ever_more_rarely(
    site: Site, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "C2PA": {"TSA_URL": "http://127.0.0.1:9/"}}
    job = drive(site.request())
    assert (job.state, job.waiting_for) == ("ingesting", "time_stamp")
    use_case(audited=False)(lambda: type(job).objects.filter(pk=job.pk).update(wait_count=10))()

    job = drive(job)

    assert (job.state, job.waiting_for) == ("ingesting", "time_stamp")
    assert job.due_at is not None
    assert (job.due_at - clock.now()).total_seconds() > 60
    assert AuditEvent.objects.filter(type="job.postponed", job_id=job.pk).count() == 1


def test_screeners_are_not_paid_again_while_the_storage_fails(
    site: Site, failing_storage: type[FailingStorage], settings: Any
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [
            {
                "NAME": "counting",
                "BACKEND": "tests.services.worker.test_storage_failures.CountingScreener",
                "STAGES": ["output"],
            }
        ],
    }
    CountingScreener.asked = 0
    job = site.request()
    failing_storage.failing = {"save"}

    for _ in range(4):
        job = drive(job)

    assert (job.waiting_for, CountingScreener.asked) == ("storage", 1)


def test_a_storage_that_takes_long_keeps_no_other_job_waiting(
    site: Site, failing_storage: type[FailingStorage]
) -> None:
    edit, other = request_edit(site), site.request()
    done = threading.Event()
    in_time: list[bool] = []

    def hold(call: str) -> None:
        if call == "read" and not in_time:
            in_time.append(done.wait(timeout=120))

    def on_asset(**_kwargs: Any) -> None:
        done.set()

    post_save.connect(on_asset, sender=Asset)
    failing_storage.hold = staticmethod(hold)
    driver.drive(seconds=30)
    post_save.disconnect(on_asset, sender=Asset)

    assert in_time == [True]
    assert {Job.objects.get(pk=job.pk).state for job in (edit, other)} == {"succeeded"}


def test_jobs_do_not_all_try_a_storage_that_has_just_failed(
    site: Site,
    failing_storage: type[FailingStorage],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Longer than a busy machine takes for all of this: nobody's turn to try comes again.
    monkeypatch.setattr(_storage_failures, "PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(waiting, "_delay", lambda *_: 3600.0)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAX_IN_FLIGHT": 1}
    edits = [request_edit(site) for _ in range(6)]
    failing_storage.failing = {"open"}
    failing_storage.calls.clear()

    driver.drive(seconds=15)
    tries = failing_storage.calls.count("open")
    count = Job.objects.filter(waiting_for="storage").count()
    failing_storage.failing = set()
    for edit in edits:
        change(edit, due_at=clock.now())
    driver.drive(seconds=10)

    assert (tries, count) == (1, 6)
    assert {Job.objects.get(pk=edit.pk).state for edit in edits} == {"succeeded"}
