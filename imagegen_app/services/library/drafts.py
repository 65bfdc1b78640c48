"""Discard drafts: whoever requested an image may say that it is not to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.announcements import send_asset_reviewed
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor


class NotADraft(ActionRefused):
    """The image was decided about already, so that it is no draft any more."""

    code = "not_a_draft"


def may_discard(actor: Actor, asset: Asset) -> bool:
    """Return whether the image is the actor's own, and nobody has decided about it yet."""
    own = isinstance(actor, Person) and asset.job.requester_id == actor.user.pk
    return own and asset.review_state == ReviewState.PENDING.value


@use_case()
def discard(*, actor: Actor, asset: Asset) -> None:
    """Reject one's own draft, which then is in nobody's way; its record stays.

    :raises NotPermitted: if it is another person's.
    :raises NotADraft: if it was decided about already.
    """
    user = actor.user if isinstance(actor, Person) else None
    if user is None or asset.job.requester_id != user.pk:
        raise access.NotPermitted(
            _("You do not have permission to do this."),
            reason=_("Only who requested an image can discard it as a draft."),
            remedy=access.contact_sentence(),
        )
    locked = Asset.objects.select_for_update().select_related("job").get(pk=asset.pk)
    if locked.review_state != ReviewState.PENDING.value:
        known = past_events.who_and_when(locked, "asset.discarded")
        reason = _("Its review state: %(state)s.") % {"state": locked.get_review_state_display()}
        raise NotADraft(
            _("The image was not changed."),
            reason=f"{reason} {known}".strip(),
            remedy="",
            is_already_done=locked.review_state == ReviewState.REJECTED.value,
        )
    locked.review_state = ReviewState.REJECTED.value
    locked.reviewed_at = clock.now()
    locked.reviewed_by = user
    locked.save(update_fields=["review_state", "reviewed_at", "reviewed_by"])
    event_log.record(
        actor,
        "asset.discarded",
        subject=locked,
        job=locked.job,
        asset=locked,
        data={"sha256": locked.sha256},
    )
    for name in ("review_state", "reviewed_at", "reviewed_by"):
        setattr(asset, name, getattr(locked, name))
    send_asset_reviewed(locked)
