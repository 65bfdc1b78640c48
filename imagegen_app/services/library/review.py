"""Review assets: approve, reject or withdraw them, and set their alternative texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.states import REVIEW_TRANSITIONS, ReviewState, VerdictOutcome
from imagegen_app.models import Asset, Verdict
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import search_text
from imagegen_app.services.policy import access, closed_content, reviewers
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

_EVENTS = {
    ReviewState.APPROVED: "review.approved",
    ReviewState.REJECTED: "review.rejected",
    ReviewState.WITHDRAWN: "asset.withdrawn",
}


class WrongReviewState(ActionRefused):
    """The asset's review state does not allow this decision."""

    code = "wrong_review_state"


class SelfApprovalForbidden(ActionRefused):
    """The requester of an image may not approve it: the site requires a second reviewer."""

    code = "self_approval_forbidden"


@use_case()
def approve(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Approve an asset, so that it may be placed and shown to the public.

    :raises ClosedForGood: if it was found in a hard category, whoever approves it.
    :raises NotPermitted: if the actor may not approve.
    :raises SelfApprovalForbidden: if the actor requested it, and a second reviewer is required.
    :raises WrongReviewState: if it is approved already.
    """
    _decide(actor, asset, ReviewState.APPROVED, note)


@use_case()
def reject(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Reject an asset, so that it cannot be placed.

    :raises NotPermitted: if the actor may not review.
    :raises WrongReviewState: if it was decided already.
    """
    _decide(actor, asset, ReviewState.REJECTED, note)


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Withdraw an approved asset: its public URLs stop working at once.

    :raises NotPermitted: if the actor may neither review nor withdraw.
    :raises WrongReviewState: if it is not approved.
    """
    _decide(actor, asset, ReviewState.WITHDRAWN, note)


@use_case()
def set_alt_text(*, actor: Actor, asset: Asset, alt_text: str, is_decorative: bool = False) -> None:
    """Set an asset's alternative text, or mark it as decorative.

    :raises NotPermitted: if the actor neither requested it nor may change assets.
    """
    if not _is_own(actor, asset):
        access.require_permission(actor, "change_asset")
    # Read anew: a second tab may hold the asset as it was before the first one saved.
    stored = Asset.objects.select_for_update().get(pk=asset.pk)
    asset.alt_text, asset.is_decorative = stored.alt_text, stored.is_decorative
    suggestion = "" if not asset.alt_suggestion or is_decorative else "changed"
    text = "" if is_decorative else " ".join(alt_text.split())[:MAX_ALT_CHARS]
    if (asset.alt_text, asset.is_decorative) == (text, is_decorative):
        return
    if suggestion and text == asset.alt_suggestion:
        suggestion = "taken"
    asset.alt_text, asset.is_decorative = text, is_decorative
    asset.save(update_fields=["alt_text", "is_decorative"])
    search_text.renew([asset.pk])
    event_log.record(
        actor,
        "asset.changed",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"is_decorative": is_decorative} | ({"suggestion": suggestion} if suggestion else {}),
        personal={"alt_text": text},
    )


def refusal_reason(actor: Actor, asset: Asset, target: ReviewState) -> str:
    """Return why the actor may not set this review state; empty if allowed."""
    if target is ReviewState.APPROVED and (closed := closed_content.closed_reason(asset)):
        return closed
    own = _is_own(actor, asset)
    may_review_own = (
        own
        and not conf.get().require_second_reviewer
        and access.has_permission(actor, "approve_own_asset")
    )
    if not may_decide(actor, target) and not may_review_own:
        return _("You do not have permission to review images.")
    if target not in REVIEW_TRANSITIONS[ReviewState(asset.review_state)]:
        return _("The image's review state: %(state)s.") % {
            "state": asset.get_review_state_display()
        }
    if target is ReviewState.APPROVED and own and conf.get().require_second_reviewer:
        return _("You requested this image; another person must approve it.")
    return ""


def may_decide(actor: Actor, target: ReviewState) -> bool:
    """Return whether the actor may set this review state for other people's images.

    Who may approve may also withdraw; who watches over the rules may withdraw only.
    """
    if access.has_permission(actor, "approve_asset"):
        return True
    return target is ReviewState.WITHDRAWN and access.has_permission(actor, "withdraw_asset")


def _decide(actor: Actor, asset: Asset, target: ReviewState, note: str) -> None:
    if target is ReviewState.APPROVED:
        # Before all permissions: no role opens it.
        closed_content.require_open_asset(asset)
    is_others = not _is_own(actor, asset) or conf.get().require_second_reviewer
    if is_others and not may_decide(actor, target):
        access.require_permission(actor, "approve_asset")
    locked = Asset.objects.select_for_update().select_related("job").get(pk=asset.pk)
    if target is ReviewState.APPROVED and locked.hard_category:
        raise closed_content.ClosedForGood
    reason = refusal_reason(actor, locked, target)
    if reason:
        is_transition = target in REVIEW_TRANSITIONS[ReviewState(locked.review_state)]
        is_self_approval = is_transition and _is_own(actor, locked)
        if locked.review_state == target.value:
            known = past_events.who_and_when(locked, _EVENTS[target])
            raise WrongReviewState(
                _("The image was not changed."),
                reason=f"{reason} {known}".strip(),
                remedy="",
                is_already_done=True,
            )
        error = SelfApprovalForbidden if is_self_approval else WrongReviewState
        if is_self_approval:
            reason = f"{reason} {reviewers.no_second_reviewer(actor)}".strip()
        raise error(_("The image was not changed."), reason=reason, remedy=contact_sentence())
    locked.review_state = target.value
    locked.reviewed_at = clock.now()
    locked.reviewed_by = actor.user if isinstance(actor, Person) else None
    locked.review_note = note[:300]
    locked.save(update_fields=["review_state", "reviewed_at", "reviewed_by", "review_note"])
    event_log.record(
        actor,
        _EVENTS[target],
        subject=locked,
        job=locked.job,
        asset=locked,
        data={"sha256": locked.sha256},
        personal={"note": note},
    )
    if target is ReviewState.APPROVED:
        _record_overridden(actor, locked)
    for name in ("review_state", "reviewed_at", "reviewed_by", "review_note"):
        setattr(asset, name, getattr(locked, name))
    send_asset_reviewed(locked)


def _record_overridden(actor: Actor, asset: Asset) -> None:
    """Record that an image is approved which a screener held for a person, or blocked."""
    verdicts = Verdict.objects.filter(asset=asset).exclude(outcome=VerdictOutcome.PASSED.value)
    # A suggested text that was blocked is gone; approving the image brings it not back.
    verdicts = verdicts.exclude(stage="caption")
    for screener, outcome in verdicts.order_by("pk").values_list("screener", "outcome"):
        event_log.record(
            actor,
            "moderation.overridden",
            subject=asset,
            job=asset.job,
            asset=asset,
            data={"screener": screener, "decision": outcome},
        )


def _is_own(actor: Actor, asset: Asset) -> bool:
    return isinstance(actor, Person) and asset.job.requester_id == actor.user.pk
