"""Reviewers approve images of other people; a site can require a second reviewer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend

from imagegen_app.models import AuditEvent
from imagegen_app.services.library import review
from imagegen_app.services.policy import access, reviewers
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


def test_the_only_reviewer_of_a_site_is_told_what_to_do(reviewer: Any) -> None:
    actor, asset = (
        access.actor_for(reviewer),
        make_asset(review_state="pending", requester=reviewer),
    )

    with pytest.raises(review.SelfApprovalForbidden) as refusal:
        review.approve(actor=actor, asset=asset)
    make_user("second", groups=["Image reviewers"], is_active=False)
    still = reviewers.no_second_reviewer(actor)
    make_user("root", is_superuser=True)

    assert "Nobody else on this site may approve images." in refusal.value.reason
    assert "REQUIRE_SECOND_REVIEWER" in still
    assert reviewers.no_second_reviewer(actor) == ""


def test_who_may_approve_is_not_told_where_a_backend_of_the_site_decides(
    reviewer: Any, settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.{Directory.__name__}"]

    assert reviewers.reviewers() is None
    assert reviewers.no_second_reviewer(access.actor_for(reviewer)) == ""


class Directory(ModelBackend):
    """Grants permissions that the database does not know."""

    def has_perm(self, *_arguments: Any, **_options: Any) -> bool:
        return True
