"""A fallback model gets what somebody chose, and its own defaults for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.core.types import Operation, Size
from imagegen_app.models import AuditEvent, ImageModel, Job
from imagegen_app.services.job_requests import fallback_requests, from_job
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs.rebuilding import size_of
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import _failover
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_template,
)

if TYPE_CHECKING:
    from tests.services.conftest import Site

#: A model that makes JPEG in a few sizes, and has words for the quality.
JPEG_ONLY = {
    "output_formats": ["jpeg"],
    "sizes": {"allowed": ["1024x1024", "1536x1024"]},
    "qualities": ["low", "hd"],
}
#: A model whose quality is its resolution.
BY_RESOLUTION = {"qualities": [], "sizes": {"allowed": ["512x512", "1024x1024", "2048x2048"]}}


def other_model(site: Site, capabilities: dict[str, Any]) -> ImageModel:
    model = make_image_model(
        slug="spare",
        provider=make_provider(slug="spare"),
        provider_model_name="sandbox-1",
        capabilities=capabilities,
    )
    make_grant(group=make_group("Image editors"), image_model=model)
    site.model.fallback = model
    model_catalog.save(actor=System("test"), record=site.model)
    return model


def translated(job: Job, model: ImageModel) -> tuple[str, str, str]:
    request = fallback_requests.request_for_fallback(job, model)
    return (str(request.size), request.quality, request.output_format)


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [
        ({"size": None}, ("1024x1024", "", "jpeg")),
        ({"size": "3:2", "quality": "high"}, ("1536x1024", "hd", "jpeg")),
        ({"size": "1024x1024", "quality": "draft"}, ("1024x1024", "low", "jpeg")),
        # What somebody chose is not bent; that the model lacks it is found by the check behind.
        ({"size": "64x64"}, ("64x64", "", "jpeg")),
        ({"size": None, "output_format": "png"}, ("1024x1024", "", "png")),
    ],
)
def test_defaults_become_the_models_own_and_choices_stay(
    site: Site, asked: dict[str, Any], becomes: tuple[str, str, str]
) -> None:
    model = other_model(site, JPEG_ONLY)
    site.model.capabilities = {"qualities": ["low", "high"]}
    model_catalog.save(actor=System("test"), record=site.model)
    job = site.request(**asked)

    assert translated(job, model) == becomes


def test_a_tier_that_is_a_resolution_becomes_a_word_and_back(site: Site) -> None:
    worded = other_model(site, JPEG_ONLY)
    site.model.capabilities = BY_RESOLUTION
    model_catalog.save(actor=System("test"), record=site.model)
    job = site.request(size="1:1", quality="high")
    assert (job.width, job.chosen) == (2048, {"size": "1:1", "quality": "high"})

    assert translated(job, worded) == ("1024x1024", "hd", "jpeg")
    by_resolution = make_image_model(
        provider=make_provider(slug="third"),
        provider_model_name="sandbox-1",
        capabilities={"qualities": [], "sizes": {"allowed": ["640x640", "2000x2000"]}},
    )
    assert translated(job, by_resolution) == ("2000x2000", "", "png")


def test_proportions_that_were_chosen_are_not_left(site: Site) -> None:
    model = other_model(site, JPEG_ONLY)
    job = site.request(size="9:16")

    with pytest.raises(InvalidJobRequest, match="9:16"):
        fallback_requests.request_for_fallback(job, model)


def test_a_model_that_takes_no_size_is_none_for_a_size_that_was_chosen(site: Site) -> None:
    model = other_model(site, {"sizes": {}})
    chosen, left = site.request(size="1024x768"), site.request(size=None)

    with pytest.raises(InvalidJobRequest, match="takes no size"):
        fallback_requests.request_for_fallback(chosen, model)
    assert fallback_requests.request_for_fallback(left, model).size == size_of(left)


def test_the_size_that_follow_up_passes_were_planned_from_stays(site: Site) -> None:
    model = other_model(site, JPEG_ONLY)
    slug = site.model.slug
    job = site.request(size="16:9", passes=[f"remove_background:{slug}"])
    following = Job.objects.get(root=job)

    assert translated(job, model) == (f"{job.width}x{job.height}", "", "jpeg")
    assert translated(following, model) == (f"{job.width}x{job.height}", "", "jpeg")


def test_what_a_template_says_is_chosen(site: Site) -> None:
    template = make_template(body="A cup", variables=(), width=1536, height=1024, quality="high")
    job = site.request(template=template, prompt="", size=None)
    usual = site.request(template=template, prompt="", size=None, quality="")

    assert job.chosen == {"size": "1536x1024", "quality": "high"}
    assert usual.chosen == {"size": "1536x1024"}


def fail_over(job: Job) -> bool:
    return _failover.try_fail_over(job, None, error=ProviderUnavailable("down"))


def test_a_job_continues_with_a_model_that_makes_other_files(site: Site) -> None:
    model = other_model(site, JPEG_ONLY)
    job = site.request(size=None)

    assert fail_over(job)

    job.refresh_from_db()
    assert (job.image_model, job.output_format) == (model, "jpeg")
    event = AuditEvent.objects.get(type="job.failed_over")
    assert '"adapted":{"output_format":"jpeg"}' in event.body


def test_a_model_without_the_chosen_format_is_passed_over(site: Site) -> None:
    other_model(site, JPEG_ONLY)
    job = site.request(size=None, output_format="png")

    assert not fail_over(job)

    assert Job.objects.get().image_model == site.model


def test_a_size_that_is_not_granted_of_the_fallback_is_passed_over(site: Site) -> None:
    model = make_image_model(
        slug="spare",
        provider=make_provider(slug="spare"),
        provider_model_name="sandbox-1",
        capabilities={"sizes": {"allowed": ["2048x2048"]}},
    )
    make_grant(group=make_group("Image editors"), image_model=model, max_pixels=1024 * 1024)
    site.model.fallback = model
    model_catalog.save(actor=System("test"), record=site.model)
    job = site.request(size=None)

    assert fallback_requests.request_for_fallback(job, model).size == Size(2048, 2048)
    assert not fail_over(job)


def test_a_repeat_knows_what_was_chosen_for_the_job_before(site: Site) -> None:
    job = site.request(size="1:1", output_format="webp")

    repeated = from_job.job_request_from(actor=site.actor, job=job)

    assert repeated.chosen == {"size": "1:1", "output_format": "webp"}
    assert repeated.provider_request.operation is Operation.GENERATE
