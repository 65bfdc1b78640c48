"""A job can be cancelled by its requester, or with the permission to cancel every job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.job_requests import creation, from_job, job_actions
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_attempt, make_user
from tests.services import arranged

if TYPE_CHECKING:
    from tests.services.conftest import Site


def test_another_person_cannot_cancel_a_job(site: Site) -> None:
    job = site.request()
    stranger = access.actor_for(make_user("sven", groups=["Image editors"]))

    with pytest.raises(job_actions.JobActionRefused) as refusal:
        job_actions.cancel(actor=stranger, job=job)

    job.refresh_from_db()
    assert (job.state, job.cancel_requested_at) == ("queued", None)
    assert "not your job" in refusal.value.reason


def test_with_the_permission_people_cancel_others_jobs(site: Site) -> None:
    job = site.request()
    administrator = access.actor_for(make_user("kim", permissions=["imagegen.cancel_any_job"]))

    assert job_actions.cancel(actor=administrator, job=job)

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_an_old_page_does_not_end_the_call_that_was_sent_after_a_resolution(site: Site) -> None:
    administrator = access.actor_for(make_user("kim", permissions=["imagegen.resolve_job"]))
    job = arranged.uncertain_job(site)
    old_page = Job.objects.get(pk=job.pk)
    job_actions.resolve(actor=administrator, job=job, resolution="send_again")
    make_attempt(job=job, state="accepted")
    arranged.change_job(job, state="awaiting")

    with pytest.raises(job_actions.JobActionRefused) as refusal:
        job_actions.resolve(actor=administrator, job=old_page, resolution="close")

    job.refresh_from_db()
    assert job.state == "awaiting"
    assert "kim did this on" in refusal.value.reason


def test_a_decision_is_about_the_job_that_it_was_made_for(site: Site) -> None:
    administrator = access.actor_for(make_user("kim", permissions=["imagegen.resolve_job"]))
    # The other one has waited longer, so a worker would take it first.
    other, job = arranged.uncertain_job(site), arranged.uncertain_job(site)
    arranged.change_job(other, due_at=job.created_at)

    job_actions.resolve(actor=administrator, job=job, resolution="close")

    states = {one.pk: one.state for one in Job.objects.all()}
    assert states[other.pk] == "uncertain"
    assert states[job.pk] != "uncertain"


def test_an_old_page_does_not_request_an_erased_prompt_again(site: Site) -> None:
    officer = access.actor_for(make_user("eve", permissions=["imagegen.erase_personal_data"]))
    old_page = arranged.cancelled_job(site)
    erasure.erase_prompt(officer, job=Job.objects.get(pk=old_page.pk), reason="asked for")

    with pytest.raises(job_actions.JobActionRefused, match="Its prompt was erased"):
        job_actions.request_again(actor=site.actor, job=old_page)


def test_of_two_requests_at_the_same_moment_one_replaces_the_job(site: Site) -> None:
    job = arranged.cancelled_job(site)
    # Both have passed the check of the page when the first one stores its job.
    asked = from_job.job_request_from(actor=site.actor, job=job)
    creation.request_images(actor=site.actor, job_request=asked)
    before = AuditEvent.objects.count()

    with pytest.raises(access.ActionRefused) as refusal:
        creation.request_images(actor=site.actor, job_request=asked)

    assert refusal.value.is_already_done
    assert (job.replacements.count(), AuditEvent.objects.count()) == (1, before)
