"""The last preview of a call is kept while it runs, for who may see the job, and no longer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.errors import InvalidRequest, ProviderUnavailable
from imagegen_app.core.ids import uuid7
from imagegen_app.imaging.previews import MAX_BYTES
from imagegen_app.models import Job, JobPreview
from imagegen_app.services.erasure import commands, proof, scopes
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import job_previews, leases, transitions, unknown_outcomes
from imagegen_app.services.jobs.leases import LeaseLost
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_job, make_user
from tests.services.arranged import OUTPUT_CHECK, change_job, with_output_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.models import Attempt
    from tests.services.conftest import Site

IMAGE = b"RIFF-a-small-webp"


def under_way(site: Site) -> tuple[Job, Attempt]:
    site.request()
    (job,) = leases.claim(limit=1, owner="worker")
    attempt = transitions.start_attempt(job, digest="0" * 64)
    transitions.mark_sent(job, attempt)
    return job, attempt


def shown(site: Site) -> tuple[Job, Attempt]:
    """Return a job under way that has a preview."""
    job, attempt = under_way(site)
    job_previews.store(job, IMAGE)
    return job, attempt


def stored(job: Job) -> tuple[int, list[bytes]]:
    number = Job.objects.values_list("preview_number", flat=True).get(pk=job.pk)
    return number, [bytes(row.image) for row in JobPreview.objects.all()]


def test_only_the_last_preview_is_kept(site: Site) -> None:
    job, _attempt = under_way(site)

    for image in (IMAGE, b"second", b"third"):
        job_previews.store(job, image)

    assert stored(job) == (3, [b"third"])
    assert job.preview_number == 3


def test_more_than_a_call_needs_are_dropped(site: Site) -> None:
    job, _attempt = under_way(site)

    for n in range(job_previews.MAX_PREVIEWS + 3):
        job_previews.store(job, str(n).encode())

    assert stored(job) == (10, [b"9"])


def test_a_preview_larger_than_ours_are_is_refused(site: Site) -> None:
    job, _attempt = under_way(site)

    with pytest.raises(ValueError, match="too large"):
        job_previews.store(job, b"x" * (MAX_BYTES + 1))

    assert stored(job) == (0, [])


def test_a_worker_that_lost_its_lease_stores_none(site: Site) -> None:
    job, _attempt = under_way(site)
    change_job(job, lease_token=job.lease_token + 1)

    with pytest.raises(LeaseLost):
        job_previews.store(job, IMAGE)

    assert stored(job) == (0, [])


def test_a_preview_that_comes_after_the_answer_is_dropped(site: Site) -> None:
    job, attempt = under_way(site)
    transitions.mark_answered(job, attempt)

    with pytest.raises(LeaseLost):
        job_previews.store(job, IMAGE)

    assert stored(job) == (0, [])


def test_an_answer_leaves_the_preview_until_there_are_images(site: Site) -> None:
    job, attempt = shown(site)

    transitions.mark_answered(job, attempt)

    assert job_previews.preview_of(site.actor, Job.objects.get(pk=job.pk)) == IMAGE


def _succeed(job: Job, attempt: Attempt) -> None:
    transitions.mark_answered(job, attempt)
    use_case()(transitions.succeed)(
        job, attempt, charge=Decimal(0), made=1, model_version="", note=None
    )


@pytest.mark.parametrize(
    "end",
    [
        lambda job, attempt: transitions.fail(job, attempt, error=InvalidRequest()),
        lambda job, attempt: transitions.cancel(job, attempt, charge=Decimal(0)),
        lambda job, attempt: transitions.expire(job),
        lambda job, attempt: transitions.retry(job, attempt, error=ProviderUnavailable(), delay=9),
        lambda job, attempt: unknown_outcomes.mark_uncertain(job, attempt, look_again=9),
        _succeed,
    ],
    ids=["failed", "cancelled", "expired", "retried", "uncertain", "succeeded"],
)
def test_it_goes_with_the_call(site: Site, end: Callable[[Job, Attempt], None]) -> None:
    job, attempt = shown(site)
    assert stored(job) == (1, [IMAGE])

    end(job, attempt)

    assert stored(job) == (0, [])
    assert job.preview_number == 0


def test_a_transition_under_a_lost_lease_leaves_it(site: Site) -> None:
    job, attempt = shown(site)
    change_job(job, lease_token=job.lease_token + 1)

    with pytest.raises(LeaseLost):
        transitions.fail(job, attempt, error=InvalidRequest())

    assert stored(job) == (1, [IMAGE])


def test_who_requested_the_job_or_may_see_others_sees_it(site: Site) -> None:
    job, _attempt = shown(site)
    overseer = access.actor_for(make_user("ova", permissions=["imagegen.view_job"]))

    assert job_previews.preview_of(site.actor, job) == IMAGE
    assert job_previews.preview_of(overseer, job) == IMAGE
    for stranger in (access.actor_for(make_user("stan")), access.actor_for(make_user("sue"))):
        with pytest.raises(NotPermitted):
            job_previews.preview_of(stranger, job)


def test_nobody_sees_an_image_before_a_content_check_has(site: Site, settings: Any) -> None:
    job, _attempt = shown(site)
    with_output_check(settings)

    assert job_previews.preview_of(site.actor, job) is None
    assert not job_previews.is_shown(job)
    assert not job_previews.are_wanted(job)
    job_previews.store(job, b"second")
    assert stored(job) == (1, [IMAGE])


@pytest.mark.parametrize("stage", ["prompt", "input"])
def test_checks_of_what_goes_in_hide_nothing(site: Site, settings: Any, stage: str) -> None:
    job, _attempt = shown(site)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [{**OUTPUT_CHECK, "STAGES": [stage]}]}

    assert job_previews.preview_of(site.actor, job) == IMAGE


def test_none_are_asked_for_where_nobody_waits_for_one_image(site: Site) -> None:
    one, several = site.request(), site.request(count=2)

    assert job_previews.are_wanted(one)
    assert not job_previews.are_wanted(several)
    assert not job_previews.are_wanted(Job(count=1, batch_id=uuid7()))


def test_a_sweep_removes_what_a_dead_worker_left(site: Site) -> None:
    running, ended, old = shown(site)[0], shown(site)[0], shown(site)[0]
    change_job(ended, state="failed", finished_at=clock.now(), due_at=None)
    long_ago = clock.now() - timedelta(seconds=job_previews.RETENTION_SECONDS + 1)
    use_case(audited=False)(JobPreview.objects.filter(job=old).update)(stored_at=long_ago)

    sweep.sweep()

    assert [row.pk for row in JobPreview.objects.all()] == [running.pk]
    numbers = dict(Job.objects.values_list("pk", "preview_number"))
    assert numbers == {running.pk: 1, ended.pk: 0, old.pk: 0}


def test_an_erasure_removes_what_a_dead_worker_left(site: Site) -> None:
    officer = access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))
    job = make_job(requester=site.actor.user, prompt="")
    use_case(audited=False)(JobPreview.objects.create)(job=job, image=IMAGE, stored_at=clock.now())
    scope = scopes.job_scope(job)
    before = proof.search(scope, scopes.collect_texts(scope))

    commands.erase_prompt(officer, job=job, reason="letter")

    assert not JobPreview.objects.exists()
    assert [found.place for found in before.findings if "preview" in found.place]
