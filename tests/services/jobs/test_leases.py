"""A lease is taken, kept and left for the job that it is of, and for no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.types import InputRole
from imagegen_app.models import Job, JobInput
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases
from imagegen_app.testing.factories import make_asset
from tests.services import arranged

if TYPE_CHECKING:
    from tests.services.conftest import Site


def two_claimed(site: Site) -> tuple[Job, Job]:
    site.request()
    site.request(prompt="A second mug")
    first, second = leases.claim(limit=2, owner="worker")
    return first, second


@use_case(audited=False)
def give_image(job: Job) -> None:
    JobInput.objects.create(
        job=job, position=0, role=InputRole.IMAGE.value, asset=make_asset(), width=64, height=48
    )


def test_a_pass_is_parked_until_its_deadline_only_while_it_has_no_image(site: Site) -> None:
    waiting, released = two_claimed(site)
    give_image(released)

    leases.park_unreleased_pass(waiting)
    leases.park_unreleased_pass(released)

    waiting.refresh_from_db()
    assert (waiting.due_at, waiting.lease_until) == (waiting.deadline_at, None)
    released.refresh_from_db()
    assert released.lease_until is not None
    assert released.due_at != released.deadline_at


def test_the_wish_to_cancel_is_that_of_one_job(site: Site) -> None:
    kept, cancelled = two_claimed(site)

    arranged.change_job(cancelled, cancel_requested_at=clock.now())

    assert leases.is_cancel_requested(cancelled)
    assert not leases.is_cancel_requested(kept)


def test_a_heartbeat_renews_the_leases_that_a_worker_still_holds(site: Site) -> None:
    held, lost = two_claimed(site)
    other = clock.now()
    arranged.change_job(held, lease_until=other)
    arranged.change_job(lost, lease_until=other, lease_owner="another")

    leases.heartbeat([held.pk, lost.pk], owner="worker")

    held.refresh_from_db()
    lost.refresh_from_db()
    assert held.lease_until is not None
    assert held.lease_until > other
    assert lost.lease_until == other


def test_a_release_frees_the_job_that_is_named(site: Site) -> None:
    left, held = two_claimed(site)

    leases.release([left])

    assert list(Job.objects.filter(lease_owner="worker")) == [held]
    assert [job.pk for job in leases.claim(limit=2, owner="next")] == [left.pk]
