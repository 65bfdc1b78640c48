"""Review assets: approve, reject or withdraw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.states import (
    REVIEW_TRANSITIONS,
    RejectionReason,
    ReviewState,
    VerdictOutcome,
)
from imagegen_app.models import Asset, Verdict
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import review_checklist
from imagegen_app.services.library.review_requests import DECIDE_ESCALATED, is_own
from imagegen_app.services.policy import access, closed_content, reviewers
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor

_EVENTS = {
    ReviewState.APPROVED: "review.approved",
    ReviewState.REJECTED: "review.rejected",
    ReviewState.WITHDRAWN: "asset.withdrawn",
}

_STORED = (
    "review_state",
    "reviewed_at",
    "reviewed_by",
    "review_note",
    "rejection_reason",
    "checklist_answers",
    "is_label_required",
)


class WrongReviewState(ActionRefused):
    """The asset's review state does not allow this decision."""

    code = "wrong_review_state"


class SelfApprovalForbidden(ActionRefused):
    """The requester of an image may not approve it: the site requires a second reviewer."""

    code = "self_approval_forbidden"


class ChecklistOpen(ActionRefused):
    """The site's checklist was not answered, or a "no" was not explained."""

    code = "checklist_open"


@use_case()
def approve(
    *,
    actor: Actor,
    asset: Asset,
    note: str = "",
    answers: Mapping[str, str] | None = None,
    is_label_required: bool | None = None,
) -> None:
    """Approve an asset, so that it may be placed and shown to the public.

    `answers` are those to the site's checklist, "yes" or "no" by key. With `is_label_required`,
    pages show the AI label with it even where their own template has none.

    :raises ChecklistOpen: if the site has a checklist, and it is not answered.
    :raises ClosedForGood: if it was found in a hard category, whoever approves it.
    :raises NotPermitted: if the actor may not approve.
    :raises SelfApprovalForbidden: if the actor requested it, and a second reviewer is required.
    :raises WrongReviewState: if it is approved already.
    """
    _decide(
        actor,
        asset,
        ReviewState.APPROVED,
        note,
        answers=answers,
        is_label_required=is_label_required,
    )


