"""A job remembers the follow-up passes that were requested, also where they are no jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import Job
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.job_requests import from_job
from imagegen_app.services.job_requests.creation import PromptBlocked
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services.job_requests.test_worded_parameters import screened

if TYPE_CHECKING:
    from tests.services.conftest import Site

__all__ = ["screened"]


def repeated_passes(site: Site, job: Job) -> list[str]:
    again = from_job.job_request_from(actor=site.actor, job=job)
    return [str(one.requested) for one in again.passes]


def blocked(site: Site, passes: list[str]) -> Job:
    with pytest.raises(PromptBlocked) as refused:
        site.request(passes=passes)
    return refused.value.job


def test_a_job_that_reuses_images_is_repeated_with_its_passes(site: Site) -> None:
    slug = site.model.slug
    passes = [f"upscale:2:{slug}", f"edit:{slug}:Brighten the sky"]
    site.request(seed=1, passes=passes)
    driver.drive(seconds=20)

    cached = site.request(seed=1, passes=passes)

    assert cached.cached_from is not None
    assert repeated_passes(site, cached) == passes


def test_a_blocked_job_is_repeated_with_its_passes(screened: Site) -> None:
    passes = [f"edit:{screened.model.slug}:Add Ada"]

    job = blocked(screened, passes)

    assert not Job.objects.filter(root=job).exists()
    assert repeated_passes(screened, job) == passes


def test_an_instruction_that_became_no_job_is_erased_with_the_prompt(screened: Site) -> None:
    job = blocked(screened, [f"edit:{screened.model.slug}:Add Ada"])
    officer = access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=job, reason="names a neighbour")

    job.refresh_from_db()
    assert job.passes == []


def test_passes_without_words_stay_when_the_prompt_is_erased(screened: Site) -> None:
    passes = [f"upscale:2:{screened.model.slug}"]
    job = screened.request(passes=passes)
    driver.drive(seconds=20)
    officer = access.actor_for(make_user("officer", permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=job, reason="names a neighbour")

    job.refresh_from_db()
    assert [one["operation"] for one in job.passes] == ["upscale"]
    for erased in (job, Job.objects.get(root=job)):
        with pytest.raises(InvalidJobRequest, match="Its prompt was erased"):
            repeated_passes(screened, erased)
