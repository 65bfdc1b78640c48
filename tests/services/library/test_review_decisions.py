"""A decision counts for the file and the review that a person saw, and for what is alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils.translation import gettext_lazy

from imagegen_app import conf
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, AuditEvent, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import review, review_decisions, review_views
from imagegen_app.services.library.review_decisions import Decision, DecisionKind, shown
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db
CHECKLIST = [
    {"KEY": "no_person", "TEXT": "No real person can be recognized?"},
    {"KEY": "truthful", "TEXT": "Is the product shown as it is?"},
]


@pytest.fixture
def reviewer() -> Person:
    return access.actor_for(make_user("rita", groups=["Image reviewers"]))


@use_case(audited=False)
def change(asset: Asset, **values: Any) -> None:
    Asset.objects.filter(pk=asset.pk).update(**values)


@use_case(audited=False)
def make_verdict(*, asset: Asset, outcome: str) -> None:
    Verdict.objects.create(
        job=asset.job, asset=asset, stage="output", screener="people", outcome=outcome
    )
    # As the worker stores both.
    change(asset, is_flagged=outcome != "passed")


def decide(actor: Person, asset: Asset, kind: DecisionKind, **more: Any) -> None:
    seen = more.pop("seen", None) or shown(asset)
    decision = Decision(kind, **more)
    review_decisions.decide(actor=actor, asset=asset, decision=decision, seen=seen)


def test_an_approval_is_for_the_file_that_was_shown(reviewer: Person) -> None:
    asset = make_asset(review_state="pending")
    seen = shown(asset)
    change(asset, sha256="0" * 64)

    with pytest.raises(review_decisions.CaseChanged, match="file of this image was changed"):
        decide(reviewer, asset, DecisionKind.APPROVE, seen=seen)

    asset.refresh_from_db()
    assert asset.review_state == "pending"


def test_the_second_of_two_reviewers_is_told_of_the_first(reviewer: Person) -> None:
    other = access.actor_for(make_user("rolf", groups=["Image reviewers"]))
    asset = make_asset(review_state="pending")
    seen = shown(asset)
    decide(other, asset, DecisionKind.REJECT, reason="faulty")

    with pytest.raises(review_decisions.CaseChanged, match=r"Rejected\. rolf did this on"):
        decide(reviewer, asset, DecisionKind.APPROVE, seen=seen)

    asset.refresh_from_db()
    assert (asset.review_state, asset.rejection_reason) == ("rejected", "faulty")


def test_a_rejection_has_a_reason_and_another_reason_a_note(reviewer: Person) -> None:
    asset = make_asset(review_state="pending")

    for more in ({}, {"reason": "nonsense"}, {"reason": "other"}):
        with pytest.raises(review_decisions.ReasonMissing):
            decide(reviewer, asset, DecisionKind.REJECT, **more)
    decide(reviewer, asset, DecisionKind.REJECT, reason="other", note="Looks like Ada")

    event = AuditEvent.objects.get(type="review.rejected", asset_id=asset.pk)
    assert '"reason_code":"other"' in event.body
    assert "Ada" not in event.body


def test_an_approval_with_label_is_stored_with_the_image(reviewer: Person) -> None:
    plain, labelled = (make_asset(review_state="pending") for _number in range(2))

    decide(reviewer, plain, DecisionKind.APPROVE)
    decide(reviewer, labelled, DecisionKind.APPROVE_WITH_LABEL)

    assert (plain.is_label_required, labelled.is_label_required) == (None, True)


def test_the_checklist_is_answered_before_an_approval(reviewer: Person, settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REVIEW": {"CHECKLIST": CHECKLIST}}
    asset = make_asset(review_state="pending")
    explained = {"no_person": "yes", "truthful": "no"}

    with pytest.raises(review.ChecklistOpen, match="review desk"):
        review.approve(actor=reviewer, asset=asset)
    with pytest.raises(review.ChecklistOpen, match="Not all"):
        decide(reviewer, asset, DecisionKind.APPROVE, answers={"no_person": "yes"})
    with pytest.raises(review.ChecklistOpen, match="say why"):
        decide(reviewer, asset, DecisionKind.APPROVE, answers=explained)
    decide(reviewer, asset, DecisionKind.APPROVE, answers=explained, note="Colour is lighter")

    asset.refresh_from_db()
    assert asset.checklist_answers == explained


def test_no_other_door_approves_without_the_checklist(reviewer: Person, settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REVIEW": {"CHECKLIST": CHECKLIST}}
    asset = make_asset(review_state="pending")

    assert "review desk" in review.refusal_reason(reviewer, asset, ReviewState.APPROVED)
    assert review.refusal_reason(reviewer, asset, ReviewState.REJECTED) == ""


@pytest.mark.parametrize(
    ("checklist", "part"),
    [
        ([{"KEY": "Real person", "TEXT": "?"}], "invalid key"),
        ([{"KEY": "a", "TEXT": "?"}, {"KEY": "a", "TEXT": "!"}], "twice"),
        ([{"KEY": "a"}], "missing"),
        ("a, b", "not a list"),
    ],
)
def test_a_checklist_that_cannot_be_asked_is_refused(checklist: Any, part: str) -> None:
    with pytest.raises(conf.InvalidSettings, match=part):
        conf.read({"REVIEW": {"CHECKLIST": checklist}})


def test_images_of_one_template_and_verdict_are_decided_together(reviewer: Person) -> None:
    version = make_template()
    alike = [
        make_asset(review_state="pending", job=make_job(template_version=version)) for _n in "123"
    ]
    held = make_asset(review_state="pending", job=make_job(template_version=version))
    make_verdict(asset=held, outcome="held")
    other = make_asset(review_state="pending", job=make_job(template_version=make_template()))
    decision = Decision(DecisionKind.APPROVE)

    for odd, reason in ((held, "content checks"), (other, "one template")):
        cases = [(one, shown(one)) for one in [*alike, odd]]
        with pytest.raises(review_decisions.NotAlike, match=reason):
            review_decisions.decide_alike(actor=reviewer, cases=cases, decision=decision)
    count = review_decisions.decide_alike(
        actor=reviewer, cases=[(one, shown(one)) for one in alike], decision=decision
    )

    assert count == 3
    assert Asset.objects.filter(review_state="approved").count() == 3


def test_images_decided_together_are_decided_all_or_none(reviewer: Person) -> None:
    version = make_template()
    one, changed = (
        make_asset(review_state="pending", job=make_job(template_version=version)) for _n in "12"
    )
    cases = [(one, shown(one)), (changed, shown(changed))]
    change(changed, sha256="0" * 64)

    with pytest.raises(review_decisions.CaseChanged):
        review_decisions.decide_alike(
            actor=reviewer, cases=cases, decision=Decision(DecisionKind.APPROVE)
        )

    assert not Asset.objects.filter(review_state="approved").exists()


def test_a_view_goes_from_image_to_image_the_oldest_first(reviewer: Person) -> None:
    first, second, third = (make_asset(review_state="pending") for _n in range(3))
    make_asset(review_state="pending", review_requested_at=None)
    make_asset(review_state="rejected")
    view = review_views.view_of(reviewer, "needs")
    assert view is not None

    assert view.page(reviewer, most=9) == [first, second, third]
    assert view.page(reviewer, after=first, most=1) == [second]
    assert view.before(reviewer, third, most=5) == [first, second]
    assert view.following(reviewer, third) == first
    assert view.count(reviewer) == 3


def test_views_show_what_was_held_and_what_lacks_its_marks(reviewer: Person) -> None:
    marked: dict[str, Any] = {"c2pa_state": "valid", "marked_at": "2027-01-01T00:00:00Z"}
    fine = make_asset(review_state="pending", **marked)
    held = make_asset(review_state="pending", **marked)
    make_verdict(asset=held, outcome="held")
    unmarked = make_asset(review_state="approved", c2pa_state="invalid", has_mark_problem=True)
    lost = make_asset(
        review_state="approved",
        **marked,
        has_mark_problem=True,
    )

    shown_in = {
        view.key: set(view.page(reviewer, most=9)) for view in review_views.views_for(reviewer)
    }

    assert shown_in["needs"] == {fine, held}
    assert shown_in["held"] == {held}
    assert shown_in["provenance"] == {unmarked, lost}
    assert "escalated" not in shown_in


def test_authors_see_what_was_sent_back_to_them_and_no_queue(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    edda = access.actor_for(make_user("edda", groups=["Image editors"]))
    mine = make_asset(
        review_state="pending",
        requester=edda.user,
        review_requested_at=None,
        sent_back_at="2027-01-01T00:00:00Z",
    )
    make_asset(
        review_state="pending", review_requested_at=None, sent_back_at="2027-01-01T00:00:00Z"
    )

    views = review_views.views_for(edda)

    assert [view.key for view in views] == ["mine"]
    assert views[0].page(edda, most=9) == [mine]


def test_other_subjects_add_views_of_their_own(
    reviewer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_views, "_views", dict(review_views._views))
    wide = make_asset(review_state="approved", size=(96, 32))
    make_asset(review_state="approved")

    review_views.register(
        review_views.ReviewView(
            "wide",
            gettext_lazy("Wide"),
            gettext_lazy("None is wide."),
            lambda actor: Asset.objects.filter(width__gt=64),
            lambda actor: True,
            order="created_at",
        )
    )
    found = review_views.view_of(reviewer, "wide")

    assert found is not None
    assert found.page(reviewer, most=9) == [wide]