@use_case()
def reject(
    *,
    actor: Actor,
    asset: Asset,
    note: str = "",
    reason: str = "",
    answers: Mapping[str, str] | None = None,
) -> None:
    """Reject an asset, so that it cannot be placed; `reason` is a `RejectionReason`.

    :raises NotPermitted: if the actor may not review.
    :raises WrongReviewState: if it was decided already.
    """
    _decide(
        actor,
        asset,
        ReviewState.REJECTED,
        note,
        answers=answers,
        rejection_reason=RejectionReason(reason).value if reason else "",
    )


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Withdraw an approved asset: its public URLs stop working at once.

    :raises NotPermitted: if the actor may neither review nor withdraw.
    :raises WrongReviewState: if it is not approved.
    """
    _decide(actor, asset, ReviewState.WITHDRAWN, note)


def refusal_reason(
    actor: Actor, asset: Asset, target: ReviewState, *, asks_checklist: bool = False
) -> str:
    """Return why the actor may not set this review state; empty if allowed.

    Where the site's checklist is not asked (`asks_checklist`), nothing can be approved with one.
    """
    if target is ReviewState.APPROVED and (closed := closed_content.closed_reason(asset)):
        return closed
    if not may_decide(actor, target, asset) and not may_review_own(actor, asset):
        return _no_permission_reason(actor, asset)
    if target not in REVIEW_TRANSITIONS[ReviewState(asset.review_state)]:
        return _("The image's review state: %(state)s.") % {
            "state": asset.get_review_state_display()
        }
    if (
        is_own(actor, asset)
        and target is ReviewState.APPROVED
        and conf.get().require_second_reviewer
    ):
        return _("You requested this image; another person must approve it.")
    if target is ReviewState.APPROVED and not asks_checklist:
        return review_checklist.missing_reason(None, "")
    return ""


def may_decide(actor: Actor, target: ReviewState, asset: Asset | None = None) -> bool:
    """Return whether the actor may set this review state for other people's images.

    Who may approve may also withdraw; who watches over the rules may withdraw only. An escalated
    image is approved by people with a permission of its own; rejecting it stays open to reviewers.
    """
    if asset is not None and is_escalated(asset):
        if access.has_permission(actor, DECIDE_ESCALATED):
            return True
        if target is ReviewState.APPROVED:
            return False
    if access.has_permission(actor, "approve_asset"):
        return True
    return target is ReviewState.WITHDRAWN and access.has_permission(actor, "withdraw_asset")


def _no_permission_reason(actor: Actor, asset: Asset) -> str:
    if _is_handed_on(actor, asset):
        return _("This image was escalated: others decide about it.")
    if is_own(actor, asset) and asset.sent_back_at is not None:
        return _("A reviewer sent this image back; another person must approve it.")
    return _("You do not have permission to review images.")


def may_review_own(actor: Actor, asset: Asset) -> bool:
    """Return whether the actor may decide about the image as its author, without being a reviewer.

    Not once a reviewer has sent it back or escalated it.
    """
    return (
        is_own(actor, asset)
        and not is_escalated(asset)
        and asset.sent_back_at is None
        and not conf.get().require_second_reviewer
        and access.has_permission(actor, "approve_own_asset")
    )


def is_escalated(asset: Asset) -> bool:
    """Return whether an image waits for the people to whom a reviewer handed the decision on."""
    return asset.review_state == ReviewState.PENDING.value and asset.escalated_at is not None


def _decide(
    actor: Actor,
    asset: Asset,
    target: ReviewState,
    note: str,
    *,
    answers: Mapping[str, str] | None = None,
    rejection_reason: str = "",
    is_label_required: bool | None = None,
) -> None:
    if target is ReviewState.APPROVED:
        # Before all permissions: no role opens it.
        closed_content.require_open_asset(asset)
    locked = Asset.objects.select_for_update().select_related("job").get(pk=asset.pk)
    require_decidable(actor, locked, target)
    if target is ReviewState.APPROVED and (
        missing := review_checklist.missing_reason(answers, note)
    ):
        raise ChecklistOpen(_("The image was not changed."), reason=missing, remedy="")
    known_answers = review_checklist.known_answers(answers or {})
    locked.review_state = target.value
    locked.reviewed_at = clock.now()
    locked.reviewed_by = actor.user if isinstance(actor, Person) else None
    locked.review_note = note[:300]
    locked.rejection_reason = rejection_reason
    locked.checklist_answers = known_answers
    if target is ReviewState.APPROVED:
        locked.is_label_required = is_label_required
    locked.save(update_fields=list(_STORED))
    event_log.record(
        actor,
        _EVENTS[target],
        subject=locked,
        job=locked.job,
        asset=locked,
        data={
            "sha256": locked.sha256,
            **({"reason_code": rejection_reason} if rejection_reason else {}),
            **({"answers": known_answers} if known_answers else {}),
            **({"label_required": True} if is_label_required else {}),
        },
        personal={"note": note},
    )
    if target is ReviewState.APPROVED:
        record_overridden(actor, [locked])
    for name in _STORED:
        setattr(asset, name, getattr(locked, name))
    send_asset_reviewed(locked)


def require_decidable(
    actor: Actor, locked: Asset, target: ReviewState, *, tells_who: bool = True
) -> None:
    """Require that the actor may set this state of an image, which was read under a lock.

    With `tells_who`, a refusal says who decided before, or that nobody else may approve: one more
    query.

    :raises ClosedForGood: if it shall be approved and was found in a hard category.
    :raises NotPermitted: if the actor may not decide about it.
    :raises WrongReviewState: if the state cannot follow, or others decide.
    :raises SelfApprovalForbidden: if another person must approve it.
    """
    if target is ReviewState.APPROVED and locked.hard_category:
        raise closed_content.ClosedForGood
    is_others = not is_own(actor, locked) or conf.get().require_second_reviewer
    if is_others and not may_decide(actor, target, locked) and not _is_handed_on(actor, locked):
        access.require_permission(actor, "approve_asset")
    reason = refusal_reason(actor, locked, target, asks_checklist=True)
    if not reason:
        return
    if target not in REVIEW_TRANSITIONS[ReviewState(locked.review_state)]:
        decided = _EVENTS.get(ReviewState(locked.review_state))
        known = past_events.who_and_when(locked, decided) if decided and tells_who else ""
        is_same = locked.review_state == target.value
        raise WrongReviewState(
            _("The image was not changed."),
            reason=f"{reason} {known}".strip(),
            remedy="" if is_same else contact_sentence(),
            is_already_done=is_same,
        )
    if is_own(actor, locked) and not is_escalated(locked):
        if tells_who:
            reason = f"{reason} {reviewers.no_second_reviewer(actor)}".strip()
        raise SelfApprovalForbidden(
            _("The image was not changed."), reason=reason, remedy=contact_sentence()
        )
    raise WrongReviewState(
        _("The image was not changed."), reason=reason, remedy=contact_sentence()
    )


def record_overridden(actor: Actor, assets: Sequence[Asset]) -> None:
    """Record which approved images a screener had held for a person, or blocked."""
    by_key = {asset.pk: asset for asset in assets}
    verdicts = Verdict.objects.filter(asset__in=by_key).exclude(outcome=VerdictOutcome.PASSED.value)
    # A suggested text that was blocked is gone; approving the image brings it not back.
    verdicts = verdicts.exclude(stage="caption").order_by("pk")
    event_log.record_many(
        actor,
        [
            event_log.NewEvent(
                "moderation.overridden",
                subject=by_key[key],
                job=by_key[key].job,
                asset=by_key[key],
                data={"screener": screener, "decision": outcome},
            )
            for key, screener, outcome in verdicts.values_list("asset", "screener", "outcome")
        ],
    )


def _is_handed_on(actor: Actor, asset: Asset) -> bool:
    """Return whether a reviewer is only kept from deciding by another one, who escalated the image."""
    return is_escalated(asset) and access.has_permission(actor, "approve_asset")
