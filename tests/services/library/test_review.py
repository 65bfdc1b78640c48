"""Reviewers approve images of other people; a site can require a second reviewer."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.models import AuditEvent
from imagegen_app.services.library import review
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(settings: Any) -> Any:
    """Return an account of a reviewer, on a site that requires a second reviewer."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    return make_user("rita", groups=["Image reviewers"])


def test_nobody_approves_their_own_image(reviewer: Any) -> None:
    asset = make_asset(review_state="pending", requester=reviewer)

    with pytest.raises(review.SelfApprovalForbidden) as refusal:
        review.approve(actor=access.actor_for(reviewer), asset=asset)

    asset.refresh_from_db()
    assert asset.review_state == "pending"
    assert "another person" in refusal.value.reason


def test_a_reviewer_approves_the_image_of_another_person(reviewer: Any) -> None:
    asset = make_asset(
        review_state="pending", requester=make_user("edda", groups=["Image editors"])
    )

    review.approve(actor=access.actor_for(reviewer), asset=asset, note="Good")

    asset.refresh_from_db()
    assert (asset.review_state, asset.reviewed_by) == ("approved", reviewer)
    assert AuditEvent.objects.filter(type="review.approved", asset_id=asset.pk).count() == 1


def test_without_the_permission_nobody_reviews(reviewer: Any) -> None:
    asset = make_asset(review_state="pending", requester=reviewer)
    editor = access.actor_for(make_user("edda", groups=["Image editors"]))

    for decide in (review.approve, review.reject):
        with pytest.raises(access.NotPermitted):
            decide(actor=editor, asset=asset)

    asset.refresh_from_db()
    assert asset.review_state == "pending"
