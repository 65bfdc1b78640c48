"""Decide whether an asset may be shown, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.states import REVIEW_MOVES, ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.announcements import asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import Refused, whom_to_ask

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

_EVENTS = {
    ReviewState.APPROVED: "review.approved",
    ReviewState.REJECTED: "review.rejected",
    ReviewState.WITHDRAWN: "asset.withdrawn",
}


class WrongReviewState(Refused):
    """The asset's review does not allow this decision."""

    code = "wrong_review_state"


class FourEyes(Refused):
    """Nobody approves an image of their own."""

    code = "four_eyes"


@use_case()
def approve(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Let an asset be placed in published content.

    :raises NotPermitted: if the actor may not approve.
    :raises FourEyes: if the actor requested it, and the site wants a second person.
    :raises WrongReviewState: if it is approved already.
    """
    _decide(actor, asset, ReviewState.APPROVED, note)


@use_case()
def reject(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Keep an asset out of content.

    :raises NotPermitted: if the actor may not decide.
    :raises WrongReviewState: if it was decided already.
    """
    _decide(actor, asset, ReviewState.REJECTED, note)


@use_case()
def withdraw(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Take an approved asset back: it is no longer served, wherever it stands.

    :raises NotPermitted: if the actor may not decide.
    :raises WrongReviewState: if it is not approved.
    """
    _decide(actor, asset, ReviewState.WITHDRAWN, note)


@use_case()
def describe(*, actor: Actor, asset: Asset, alt_text: str, is_decorative: bool = False) -> None:
    """Write an asset's alternative text, or say that it is decoration.

    :raises NotPermitted: if the actor neither requested it nor may change assets.
    """
    if not _is_own(actor, asset):
        access.demand(actor, "change_asset")
    suggestion = "" if not asset.alt_suggestion or is_decorative else "changed"
    text = "" if is_decorative else " ".join(alt_text.split())[:MAX_ALT_CHARS]
    if (asset.alt_text, asset.is_decorative) == (text, is_decorative):
        return
    if suggestion and text == asset.alt_suggestion:
        suggestion = "taken"
    asset.alt_text, asset.is_decorative = text, is_decorative
    asset.save(update_fields=["alt_text", "is_decorative"])
    event_log.record(
        actor,
        "asset.changed",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"is_decorative": is_decorative} | ({"suggestion": suggestion} if suggestion else {}),
        personal={"alt_text": text},
    )


def why_not(actor: Actor, asset: Asset, target: ReviewState) -> str:
    """Say why the actor cannot decide so, or return an empty string."""
    own = _is_own(actor, asset)
    alone = own and not conf.get().four_eyes and access.may(actor, "approve_own_asset")
    if not access.may(actor, "approve_asset") and not alone:
        return _("You do not have permission to review images.")
    if target not in REVIEW_MOVES[ReviewState(asset.review)]:
        return _("The image's review state: %(state)s.") % {"state": asset.get_review_display()}
    if target is ReviewState.APPROVED and own and conf.get().four_eyes:
        return _("You requested this image; another person must approve it.")
    return ""


def _decide(actor: Actor, asset: Asset, target: ReviewState, note: str) -> None:
    if not _is_own(actor, asset) or conf.get().four_eyes:
        access.demand(actor, "approve_asset")
    locked = Asset.objects.select_for_update().select_related("job").get(pk=asset.pk)
    reason = why_not(actor, locked, target)
    if reason:
        legal = target in REVIEW_MOVES[ReviewState(locked.review)]
        kind = FourEyes if legal and _is_own(actor, locked) else WrongReviewState
        raise kind(_("The image was not changed."), why=reason, remedy=whom_to_ask())
    locked.review = target.value
    locked.reviewed_at = clock.now()
    locked.reviewed_by = actor.account if isinstance(actor, Person) else None
    locked.review_note = note[:300]
    locked.save(update_fields=["review", "reviewed_at", "reviewed_by", "review_note"])
    event_log.record(
        actor,
        _EVENTS[target],
        subject=locked,
        job=locked.job,
        asset=locked,
        data={"sha256": locked.sha256},
        personal={"note": note},
    )
    for name in ("review", "reviewed_at", "reviewed_by", "review_note"):
        setattr(asset, name, getattr(locked, name))
    asset_reviewed(locked)


def _is_own(actor: Actor, asset: Asset) -> bool:
    return isinstance(actor, Person) and asset.job.requester_id == actor.account.pk
