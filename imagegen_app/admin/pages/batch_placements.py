"""Place a batch's approved images from its pages, at once or at a time that a person chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Placement, ScheduledPlacement
from imagegen_app.services.batches import lifecycle, placing
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.foundation.local_times import format_in_text
from imagegen_app.services.library import planned_places, scheduled_placements
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch

#: Images that one press of the button places at once: each is a file that is copied.
PLACED_AT_ONCE: Final = 200
#: Times and dropped images that the page of a batch lists.
_MOST_LISTED: Final = 50
_TIME = forms.DateTimeField(required=False)


def unplaced(batch: Batch) -> QuerySet[Asset]:
    """Return the approved images that stand nowhere yet, and are not scheduled either."""
    placed = Placement.objects.active().filter(asset=OuterRef("pk"))
    waiting = ScheduledPlacement.objects.filter(
        asset=OuterRef("pk"), state=ScheduledPlacement.State.WAITING
    )
    found: QuerySet[Asset] = (
        Asset.objects.filter(
            job__batch=batch,
            is_intermediate=False,
            review_state=ReviewState.APPROVED.value,
        )
        # The images of these stay in the library.
        .exclude(job__shot__in=planned_places.unplaced_shots(batch))
        .exclude(Exists(placed))
        .exclude(Exists(waiting))
        .select_related("job")
        .order_by("created_at", "pk")
    )
    return found


def place(request: HttpRequest, actor: Person, batch: Batch, chosen: Sequence[Asset]) -> None:
    """Place images now, or at the time that the form names; say what was done.

    :raises ActionRefused: as `lifecycle.place_approved` and `placing.schedule_approved`.
    """
    due_at = time_from(str(request.POST.get("place_at", "")))
    if due_at is None:
        number = lifecycle.place_approved(actor=actor, batch=batch, assets=chosen)
        text = ngettext("%(count)s image was placed.", "%(count)s images were placed.", number)
        if number:
            messages.success(request, text % {"count": number})
        return
    number = placing.schedule_approved(actor=actor, batch=batch, assets=chosen, due_at=due_at)
    text = ngettext(
        "%(count)s image will be placed on %(time)s.",
        "%(count)s images will be placed on %(time)s.",
        number,
    )
    if number:
        messages.success(request, text % {"count": number, "time": time_words(due_at)})


def require_possible_time(request: HttpRequest) -> None:
    """Require that the time that the form names, if it names one, can be scheduled.

    :raises CannotSchedule: if it is none, or not in the year ahead.
    """
    due_at = time_from(str(request.POST.get("place_at", "")))
    if due_at is not None:
        scheduled_placements.require_time(due_at)


def time_from(text: str) -> datetime | None:
    """Return the time that a person typed, in the site's time zone; None for nothing.

    :raises CannotSchedule: if it is no time, or one that the clocks skip or have twice.
    """
    try:
        found: datetime | None = _TIME.clean(text.replace("T", " ")[:40])
    except forms.ValidationError as error:
        raise scheduled_placements.CannotSchedule(
            _("Nothing was scheduled."),
            reason=" ".join(error.messages),
            remedy=_("Give date and time, such as 2030-05-31 08:00."),
        ) from None
    return found


def time_words(moment: datetime) -> str:
    """Return a time in the site's time zone, with the zone's name."""
    return f"{format_in_text(moment)} {timezone.localtime(moment).tzname()}"


def _as_typed(moment: datetime) -> str:
    """Return a time as the field of a form takes it."""
    return timezone.localtime(moment).replace(tzinfo=None).isoformat(timespec="minutes")


def zone_name() -> str:
    """Return the name of the time zone that people give times in."""
    return str(timezone.get_current_timezone_name())


def change_scheduled(request: HttpRequest, actor: Person, batch: Batch) -> None:
    """Cancel or move the placements of one time, as the form of the batch's page asks.

    :raises ActionRefused: as `scheduled_placements.cancel` and `scheduled_placements.reschedule`.
    """
    keys = [int(text) for text in request.POST.getlist("placement") if text.isdecimal()]
    if "unschedule" in request.POST:
        number = scheduled_placements.cancel(actor=actor, batch=batch, keys=keys)
        text = ngettext(
            "%(count)s placement was cancelled.", "%(count)s placements were cancelled.", number
        )
        messages.success(request, text % {"count": number})
        return
    due_at = time_from(str(request.POST.get("place_at", "")))
    if due_at is None:
        raise scheduled_placements.CannotSchedule(
            _("Nothing was scheduled."),
            reason=_("No time was given."),
            remedy=_("Give date and time, such as 2030-05-31 08:00."),
        )
    number = scheduled_placements.reschedule(actor=actor, batch=batch, keys=keys, due_at=due_at)
    text = ngettext(
        "%(count)s image will be placed on %(time)s.",
        "%(count)s images will be placed on %(time)s.",
        number,
    )
    messages.success(request, text % {"count": number, "time": time_words(due_at)})


def scheduled_context(actor: Person, batch: Batch) -> dict[str, Any]:
    """Return what the batch's page shows of placements that wait for a time, or were dropped."""
    rows = ScheduledPlacement.objects.filter(batch=batch)
    waiting: dict[datetime, list[ScheduledPlacement]] = {}
    found = rows.filter(state=ScheduledPlacement.State.WAITING).order_by("due_at", "pk")
    for row in found[: scheduled_placements.MAX_AT_ONCE]:
        waiting.setdefault(row.due_at, []).append(row)
    dropped = rows.filter(state=ScheduledPlacement.State.DROPPED).order_by("-ended_at", "-pk")
    return {
        "scheduled": [
            {
                "time": time_words(due_at),
                "value": _as_typed(due_at),
                "keys": [row.pk for row in group],
                "labels": ", ".join(row.object_label for row in group[:3]),
                "more": max(0, len(group) - 3),
            }
            for due_at, group in list(waiting.items())[:_MOST_LISTED]
        ],
        "dropped": [
            {
                "label": row.object_label,
                "asset": row.asset_id,
                "reason": stored_messages.translate_stored(row.reason),
            }
            for row in dropped[:_MOST_LISTED]
        ],
        "may_place": access.has_permission(actor, "place_asset"),
        "zone": zone_name(),
    }
