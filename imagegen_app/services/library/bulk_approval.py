"""Approve many images set by set, each as if it was approved by itself.

A set is one transaction with a few statements, however many images it has; a page that approves more
carries out one set after the other, and says in between how far it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.core import signing

from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.foundation import clock, event_log, keyset
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library import bulk_selection, review, review_checklist
from imagegen_app.services.policy import reviewers
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

#: Images of one set.
AT_ONCE: Final = 500
_SALT: Final = "imagegen.bulk-approval"
_SIGNED_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many images of a set were approved, and how many were not for which reason."""

    approved: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.approved + other.approved, self.refused + other.refused)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the approval of many images is."""

    #: How many images were selected at its beginning.
    total: int
    #: How many of them were decided about.
    reached: int = 0
    #: The place in the list, newest first, where it goes on; empty at the beginning.
    after: str = ""
    is_done: bool = False
    outcome: Outcome = field(default_factory=Outcome)

    def sign(self, *, actor: Person) -> str:
        """Return it as a text for a form, which holds for this person alone."""
        data = {
            "actor": actor.id,
            "numbers": [self.total, self.reached, self.outcome.approved],
            "after": self.after,
            "refused": dict(self.outcome.refused),
        }
        return signing.dumps(data, salt=_SALT, compress=True)


def begin(assets: QuerySet[Asset]) -> Progress:
    """Count the selected images.

    :raises TooManyImages: if there are more than one press of a button may change.
    """
    return Progress(total=len(bulk_selection.require_few(assets)))


def read_progress(*, actor: Person, text: str) -> Progress:
    """Return the progress that a form holds.

    :raises InvalidSelection: if it is forged, expired, or another person's.
    """
    try:
        data: Any = signing.loads(text, salt=_SALT, max_age=_SIGNED_SECONDS)
        owner, (total, reached, approved) = data["actor"], data["numbers"]
        outcome = Outcome(approved, Counter(data["refused"]))
        found = Progress(total=total, reached=reached, after=data["after"], outcome=outcome)
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise bulk_selection.invalid() from None
    if owner != actor.id:
        raise bulk_selection.invalid()
    return found


def go_on(*, actor: Person, assets: QuerySet[Asset], progress: Progress) -> Progress:
    """Approve the next set of the selected images, and return how far it is now.

    They are taken from the newest to the oldest, so that images which are made meanwhile are not meant.
    """
    page = keyset.read_page(assets.only("created_at"), size=AT_ONCE, after=progress.after)
    outcome = Outcome()
    if page.rows:
        outcome = approve_set(actor=actor, keys=[asset.pk for asset in page.rows])
    return Progress(
        total=progress.total,
        reached=progress.reached + len(page.rows),
        after=page.last,
        is_done=not page.has_older,
        outcome=progress.outcome + outcome,
    )


def approve_all(*, actor: Person, assets: QuerySet[Asset]) -> Outcome:
    """Approve the selected images set by set, without a stop in between.

    :raises TooManyImages: if there are more than one press of a button may change.
    """
    keys = bulk_selection.require_few(assets)
    outcome = Outcome()
    for number in range(0, len(keys), AT_ONCE):
        outcome += approve_set(actor=actor, keys=keys[number : number + AT_ONCE])
    return outcome


@use_case()
def approve_set(*, actor: Actor, keys: Collection[UUID]) -> Outcome:
    """Approve the images of one set that the actor may approve; say why the others were not.

    :raises ValueError: if there are more than `AT_ONCE`.
    """
    if len(keys) > AT_ONCE:
        raise ValueError(f"At most {AT_ONCE} images make a set, not {len(keys)}.")
    rows = Asset.objects.select_for_update().select_related("job").filter(pk__in=keys)
    refusals: Counter[tuple[str, str, bool]] = Counter()
    found: list[Asset] = []
    checklist = review_checklist.missing_reason(None, "")
    # In one order, so that two sets which share images do not wait for each other.
    for asset in rows.order_by("pk"):
        try:
            review.require_decidable(actor, asset, ReviewState.APPROVED, tells_who=False)
        except ActionRefused as refusal:
            is_own = isinstance(refusal, review.SelfApprovalForbidden)
            refusals[refusal.reason, refusal.remedy, is_own] += 1
        else:
            found.append(asset)
    if checklist and found:
        refusals[checklist, "", False] += len(found)
        found = []
    if found:
        _approve(actor, found)
    else:
        skip_audit_event()
    return Outcome(len(found), _in_words(actor, refusals))


def _approve(actor: Actor, assets: list[Asset]) -> None:
    Asset.objects.filter(pk__in=[asset.pk for asset in assets]).update(
        review_state=ReviewState.APPROVED.value,
        reviewed_at=clock.now(),
        reviewed_by=actor.user if isinstance(actor, Person) else None,
        review_note="",
        rejection_reason="",
        checklist_answers={},
        is_label_required=None,
    )
    event_log.record_many(
        actor,
        [
            event_log.NewEvent(
                "review.approved",
                subject=asset,
                job=asset.job,
                asset=asset,
                data={"sha256": asset.sha256},
            )
            for asset in assets
        ],
    )
    review.record_overridden(actor, assets)
    for asset in assets:
        asset.review_state = ReviewState.APPROVED.value
        send_asset_reviewed(asset)


def _in_words(actor: Actor, refusals: Counter[tuple[str, str, bool]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (reason, remedy, is_own), number in refusals.items():
        hint = reviewers.no_second_reviewer(actor) if is_own else ""
        found[" ".join(part for part in (reason, hint, remedy) if part)] += number
    return found
