"""Ask for a review of an image, take the request back, send the image back, or hand the decision on.

An image that nobody asked about is a draft and waits for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

MAX_NOTE_CHARS: Final = 300
#: Who may approve an image once a reviewer has handed the decision on.
DECIDE_ESCALATED: Final = "decide_escalated_asset"
_FIELDS: Final = ("review_requested_at", "review_request_note", "sent_back_at", "escalated_at")


class NotAwaitingReview(ActionRefused):
    """The image does not wait for a decision, or already waits for this one."""

    code = "not_awaiting_review"


class NoteMissing(ActionRefused):
    """The decision needs a note that says why or what to do."""

    code = "note_missing"


@use_case()
def request_review(*, actor: Actor, asset: Asset, note: str = "") -> None:
    """Send a draft to the reviewers, with a note for them.

    :raises NotPermitted: if it is another person's image, and the actor may not place images.
    :raises ClosedForGood: if it was found in a hard category.
    :raises NotAwaitingReview: if it was decided about, or waits for a review already.
    """
    if not is_own(actor, asset):
        access.require_permission(actor, "place_asset")
        access.require_permission(actor, "view_asset")
    closed_content.require_open_asset(asset)
    locked = _locked(asset)
    if locked.review_state != ReviewState.PENDING.value or locked.is_intermediate:
        raise _not_changed(_state_sentence(locked))
    if not ask_for_review(actor, locked, note=note):
        raise _not_changed(
            _("It waits for a review already."), locked, "review.requested", is_already_done=True
        )
    _copy(locked, asset)


def ask_for_review(actor: Actor, asset: Asset, *, note: str = "") -> bool:
    """Have a pending image wait for a review; return whether it did not before.

    Joins the use case of what makes the image need a decision, such as placing it in content.
    """
    if asset.review_state != ReviewState.PENDING.value or asset.review_requested_at is not None:
        return False
    asset.review_requested_at = clock.now()
    asset.review_request_note = note.strip()[:MAX_NOTE_CHARS]
    asset.save(update_fields=["review_requested_at", "review_request_note"])
    _record(actor, "review.requested", asset, note=note)
    return True


@use_case()
def withdraw_request(*, actor: Actor, asset: Asset) -> None:
    """Take an image back from the reviewers: it is a draft again.

    :raises NotPermitted: if it is another person's image, and the actor may not change assets.
    :raises NotAwaitingReview: if it does not wait for a review.
    """
    if not is_own(actor, asset):
        access.require_permission(actor, "change_asset")
    locked = _locked(asset)
    if locked.review_state != ReviewState.PENDING.value:
        raise _not_changed(_state_sentence(locked))
    if locked.review_requested_at is None:
        raise _not_changed(
            _("It does not wait for a review."),
            locked,
            "review.request_withdrawn",
            is_already_done=True,
        )
    locked.review_requested_at = None
    locked.save(update_fields=["review_requested_at"])
    _record(actor, "review.request_withdrawn", locked)
    _copy(locked, asset)


@use_case()
def request_changes(*, actor: Actor, asset: Asset, note: str) -> None:
    """Send an image back to its author with what to change; it is no longer in the queue.

    :raises NotPermitted: if the actor may not review.
    :raises NoteMissing: without a note.
    :raises NotAwaitingReview: if it does not wait for a review.
    """
    _require_reviewer(actor)
    if not note.strip():
        raise NoteMissing(
            _("The image was not changed."), reason=_("Say in the note what to change."), remedy=""
        )
    locked = _require_waiting(asset, done="review.changes_requested")
    locked.review_requested_at, locked.sent_back_at = None, clock.now()
    locked.review_note = note.strip()[:MAX_NOTE_CHARS]
    locked.save(update_fields=["review_requested_at", "sent_back_at", "review_note"])
    _record(actor, "review.changes_requested", locked, note=note)
    _copy(locked, asset)


@use_case()
def escalate(*, actor: Actor, asset: Asset, note: str) -> None:
    """Hand the decision on to the people who decide about escalated images.

    :raises NotPermitted: if the actor may not review.
    :raises NoteMissing: without a note.
    :raises NotAwaitingReview: if it does not wait for a review, or was escalated already.
    """
    _require_reviewer(actor)
    if not note.strip():
        raise NoteMissing(
            _("The image was not changed."),
            reason=_("Say in the note why others should decide."),
            remedy="",
        )
    locked = _require_waiting(asset, done="review.escalated")
    if locked.escalated_at is not None:
        raise _not_changed(
            _("It was escalated already."), locked, "review.escalated", is_already_done=True
        )
    locked.escalated_at = clock.now()
    locked.review_note = note.strip()[:MAX_NOTE_CHARS]
    locked.save(update_fields=["escalated_at", "review_note"])
    _record(actor, "review.escalated", locked, note=note)
    _copy(locked, asset)


def is_own(actor: Actor, asset: Asset) -> bool:
    """Return whether the actor requested the image."""
    return isinstance(actor, Person) and asset.job.requester_id == actor.user.pk


def _require_reviewer(actor: Actor) -> None:
    if not access.has_permission(actor, DECIDE_ESCALATED):
        access.require_permission(actor, "approve_asset")


def _require_waiting(asset: Asset, *, done: str) -> Asset:
    locked = _locked(asset)
    if locked.review_state != ReviewState.PENDING.value:
        raise _not_changed(_state_sentence(locked))
    if locked.review_requested_at is None:
        is_done = locked.sent_back_at is not None and done == "review.changes_requested"
        raise _not_changed(
            _("It does not wait for a review any more."),
            locked,
            "review.changes_requested" if locked.sent_back_at else "review.request_withdrawn",
            is_already_done=is_done,
        )
    return locked


def _locked(asset: Asset) -> Asset:
    locked: Asset = Asset.objects.select_for_update().select_related("job").get(pk=asset.pk)
    return locked


def _copy(locked: Asset, asset: Asset) -> None:
    for name in (*_FIELDS, "review_note"):
        setattr(asset, name, getattr(locked, name))


def _state_sentence(asset: Asset) -> str:
    return _("The image's review state: %(state)s.") % {"state": asset.get_review_state_display()}


def _not_changed(
    reason: str, asset: Asset | None = None, kind: str = "", *, is_already_done: bool = False
) -> NotAwaitingReview:
    known = "" if asset is None else past_events.who_and_when(asset, kind)
    return NotAwaitingReview(
        _("The image was not changed."),
        reason=f"{reason} {known}".strip(),
        remedy="" if is_already_done else contact_sentence(),
        is_already_done=is_already_done,
    )


def _record(actor: Actor, kind: str, asset: Asset, *, note: str = "") -> None:
    event_log.record(
        actor,
        kind,
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"sha256": asset.sha256},
        personal={"note": note} if note else {},
    )
