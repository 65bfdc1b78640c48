"""A step that raises an error of our own is tried again, says so, and never stops other jobs."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DataError
from django.db.models.signals import post_save
from django.urls import reverse
from django.utils.translation import override

from imagegen_app.core.errors import InternalError
from imagegen_app.models import Asset, AuditEvent, BudgetPeriod, Job, KeptAnswer
from imagegen_app.services.foundation import clock, stored_messages, worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.monitoring import progress
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from tests.services.conftest import Site


@use_case(audited=False)
def change(job: Job, **changes: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**changes)


def drive(job: Job) -> Job:
    """Make the job due and take its next step."""
    change(job, due_at=clock.now())
    driver.drive(seconds=0.3)
    job.refresh_from_db()
    return job


class BrokenRow:
    """A receiver of the site whose database error rolls back what the worker writes."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt

    def __call__(self, *, instance: Asset, **_kwargs: Any) -> None:
        """Refuse the assets of one job."""
        if instance.job.prompt == self.prompt:
            raise DataError("value out of range")


@pytest.fixture
def broken() -> Iterator[None]:
    """Let the rows of one job be refused by the database."""
    receiver = BrokenRow("A broken mug")
    post_save.connect(receiver, sender=Asset)
    yield
    post_save.disconnect(receiver, sender=Asset)


def incident_in(text: str) -> str:
    found = re.search(r"incident ([0-9a-f]{8})", text)
    assert found is not None, text
    return found.group(1)


def test_an_error_of_our_own_is_retried_and_told_of_with_its_incident(
    site: Site, broken: None, caplog: pytest.LogCaptureFixture
) -> None:
    worker_registry.record_heartbeat(name="a")

    job = drive(site.request(prompt="A broken mug"))

    assert (job.state, job.waiting_for, job.expired_leases) == ("ingesting", "internal_error", 0)
    assert job.lease_until is None
    incident = incident_in(job.error_message)
    assert incident in progress.job_progress(job).message
    (record,) = [r for r in caplog.records if getattr(r, "incident", "") == incident]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    (event,) = AuditEvent.objects.filter(type="job.postponed")
    assert incident in event.body


def test_after_a_few_tries_the_job_ends_as_an_internal_error_and_keeps_charge_and_answer(
    site: Site, broken: None
) -> None:
    job = site.request(prompt="A broken mug")
    for _ in range(8):
        if not job.is_final:
            job = drive(job)

    attempt = job.attempts.get()
    assert (job.state, job.error_code) == ("failed", "internal_error")
    assert incident_in(job.error_message) in attempt.error_detail
    assert "administrator" in job.error_remedy
    assert BudgetPeriod.objects.get().spent == attempt.reserved_cost > 0
    kept = KeptAnswer.objects.get(attempt=attempt)
    assert (kept.reason, incident_in(kept.detail)) == (
        "internal_error",
        incident_in(job.error_message),
    )
    assert not AuditEvent.objects.filter(body__contains="worker_lost_repeatedly").exists()


def test_a_database_error_of_one_job_does_not_disturb_the_others_of_its_round(
    site: Site, broken: None
) -> None:
    jobs = [site.request(prompt=text) for text in ("A red mug", "A broken mug", "A blue mug")]

    driver.drive(seconds=3)

    states = [Job.objects.get(pk=job.pk).state for job in jobs]
    assert states == ["succeeded", "ingesting", "succeeded"]


def test_a_job_that_works_again_forgets_the_error(site: Site) -> None:
    receiver = BrokenRow("A broken mug")
    post_save.connect(receiver, sender=Asset)
    job = drive(site.request(prompt="A broken mug"))
    post_save.disconnect(receiver, sender=Asset)

    job = drive(job)

    assert (job.state, job.waiting_for, job.error_code) == ("succeeded", "", "")


def test_the_message_is_told_in_the_language_of_the_reader() -> None:
    text = str(InternalError(incident="4f2a9c1e"))

    with override("de"):
        told = stored_messages.translate_stored(text)

    assert told != text
    assert "4f2a9c1e" in told


def test_the_pages_of_a_job_name_its_incident(
    site: Site, broken: None, admin_client: Client
) -> None:
    worker_registry.record_heartbeat(name="a")
    job = drive(site.request(prompt="A broken mug"))
    incident = incident_in(job.error_message)

    for name in ("imagegen_job_change", "imagegen_studio_job"):
        page = admin_client.get(reverse(f"admin:{name}", args=[job.pk])).content.decode()
        assert f"incident {incident}" in page, name
