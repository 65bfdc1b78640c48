"""Many images are approved with few statements, and each as if it was approved by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from imagegen_app import signals
from imagegen_app.models import Asset, AuditEvent, AuditPersonalText, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import bulk_approval, review
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.changed_rows import change

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita(settings: Any) -> Person:
    """Return a reviewer, on a site that requires a second one."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REQUIRE_SECOND_REVIEWER": True}
    return access.actor_for(make_user("rita", groups=["Image reviewers"]))


def pending(number: int, **fields: Any) -> list[Asset]:
    attempt = make_asset(review_state="pending", widths=(), **fields).attempt
    return [make_asset(attempt=attempt, review_state="pending", widths=()) for _ in range(number)]


def approve(actor: Person, assets: list[Asset]) -> bulk_approval.Outcome:
    return bulk_approval.approve_set(actor=actor, keys=[asset.pk for asset in assets])


@use_case(audited=False)
def hold(asset: Asset) -> None:
    Verdict.objects.create(
        job=asset.job, asset=asset, stage="output", screener="look", outcome="held"
    )


def facts(asset: Asset) -> dict[str, Any]:
    """Return what is stored of an image and told of it in the log, but for its identity."""
    asset.refresh_from_db()
    names = ("review_state", "reviewed_by_id", "review_note", "rejection_reason")
    events = AuditEvent.objects.filter(asset_id=asset.pk).order_by("pk")
    return {
        **{name: getattr(asset, name) for name in names},
        "answers": (asset.checklist_answers, asset.is_label_required, asset.reviewed_at is None),
        "events": [
            (event.type, event.actor_id, event.object_id == str(asset.pk), event.job_id)
            for event in events
        ],
        "texts": sorted(
            AuditPersonalText.objects.filter(event__in=events).values_list("field", "value")
        ),
    }


def test_an_image_of_a_set_is_approved_as_one_by_itself(rita: Person) -> None:
    one, other = pending(2)
    for asset in (one, other):
        hold(asset)
        change(asset, review_note="Too dark", rejection_reason="other", is_label_required=True)
    told: list[Any] = []

    def listen(**values: Any) -> None:
        told.append((values["asset_id"], values["review_state"]))

    signals.asset_reviewed.connect(listen)

    review.approve(actor=rita, asset=one)
    outcome = approve(rita, [other])

    signals.asset_reviewed.disconnect(listen)
    assert facts(other) == facts(one)
    assert [kind for kind, *_rest in facts(other)["events"]] == [
        "review.approved",
        "moderation.overridden",
    ]
    assert (outcome.approved, dict(outcome.refused)) == (1, {})


def test_the_reasons_of_those_that_are_left_are_counted(rita: Person) -> None:
    good, rejected, done = pending(3)
    own = make_asset(review_state="pending", requester=rita.user, widths=())
    escalated, closed = pending(2)
    change(rejected, review_state="rejected")
    change(done, review_state="approved")
    change(escalated, escalated_at=timezone.now())
    change(closed, hard_category="csam")

    outcome = approve(rita, [good, rejected, done, own, escalated, closed])

    # What was rejected may be approved after all.
    assert (outcome.approved, sum(outcome.refused.values())) == (2, 4)
    text = "\n".join(outcome.refused)
    for part in ("another person must approve it", "escalated", "closed this for good", "Approved"):
        assert part in text
    assert "Nobody else on this site may approve images." in text
    states = dict(Asset.objects.values_list("pk", "review_state"))
    assert [states[one.pk] for one in (good, rejected, own, escalated, closed)] == [
        "approved",
        "approved",
        "pending",
        "pending",
        "pending",
    ]


def test_without_the_permission_nothing_is_approved_and_nothing_recorded(rita: Person) -> None:
    assets = pending(2)
    editor = access.actor_for(make_user("edda", groups=["Image editors"]))
    before = AuditEvent.objects.count()

    outcome = approve(editor, assets)

    assert (outcome.approved, sum(outcome.refused.values())) == (0, 2)
    assert set(Asset.objects.values_list("review_state", flat=True)) == {"pending"}
    assert AuditEvent.objects.count() == before


def test_a_site_with_a_checklist_approves_no_set(rita: Person, settings: Any) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "REVIEW": {"CHECKLIST": [{"KEY": "people", "TEXT": "Are people shown?"}]},
    }

    outcome = approve(rita, pending(2))

    assert outcome.approved == 0
    assert "answer questions" in "".join(outcome.refused)


def test_a_larger_set_needs_no_more_queries(rita: Person) -> None:
    first, few, many = pending(1), pending(2), pending(40)
    # The actor's permissions are read once.
    approve(rita, first)
    for asset in (*few, *many):
        hold(asset)
    counts = []

    for assets in (few, many):
        with CaptureQueriesContext(connection) as asked:
            assert approve(rita, assets).approved == len(assets)
        counts.append(len(asked))

    assert max(counts) <= 12, counts


def test_a_set_has_a_largest_size(rita: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_approval, "AT_ONCE", 1)

    with pytest.raises(ValueError, match="At most 1"):
        approve(rita, pending(2))
