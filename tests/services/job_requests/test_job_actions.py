"""A job can be cancelled by its requester, or with the permission to cancel every job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user

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
