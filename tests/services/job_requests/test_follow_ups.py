"""The jobs of follow-up passes are made with the first job, for the same person and in its turn."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.actors import System
from imagegen_app.core.passes import Pass
from imagegen_app.core.types import Operation
from imagegen_app.models import Job
from imagegen_app.services.job_requests import _follow_ups
from imagegen_app.services.policy import model_catalog

if TYPE_CHECKING:
    from tests.services.conftest import Site


def requested(site: Site, *, count: int = 2) -> Job:
    slug = site.model.slug
    return site.request(count=count, passes=[f"upscale:2:{slug}", f"remove_background:{slug}"])


def test_passes_belong_to_whom_and_what_the_first_job_does(site: Site) -> None:
    root = requested(site)

    passes = list(Job.objects.filter(root=root))

    assert len(passes) == 4
    for job in passes:
        same = ("requester", "actor_kind", "actor_id", "batch", "row_key", "priority")
        assert [getattr(job, name) for name in same] == [getattr(root, name) for name in same]
        assert (job.queue_order, job.currency) == (root.queue_order, root.currency)
        assert (job.state, job.count, job.output_format) == ("queued", 1, "png")
        assert job.unknown_outcome_policy == root.unknown_outcome_policy
    assert root.chain_length == 5


def test_a_pass_asks_its_model_for_a_format_that_it_has(site: Site) -> None:
    site.model.capabilities = {"output_formats": ["webp"]}
    model_catalog.save(actor=System("test"), record=site.model)

    root = requested(site, count=1)

    jobs = Job.objects.filter(root=root)
    assert [root.output_format, *(job.output_format for job in jobs)] == ["webp"] * 3


def test_each_image_is_passed_on_in_order_with_time_for_each_pass(site: Site) -> None:
    root = requested(site)
    seconds = timedelta(seconds=conf.get().job_deadline_seconds)

    for number in range(2):
        first = Job.objects.get(follows=root, image_number=number)
        second = Job.objects.get(follows=first, image_number=number)

        assert (first.operation, second.operation) == ("upscale", "remove_background")
        assert (first.width, first.height, second.width) == (128, 128, 128)
        assert first.deadline_at == first.due_at == root.deadline_at + seconds
        assert second.deadline_at == second.due_at == root.deadline_at + 2 * seconds


def test_the_passes_of_a_job_are_read_back_as_they_were_requested(site: Site) -> None:
    other = requested(site, count=1)
    root = requested(site)

    slug = site.model.slug
    expected = (
        Pass(operation=Operation.UPSCALE, model=slug, factor=2),
        Pass(operation=Operation.REMOVE_BACKGROUND, model=slug),
    )
    assert _follow_ups.requested_passes(root) == expected
    assert _follow_ups.requested_passes(other) == expected
    first = Job.objects.get(follows=root, image_number=1)
    assert _follow_ups.requested_passes(first) == expected[1:]
