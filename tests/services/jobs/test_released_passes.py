"""A pass is released with the image of the one before, and only while it waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import Asset, AuditEvent, BudgetPeriod, Job, JobInput
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import pass_chain
from imagegen_app.testing.factories import make_asset
from tests.services import arranged

if TYPE_CHECKING:
    from tests.services.conftest import Site

SENT = pass_chain.PassInput("inputs/one", "a" * 64, "image/webp", 64, 48)


@pytest.fixture
def root(site: Site) -> Job:
    """Return the first job of a chain of two passes."""
    return site.request(passes=[f"upscale:2:{site.model.slug}"])


@use_case(audited=False)
def start_waiting(root: Job, asset: Asset) -> None:
    pass_chain.start_waiting(root, [asset], inputs={asset.pk: SENT})


def following(root: Job) -> Job:
    return Job.objects.get(follows=root)


def test_a_released_pass_is_due_and_has_the_image(root: Job) -> None:
    before = following(root)
    asset = make_asset(job=root, position=before.image_number)

    start_waiting(root, asset)

    released = following(root)
    assert released.due_at is not None
    assert released.due_at <= clock.now()
    assert released.fingerprint != before.fingerprint
    (sent,) = JobInput.objects.filter(job=released)
    assert (sent.asset, sent.role, sent.position) == (asset, "image", 0)
    assert (sent.storage_key, sent.sha256, sent.media_type) == (
        "inputs/one",
        "a" * 64,
        "image/webp",
    )
    assert (sent.width, sent.height) == (64, 48)
    assert asset.is_intermediate is True
    assert Asset.objects.get().is_intermediate


def test_a_pass_whose_image_was_not_made_is_cancelled(root: Job) -> None:
    other = make_asset(job=root, position=5)

    use_case()(pass_chain.start_waiting)(root, [other], inputs={})

    ended = following(root)
    assert (ended.state, ended.error_code) == ("cancelled", "step_missing")
    assert ended.error_message == "The previous pass produced no image."
    assert ended.error_remedy == "Request the previous pass again."
    assert AuditEvent.objects.get(type="job.cancelled").object_id == str(ended.pk)
    assert BudgetPeriod.objects.get().reserved == root.estimated_cost


def test_a_pass_that_was_ended_before_is_left_alone(root: Job) -> None:
    arranged.change_job(following(root), state="blocked", finished_at=clock.now())

    use_case(audited=False)(pass_chain.cancel_waiting)(root)

    assert following(root).state == "blocked"


def test_a_pass_that_has_its_image_goes_on_without_the_first_job(root: Job) -> None:
    start_waiting(root, make_asset(job=root, position=following(root).image_number))

    use_case(audited=False)(pass_chain.cancel_waiting)(root)

    assert following(root).state == "queued"
