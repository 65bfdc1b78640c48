"""Only what somebody sends, uses or batches asks for a review; a draft waits for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import generate
from imagegen_app.core.events import EVENTS
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import Asset, AuditEvent, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import chooser, placement, review, review_requests
from imagegen_app.services.monitoring import dashboard
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from project.catalog.models import Product
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db


@pytest.fixture
def author() -> Person:
    return access.actor_for(make_user("edda", groups=["Image editors"]))


@pytest.fixture
def reviewer() -> Person:
    return access.actor_for(make_user("rita", groups=["Image reviewers"]))


class Doubtful:
    """A content check that leaves every image to a person."""

    def screen_text(self, _text: str) -> ScreenerDecision:
        return PASSED

    def screen_image(self, _data: bytes, *, media_type: str) -> ScreenerDecision:
        return ScreenerDecision(outcome=VerdictOutcome.HELD, categories=(media_type,))


def draft_of(author: Person) -> Asset:
    return make_asset(review_state="pending", requester=author.user, review_requested_at=None)


def kinds_of(asset: Asset) -> list[str]:
    events = AuditEvent.objects.filter(asset_id=asset.pk).order_by("pk")
    return [kind for kind in events.values_list("type", flat=True) if kind in EVENTS]


def test_a_draft_is_no_work_for_reviewers_until_it_is_sent(
    author: Person, reviewer: Person
) -> None:
    asset = draft_of(author)
    before = dashboard.build_dashboard(reviewer)

    review_requests.request_review(actor=author, asset=asset, note="For the spring page")
    after = dashboard.build_dashboard(reviewer)

    assert before is not None
    assert after is not None
    assert (before.to_review, after.to_review) == (0, 1)
    assert asset.get_review_state_display() == "Waiting for review"
    assert draft_of(author).get_review_state_display() == "Draft"
    assert kinds_of(asset) == ["review.requested"]


def test_an_author_takes_an_image_back(author: Person) -> None:
    asset = draft_of(author)
    review_requests.request_review(actor=author, asset=asset)

    review_requests.withdraw_request(actor=author, asset=asset)

    assert not Asset.objects.awaiting_review().exists()
    assert kinds_of(asset) == ["review.requested", "review.request_withdrawn"]
    with pytest.raises(review_requests.NotAwaitingReview, match="does not wait"):
        review_requests.withdraw_request(actor=author, asset=asset)


def test_an_image_that_was_sent_back_waits_for_its_author(author: Person, reviewer: Person) -> None:
    asset = draft_of(author)
    review_requests.request_review(actor=author, asset=asset)

    review_requests.request_changes(actor=reviewer, asset=asset, note="Brighter, please")

    asset.refresh_from_db()
    assert (asset.review_state, asset.review_requested_at) == ("pending", None)
    assert (asset.get_review_state_display(), asset.review_note) == (
        "Sent back",
        "Brighter, please",
    )
    assert kinds_of(asset)[-1] == "review.changes_requested"


def test_changes_are_asked_for_in_words_and_by_reviewers(author: Person, reviewer: Person) -> None:
    asset = make_asset(review_state="pending", requester=author.user)

    with pytest.raises(review_requests.NoteMissing):
        review_requests.request_changes(actor=reviewer, asset=asset, note=" ")
    with pytest.raises(access.NotPermitted):
        review_requests.request_changes(actor=author, asset=asset, note="Brighter")
    with pytest.raises(access.NotPermitted):
        review_requests.escalate(actor=author, asset=asset, note="Who decides?")

    assert kinds_of(asset) == []


def test_an_escalated_image_is_approved_by_those_who_may(author: Person, reviewer: Person) -> None:
    officer = access.actor_for(make_user("cora", groups=["Compliance"]))
    asset = make_asset(review_state="pending", requester=author.user)

    review_requests.escalate(actor=reviewer, asset=asset, note="Is this a real person?")
    with pytest.raises(review.WrongReviewState, match="others decide"):
        review.approve(actor=reviewer, asset=asset)
    review.approve(actor=officer, asset=asset)

    assert asset.review_state == "approved"
    assert kinds_of(asset) == ["review.escalated", "review.approved"]


def test_no_author_approves_an_escalated_image_where_no_second_reviewer_is_needed(
    reviewer: Person, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": False}
    author = access.actor_for(make_user("edda", groups=["Image editors"]))
    asset = make_asset(review_state="pending", requester=author.user)
    review_requests.escalate(actor=reviewer, asset=asset, note="Who is it?")

    with pytest.raises(access.ActionRefused):
        review.approve(actor=author, asset=asset)

    asset.refresh_from_db()
    assert asset.review_state == "pending"


def test_no_author_approves_what_a_reviewer_sent_back(
    author: Person, reviewer: Person, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": False}
    asset = make_asset(review_state="pending", requester=author.user)
    review_requests.request_changes(actor=reviewer, asset=asset, note="Brighter")
    review_requests.request_review(actor=author, asset=asset)

    chooser.choose(actor=author, asset=asset, alt_text="A mug")
    with pytest.raises(access.ActionRefused, match="sent this image back"):
        review.approve(actor=author, asset=asset)

    asset.refresh_from_db()
    assert asset.review_state == "pending"


def test_choosing_an_image_asks_for_its_review(author: Person, settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    asset = draft_of(author)

    chooser.choose(actor=author, asset=asset, alt_text="A mug")

    asset.refresh_from_db()
    assert asset.review_requested_at is not None
    assert "review.requested" in kinds_of(asset)


def test_placing_an_image_before_its_approval_asks_for_it(
    author: Person, products: list[Product]
) -> None:
    asset = draft_of(author)

    placement.record_placement(
        actor=author, asset=asset, target=products[0], field="hero:0", value=str(asset.pk)
    )

    asset.refresh_from_db()
    assert asset.review_requested_at is not None


def test_an_image_that_a_content_check_held_asks_for_a_review(site: Site, small: Any) -> None:
    check = {"BACKEND": f"{__name__}.Doubtful", "NAME": "doubt", "STAGES": ["output"]}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [check]}
    job = site.request()

    driver.drive(seconds=20)

    assert Asset.objects.awaiting_review().filter(job=job, is_flagged=True).count() == 1


def test_an_image_whose_request_was_held_is_flagged_and_others_are_not(
    site: Site, small: Any
) -> None:
    plain = site.request()
    driver.drive(seconds=20)
    held = site.request(prompt="A doubtful mug")
    _hold_request(held)
    driver.drive(seconds=20)

    flagged = dict(Asset.objects.values_list("job", "is_flagged"))
    assert flagged == {plain.pk: False, held.pk: True}


@use_case(audited=False)
def _hold_request(job: Any) -> None:
    Verdict.objects.create(job=job, stage="prompt", screener="doubt", outcome="held")


def test_images_of_code_ask_for_a_review_by_themselves(site: Site) -> None:
    job = generate(user=site.actor.user, model=site.model, prompt="A mug", size="64x64")
    drafts = site.request()

    driver.drive(seconds=20)

    assert not Asset.objects.awaiting_review().filter(job=drafts).exists()
    assert Asset.objects.awaiting_review().filter(job=job).count() == 1
