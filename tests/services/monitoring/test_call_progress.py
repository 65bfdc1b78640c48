"""Who waits is told what the provider says: its queue, its stage and how much is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Attempt, Job
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.monitoring import progress
from imagegen_app.testing.factories import make_attempt
from tests.services.arranged import change_job

if TYPE_CHECKING:
    from tests.services.conftest import Site


@use_case(audited=False)
def _change_attempt(attempt: Attempt, **changes: Any) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(**changes)


def shown(site: Site, *, job: dict[str, Any] | None = None, **attempt: Any) -> progress.Progress:
    """Return the progress of a job whose call is polled."""
    worker_registry.record_heartbeat(name="a")
    requested = site.request()
    _change_attempt(make_attempt(job=requested, state="accepted"), **attempt)
    change_job(requested, **{"state": "awaiting", **(job or {})})
    return progress.job_progress(Job.objects.get(pk=requested.pk))


@pytest.mark.parametrize(
    ("stage", "position", "message"),
    [
        ("queued", 2, "Position 3 in the provider's queue"),
        ("IN_QUEUE", 0, "Next in the provider's queue"),
        ("", 4, "Position 5 in the provider's queue"),
        ("", 0, "Next in the provider's queue"),
        ("pending", None, "In the provider's queue"),
        # Comfy counts a call that runs, too.
        ("running", 1, "Generating with Sandbox"),
        ("in-progress", None, "Generating with Sandbox"),
        ("", None, "Generating with Sandbox"),
        ("starting", None, "The provider is loading Sandbox"),
        ("upscaling", None, "Upscaling with Sandbox"),
        ("post_processing", None, "The provider is finishing the images"),
        ("drawing hands", None, "Generating with Sandbox. The provider says: drawing hands"),
        ("drawing hands", 0, "Generating with Sandbox. The provider says: drawing hands"),
    ],
)
def test_the_providers_queue_and_stage_are_told(
    site: Site, stage: str, position: int | None, message: str
) -> None:
    site.model.name = "Sandbox"
    use_case(audited=False)(site.model.save)()

    told = shown(site, provider_stage=stage, queue_position=position)

    assert told.message == message


@pytest.mark.parametrize(
    ("share", "percent"), [(None, None), (0.0, None), (0.004, None), (0.424, 42), (1.0, None)]
)
def test_a_share_is_told_where_the_provider_knows_one(
    site: Site, share: float | None, percent: int | None
) -> None:
    told = shown(site, job={"progress": share})

    assert told.percent == percent


@pytest.mark.parametrize(
    "more",
    [
        {"state": "ingesting"},
        {"waiting_for": WaitingReason.STORAGE.value, "state": "queued"},
    ],
)
def test_the_share_of_an_earlier_call_is_not_shown(site: Site, more: dict[str, Any]) -> None:
    told = shown(site, job={"progress": 0.4, **more})

    assert told.percent is None


def test_a_share_that_grows_is_news_for_a_page_that_polls(site: Site) -> None:
    before = shown(site, job={"progress": 0.2})
    change_job(before.job, progress=0.3)

    after = progress.job_progress(Job.objects.get(pk=before.job.pk))

    assert after.message == before.message
    assert after.etag != before.etag


def test_the_stage_of_many_jobs_needs_no_query_for_each(
    site: Site, django_assert_num_queries: Any
) -> None:
    worker_registry.record_heartbeat(name="a")
    jobs = [site.request() for _ in range(3)]
    for job in jobs:
        _change_attempt(make_attempt(job=job, state="accepted"), queue_position=1)
        change_job(job, state="awaiting")

    with django_assert_num_queries(1):
        told = progress.progress_for_ids([job.pk for job in jobs])

    assert {one.message for one in told} == {"Position 2 in the provider's queue"}
