"""Whoever wants it gets one mail when work that took long is finished, and no prompt is in it."""

from __future__ import annotations

import logging
import smtplib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.utils import translation

from imagegen_app.models import Batch, Job, MailPreference
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, job_actions
from imagegen_app.services.monitoring import mail_preferences
from imagegen_app.services.worker import driver, finished_work, sweep
from imagegen_app.testing.factories import make_template
from tests import changed_rows

if TYPE_CHECKING:
    from uuid import UUID

    from tests.services.conftest import Site

ADDRESSES = {
    "session": "https://shop.example/studio/?session={key}",
    "job": "https://shop.example/studio/{key}/",
    "batch": "https://shop.example/batches/{key}/",
    "preference": "https://shop.example/mail/",
}


@pytest.fixture(autouse=True)
def _mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def wanted(site: Site) -> Site:
    """The editor wants a mail about work that took longer than five minutes."""
    site.actor.user.email = "edda@example.org"
    site.actor.user.save()
    mail_preferences.choose(actor=site.actor, minutes=5, addresses=ADDRESSES)
    _wound_back(MailPreference.objects.all(), looked_at=clock.now() - timedelta(hours=1))
    return site


@use_case(audited=False)
def _wound_back(rows: Any, **fields: Any) -> None:
    rows.update(**fields)


def long_ago(job: Job, *, minutes: int = 10) -> None:
    changed_rows.change(job, created_at=clock.now() - timedelta(minutes=minutes))


@use_case(audited=False)
def _batch(site: Site) -> Any:
    return Batch.objects.create(
        title="Morgen mugs",
        template_version=make_template(),
        image_model=site.model,
        requester=site.actor.user,
        actor_kind="person",
        actor_id=site.actor.id,
        idempotency_key="one",
    )


def requested(site: Site, *, session: UUID | None = None, **changes: Any) -> Job:
    job_request = replace(site.job_request(**changes), session=session)
    return creation.request_images(actor=site.actor, job_request=job_request)


def finished(site: Site, *, minutes: int = 10, **changes: Any) -> Job:
    job = requested(site, **changes)
    driver.drive(seconds=20)
    long_ago(job, minutes=minutes)
    return job


def test_long_work_is_told_once_with_a_link_and_without_its_prompt(
    wanted: Site, mailoutbox: list[Any]
) -> None:
    job = finished(wanted, prompt="A secret mug")

    assert finished_work.mail_finished_work() == 1
    assert finished_work.mail_finished_work() == 0

    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["edda@example.org"], "1 image is ready")
    assert f"https://shop.example/studio/{job.pk}/" in mail.body
    assert "https://shop.example/mail/" in mail.body
    assert "longer than 5 minutes" in mail.body
    assert "secret" not in mail.body + mail.subject


def test_short_and_cancelled_work_is_not_told(wanted: Site, mailoutbox: list[Any]) -> None:
    finished(wanted, minutes=4)
    cancelled = wanted.request(prompt="Another mug")
    job_actions.cancel(actor=wanted.actor, job=cancelled)
    long_ago(cancelled)

    assert finished_work.mail_finished_work() == 0
    assert mailoutbox == []


def test_what_was_asked_for_in_one_go_is_told_together_once_nothing_runs_any_more(
    wanted: Site, mailoutbox: list[Any]
) -> None:
    session = uuid4()
    first = finished(wanted, session=session, prompt="One")
    second = requested(wanted, session=session, prompt="Two")
    long_ago(second)
    assert finished_work.mail_finished_work() == 0

    driver.drive(seconds=20)

    assert finished_work.mail_finished_work() == 1
    (mail,) = mailoutbox
    assert mail.subject == "2 images are ready"
    assert f"https://shop.example/studio/?session={session}" in mail.body
    assert str(first.pk) not in mail.body


def test_a_batch_is_one_mail_with_its_title(wanted: Site, mailoutbox: list[Any]) -> None:
    batch = _batch(wanted)
    for prompt in ("One", "Two"):
        job = finished(wanted, prompt=prompt)
        changed_rows.change(job, batch=batch)
    fields = {"row_count": 2, "prepared_rows": 2, "job_count": 2, "succeeded": 1, "failed": 1}
    _wound_back(type(batch).objects.all(), created_at=clock.now() - timedelta(hours=1), **fields)

    assert finished_work.mail_finished_work() == 1

    (mail,) = mailoutbox
    assert "Batch “Morgen mugs”" in mail.body
    assert "1 image is ready." in mail.body
    assert "1 request ended without an image." in mail.body
    assert f"https://shop.example/batches/{batch.pk}/" in mail.body


@pytest.mark.parametrize(("minutes", "mails"), [(10, 2), (1, 1)])
def test_rows_that_took_long_once_more_are_told_once_more(
    wanted: Site, mailoutbox: list[Any], minutes: int, mails: int
) -> None:
    batch = _batch(wanted)
    failed = finished(wanted, prompt="One")
    changed_rows.change(failed, batch=batch)
    counts = {"row_count": 1, "prepared_rows": 1, "job_count": 1, "failed": 1}
    _wound_back(type(batch).objects.all(), created_at=clock.now() - timedelta(hours=1), **counts)
    assert finished_work.mail_finished_work() == 1

    again = finished(wanted, prompt="Two", minutes=minutes)
    changed_rows.change(again, batch=batch, replaces=failed)
    _wound_back(type(batch).objects.all(), job_count=2, succeeded=1)
    for _ in range(3):
        finished_work.mail_finished_work()

    assert len(mailoutbox) == mails


def test_the_mail_is_in_the_language_in_which_it_was_chosen(
    wanted: Site, mailoutbox: list[Any]
) -> None:
    with translation.override("de"):
        mail_preferences.choose(actor=wanted.actor, minutes=5, addresses=ADDRESSES)
    finished(wanted)

    finished_work.mail_finished_work()

    assert mailoutbox[0].subject == "1 Bild ist fertig"


def test_a_failing_mail_server_fails_nothing_and_is_asked_again(
    wanted: Site, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    job = finished(wanted)

    def refuse(*_args: object, **_options: object) -> int:
        raise smtplib.SMTPServerDisconnected("edda@example.org")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr("imagegen_app.services.gateways.mail.send_mail", refuse)
        sweep.sweep()
        assert finished_work.mail_finished_work() == 0

    job.refresh_from_db()
    assert (job.state, mailoutbox) == ("succeeded", [])
    assert "SMTPServerDisconnected" in caplog.text
    assert "edda@example.org" not in caplog.text
    assert finished_work.mail_finished_work() == 1


def test_the_sweep_sends_it_and_a_site_can_switch_it_off(
    wanted: Site, mailoutbox: list[Any], settings: Any
) -> None:
    finished(wanted)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAIL_FINISHED_WORK": False}
    sweep.sweep()
    assert mailoutbox == []

    settings.IMAGEGEN = {**settings.IMAGEGEN, "MAIL_FINISHED_WORK": True}
    sweep.sweep()
    assert len(mailoutbox) == 1


def test_who_has_left_gets_no_mail(wanted: Site, mailoutbox: list[Any]) -> None:
    finished(wanted)
    wanted.actor.user.is_active = False
    wanted.actor.user.save()

    finished_work.mail_finished_work()

    assert mailoutbox == []
