"""Let administrators try the content checks on a text or an image of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_INPUT_BYTES, MAX_PROMPT_CHARS
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation import clock, event_log, stored_messages
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screener_trials
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.gateways.screener_trials import ScreenerTrial

#: Who may see verdicts may also see how they come about.
PERMISSION: Final = "view_verdict"
#: Answers of screeners that one person may ask for in a minute: services bill them.
MAX_PER_MINUTE: Final = 30


class CannotTry(ActionRefused):
    """The content checks were not asked."""

    code = "cannot_try_screeners"


def try_screeners(*, actor: Actor, text: str = "", image: bytes = b"") -> list[ScreenerTrial]:
    """Ask the screeners about a text, an image or both, and record that, without what was asked.

    Nothing of it is stored, and no budget is charged: what it cost stands in the events.

    :raises NotPermitted: if the actor may not see verdicts.
    :raises CannotTry: if there is nothing to ask about, it is too much, or too often.
    """
    access.require_permission(actor, PERMISSION)
    text = text.strip()
    if not text and not image:
        raise _refusal(_("There is neither a text nor an image."), _("Give one of them."))
    if len(text) > MAX_PROMPT_CHARS:
        raise _refusal(_("The text is too long."), _("Shorten it."))
    if len(image) > MAX_INPUT_BYTES:
        raise _refusal(_("The image is too large."), _("Choose a smaller one."))
    _require_rate(actor)
    pixels, media_type = b"", ""
    if image:
        try:
            pixels, media_type = screener_trials.pixels_of(image)
        except screener_trials.ImageNotReadable as problem:
            reason = stored_messages.translate_stored(str(problem))
            raise _refusal(reason, _("Choose another file.")) from None
    # Outside of any transaction of ours: services may take their time.
    found = screener_trials.try_text(text) if text else []
    if image:
        found += screener_trials.try_image(pixels, media_type=media_type)
    if not found:
        raise _refusal(
            _("No content check is set up for it."), _("Add one to IMAGEGEN['SCREENERS'].")
        )
    _record(actor, found)
    return found


def _require_rate(actor: Actor) -> None:
    recent = AuditEvent.objects.filter(
        type="moderation.tried",
        actor_kind=actor.kind,
        actor_id=actor.id,
        at__gte=clock.now() - timedelta(minutes=1),
    ).count()
    if recent >= MAX_PER_MINUTE:
        raise _refusal(_("That was tried too often."), _("Wait a minute, then try again."))


@use_case()
def _record(actor: Actor, found: Sequence[ScreenerTrial]) -> None:
    for one in found:
        verdict = one.verdict
        event_log.record(
            actor,
            "moderation.tried",
            data={
                "screener": verdict.screener,
                "decision": verdict.decision.outcome,
                "stage": verdict.stage,
                "categories": list(verdict.decision.categories),
                "hard_category": str(verdict.decision.hard_category or ""),
                "screener_model": verdict.decision.model,
                "cost": verdict.cost,
                "failure": verdict.failure,
            },
        )


def _refusal(reason: str, remedy: str) -> CannotTry:
    return CannotTry(_("The content checks were not asked."), reason=reason, remedy=remedy)
