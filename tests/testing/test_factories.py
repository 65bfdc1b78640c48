"""What the factories make is whole, and obeys the tables' own rules."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from imagegen_app.core.states import AttemptState, JobState, ReviewState
from imagegen_app.core.types import Operation, Size
from imagegen_app.services.gateways import storage
from imagegen_app.services.policy import access
from imagegen_app.testing import factories

pytestmark = pytest.mark.django_db


def test_an_asset_stands_on_real_files() -> None:
    asset = factories.make_asset(size=(80, 60), widths=(20, 40), formats=("avif", "webp", "jpeg"))

    for key, sha256 in [
        (asset.storage_key, asset.sha256),
        (asset.original_storage_key, asset.original_sha256),
        *asset.renditions.values_list("storage_key", "sha256"),
    ]:
        assert hashlib.sha256(storage.get(key)).hexdigest() == sha256
    for made in asset.renditions.all():
        with Image.open(io.BytesIO(storage.get(made.storage_key))) as image:
            assert (image.format or "").lower() == made.format
            assert image.size == (made.width, made.height)
    assert {(r.width, r.height) for r in asset.renditions.all()} == {(20, 15), (40, 30)}


@pytest.mark.parametrize("state", ReviewState)
def test_an_asset_is_made_in_any_state_of_review(state: ReviewState) -> None:
    asset = factories.make_asset(review_state=state, formats=())

    asset.full_clean()
    assert asset.review_state == state
    assert (asset.reviewed_at is None) == (state is ReviewState.PENDING)


@pytest.mark.parametrize("state", JobState)
def test_a_job_is_made_in_any_state(state: JobState) -> None:
    job = factories.make_job(state=state)

    job.full_clean()
    assert job.is_final == (job.finished_at is not None)


@pytest.mark.parametrize("state", AttemptState)
def test_an_attempt_is_made_in_any_state(state: AttemptState) -> None:
    attempt = factories.make_attempt(state=state)

    attempt.full_clean()
    assert attempt.number == 1


def test_assets_of_one_attempt_are_numbered() -> None:
    attempt = factories.make_attempt()

    made = [factories.make_asset(attempt=attempt, formats=()) for _ in range(3)]

    assert [asset.position for asset in made] == [0, 1, 2]


def test_a_requester_owns_what_is_made_for_them() -> None:
    user = factories.make_user()

    asset = factories.make_asset(requester=user, formats=())

    assert asset.job.requester == user
    assert asset.attempt.job == asset.job


def test_a_grant_lets_a_member_request() -> None:
    user = factories.make_user(groups=["Image editors"])
    model = factories.make_image_model()
    factories.make_grant(group=user.groups.get(), image_model=model)

    decision = access.check_grant(
        access.actor_for(user),
        image_model=model,
        operation=Operation.GENERATE,
        size=Size(1024, 1024),
        count=1,
    )

    assert decision.allowed, decision.reason


def test_a_template_is_published() -> None:
    version = factories.make_template(slug="mug")

    assert version.template.slug == "mug"
    assert version.template.current == version


def test_a_permission_misspelt_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"imagegen\.fly"):
        factories.make_user(permissions=["imagegen.fly"])


def test_images_are_never_alike() -> None:
    assert factories.make_image() != factories.make_image()
