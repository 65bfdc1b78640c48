"""A job is cancelled by whoever asked for it, or by whoever may cancel every job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.services import access, control
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from tests.services.conftest import Site


def test_a_stranger_cancels_nothing(site: Site) -> None:
    job = site.request()
    stranger = access.person(make_user("sven", groups=["Image editors"]))

    with pytest.raises(control.CannotSteer) as refusal:
        control.cancel(actor=stranger, job=job)

    job.refresh_from_db()
    assert (job.state, job.cancel_requested_at) == ("queued", None)
    assert "not your job" in refusal.value.why


def test_who_may_cancel_every_job_cancels_that_of_another(site: Site) -> None:
    job = site.request()
    keeper = access.person(make_user("kim", permissions=["imagegen.cancel_any_job"]))

    assert control.cancel(actor=keeper, job=job)

    job.refresh_from_db()
    assert job.state == "cancelled"
