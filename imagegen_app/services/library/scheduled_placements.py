"""Place approved images at a later time: stored until a sweep finds them due, checked again then.

What nobody may place any more, or whose object was deleted or changed meanwhile, is dropped with the
reason, which the batch's page tells.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import IntegrityError
from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.actors import System
from imagegen_app.core.states import ReviewState
from imagegen_app.models import ScheduledPlacement
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.storage_refusals import StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from imagegen_app.core.actors import Actor, Person
    from imagegen_app.models import Asset, Batch

logger = logging.getLogger("imagegen.placement")

SCHEDULE: Final = System("schedule")
#: Images scheduled with one press.
MAX_AT_ONCE: Final = 1000
#: Nobody plans further ahead; a slip in the year would be found by nobody.
MAX_DAYS: Final = 366
#: Placements that one sweep carries out; the next one goes on.
_PLACED_AT_ONCE: Final = 100
#: After a failure of the storage; after another error, twice as long each time.
_RETRY_SECONDS: Final = 300
#: Errors of the site's own code after which a placement is given up: some two and a half hours.
MAX_FAILURES: Final = 6
_State = ScheduledPlacement.State


class CannotSchedule(ActionRefused):
    """The placement cannot be scheduled, or not changed any more."""

    code = "cannot_schedule"


@use_case()
def schedule(
    *,
    actor: Person,
    pairs: Iterable[tuple[Asset, Model]],
    field: str,
    due_at: datetime,
    batch: Batch | None = None,
) -> int:
    """Schedule approved assets for a field of their objects; return how many are scheduled then.

    An asset that is scheduled there already is moved to the new time, and replaces what the object
    shows now.

    :raises NotPermitted: if the actor may not place assets, or not change one of the objects.
    :raises CannotSchedule: if the time is not in the year ahead, there are too many, an asset is not
        approved, or another image is scheduled for the same field.
    """
    access.require_permission(actor, "place_asset")
    require_time(due_at)
    chosen = list(pairs)
    if len(chosen) > MAX_AT_ONCE:
        raise _refusal(
            _("At most %(most)s images can be scheduled together.") % {"most": MAX_AT_ONCE},
            _("Choose fewer."),
        )
    for asset, target in chosen:
        _schedule_one(actor, asset, target, field=field, due_at=due_at, batch=batch)
    return len(chosen)


def _schedule_one(
    actor: Person,
    asset: Asset,
    target: Model,
    *,
    field: str,
    due_at: datetime,
    batch: Batch | None,
) -> None:
    access.require_content_change(actor, target)
    closed_content.require_open_asset(asset)
    if asset.review_state != ReviewState.APPROVED.value:
        raise _refusal(_("It is not approved."), _("Ask a reviewer to approve it first."))
    kind = ContentType.objects.get_for_model(target)
    slot = f"{kind.pk}:{target.pk}:{field}"
    row = ScheduledPlacement(
        asset=asset,
        batch=batch,
        content_type=kind,
        object_id=str(target.pk),
        field=field,
        object_label=str(target)[:200],
        present_value=_value_of(target, field),
        slot=slot,
        requester=actor.user,
        due_at=due_at,
    )
    known = _in_slot(slot)
    if known is None:
        try:
            with database.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            # Another person, or the same button pressed twice, was first.
            known = _in_slot(slot)
            if known is None:
                raise
    if known is not None and known.asset_id != asset.pk:
        raise _refusal(
            _("Another image is scheduled for “%(object)s”.") % {"object": known.object_label},
            _("Cancel that first."),
        )
    if known is not None:
        if (known.due_at, known.present_value) == (due_at, row.present_value):
            return
        known.present_value = row.present_value
        row = known
        row.requester, row.due_at = actor.user, due_at
        row.save()
    _record(actor, "placement.scheduled", row, due_at=due_at.isoformat())


def _in_slot(slot: str) -> ScheduledPlacement | None:
    """Return what waits for a field of an object, locked until the use case ends; None for nothing."""
    found: ScheduledPlacement | None = (
        ScheduledPlacement.objects.select_for_update().filter(slot=slot).first()
    )
    return found


@use_case()
def reschedule(*, actor: Person, batch: Batch, keys: Collection[int], due_at: datetime) -> int:
    """Move waiting placements of a batch to another time; return how many wait for it then.

    They replace what their objects show now, also where that was changed since they were scheduled.

    :raises NotPermitted: if the actor may not place assets.
    :raises CannotSchedule: if the time is not in the year ahead, or none of them waits any more.
    """
    access.require_permission(actor, "place_asset")
    require_time(due_at)
    rows = list(_waiting(batch, keys).select_for_update())
    if not rows:
        raise _nothing_waits(batch, keys)
    values = _present_values(rows)
    for row in rows:
        value = values.get(row.pk, row.present_value)
        if (row.due_at, row.present_value) == (due_at, value):
            continue
        # Whoever sets the time answers for the placement: their permissions are checked then.
        row.due_at, row.present_value, row.requester = due_at, value, actor.user
        row.save(update_fields=["due_at", "present_value", "requester"])
        _record(actor, "placement.scheduled", row, due_at=due_at.isoformat())
    return len(rows)


@use_case()
def cancel(*, actor: Person, batch: Batch, keys: Collection[int]) -> int:
    """Cancel waiting placements of a batch; return how many were cancelled.

    :raises NotPermitted: if the actor may not place assets.
    :raises CannotSchedule: if none of them waits any more.
    """
    access.require_permission(actor, "place_asset")
    rows = list(_waiting(batch, keys).select_for_update())
    if not rows:
        raise _nothing_waits(batch, keys)
    for row in rows:
        _end(row, _State.CANCELLED)
        _record(actor, "placement.dropped", row, reason_code="cancelled")
    return len(rows)


def is_due() -> bool:
    """Return whether a placement is due."""
    rows = ScheduledPlacement.objects.filter(state=_State.WAITING, due_at__lte=clock.now())
    return bool(rows.exists())


def place_due() -> int:
    """Place what is due, each in a transaction of its own; return how many were placed."""
    rows = ScheduledPlacement.objects.filter(state=_State.WAITING, due_at__lte=clock.now())
    placed = 0
    for key in list(rows.order_by("due_at", "pk").values_list("pk", flat=True)[:_PLACED_AT_ONCE]):
        try:
            placed += _place(key)
        except StorageUnavailable:
            _postpone(key)
        except Exception:
            # Perhaps of the site's own code, which is called when an object is saved.
            logger.exception("The scheduled placement %s failed.", key)
            _count_failure(key)
    return placed


@use_case()
def _place(key: int) -> bool:
    """Place one image, or drop it with the reason; return whether it was placed."""
    row = (
        ScheduledPlacement.objects.select_for_update()
        .filter(pk=key, state=_State.WAITING, due_at__lte=clock.now())
        .first()
    )
    if row is None:
        # Cancelled, moved or placed by another worker meanwhile.
        return False
    person = access.active_person(row.requester_id)
    reason, code = _drop_reason(row, person)
    if person is not None and not reason:
        target: Any = row.target
        try:
            placement.attach(actor=person, asset=row.asset, target=target, field=row.field)
        except StorageUnavailable:
            raise
        except ActionRefused as refusal:
            reason, code = refusal.reason, refusal.code
    if reason:
        _end(row, _State.DROPPED, reason=reason)
        _record(SCHEDULE, "placement.dropped", row, reason_code=code)
        return False
    _end(row, _State.PLACED)
    return True


def _drop_reason(row: ScheduledPlacement, person: Person | None) -> tuple[str, str]:
    """Return why a due image is not placed, in words and as a code; both empty if it may be."""
    if person is None:
        return _("The account that scheduled it is no longer active."), "account_gone"
    try:
        target = row.target
    except (AttributeError, ObjectDoesNotExist):
        # The model itself is gone from the site.
        target = None
    if target is None:
        return _("The object was deleted meanwhile."), "object_deleted"
    try:
        is_placed = placement.is_placed(asset=row.asset, target=target, field=row.field)
        present_value = _value_of(target, row.field)
    except FieldDoesNotExist:
        return _("The field no longer exists on the site."), "field_removed"
    if is_placed:
        return "", ""
    if present_value != row.present_value:
        return _("Somebody has changed the object's image meanwhile."), "object_changed"
    return "", ""


def _present_values(rows: list[ScheduledPlacement]) -> dict[int, str]:
    """Return what the objects' fields hold now, by placement; none for an object or field that is gone."""
    kinds = ContentType.objects
    known = [row for row in rows if kinds.get_for_id(row.content_type_id).model_class() is not None]
    prefetch_related_objects(known, "target")
    found = {}
    for row in known:
        with suppress(FieldDoesNotExist):
            if row.target is not None:
                found[row.pk] = _value_of(row.target, row.field)
    return found


def _value_of(target: Model, field: str) -> str:
    """Return what a field holds, as long as it is stored; `FieldDoesNotExist` if it was removed."""
    return placement.value_of(target, field)[:300]


@use_case(audited=False)
def _postpone(key: int) -> None:
    ScheduledPlacement.objects.filter(pk=key, state=_State.WAITING).update(
        due_at=clock.now() + timedelta(seconds=_RETRY_SECONDS)
    )


@use_case()
def _count_failure(key: int) -> None:
    """Try a placement again later, or give it up after too many errors, which its batch's page tells."""
    row = (
        ScheduledPlacement.objects.select_for_update().filter(pk=key, state=_State.WAITING).first()
    )
    if row is None:
        skip_audit_event()
        return
    row.failures += 1
    if row.failures >= MAX_FAILURES:
        row.save(update_fields=["failures"])
        reason = _(
            "The site's own code ended with an error %(number)s times, which the server's log tells. "
            "Place the image by hand once it is corrected."
        )
        _end(row, _State.DROPPED, reason=reason % {"number": row.failures})
        _record(SCHEDULE, "placement.dropped", row, reason_code="internal_error")
        return
    seconds = _RETRY_SECONDS * 2 ** (row.failures - 1)
    row.due_at = clock.now() + timedelta(seconds=seconds)
    row.save(update_fields=["failures", "due_at"])
    skip_audit_event()


def _end(row: ScheduledPlacement, state: ScheduledPlacement.State, *, reason: str = "") -> None:
    row.state, row.reason, row.ended_at, row.slot = state, reason[:300], clock.now(), None
    row.save(update_fields=["state", "reason", "ended_at", "slot"])


def _waiting(batch: Batch, keys: Collection[int]) -> QuerySet[ScheduledPlacement]:
    found: QuerySet[ScheduledPlacement] = ScheduledPlacement.objects.filter(
        batch=batch, pk__in=list(keys)[:MAX_AT_ONCE], state=_State.WAITING
    )
    return found.order_by("pk")


def require_time(due_at: datetime) -> None:
    """Require that something can be scheduled for a time.

    :raises CannotSchedule: if it is not in the year ahead.
    """
    now = clock.now()
    if not now < due_at <= now + timedelta(days=MAX_DAYS):
        raise _refusal(
            _("The time is not within the year ahead."), _("Choose a time in the future.")
        )


def _nothing_waits(batch: Batch, keys: Collection[int]) -> CannotSchedule:
    rows = ScheduledPlacement.objects.filter(batch=batch, pk__in=list(keys)[:MAX_AT_ONCE])
    ended = rows.select_related("asset").order_by("-ended_at").first()
    kinds = ("placement.dropped", "placement.created")
    known = "" if ended is None else past_events.who_and_when(ended.asset, *kinds)
    reason = _("None of these placements waits for its time any more.")
    return CannotSchedule(
        _("Nothing was changed."),
        reason=f"{reason} {known}".strip(),
        remedy="",
        is_already_done=ended is not None,
    )


def _refusal(reason: str, remedy: str) -> CannotSchedule:
    return CannotSchedule(_("Nothing was scheduled."), reason=reason, remedy=remedy)


def _record(actor: Actor, kind: str, row: ScheduledPlacement, **data: str) -> None:
    content = row.content_type
    event_log.record(
        actor,
        kind,
        subject=row.asset,
        job=row.asset.job,
        asset=row.asset,
        data={
            "target": f"{content.app_label}.{content.model}:{row.object_id}",
            "field": row.field,
            **data,
        },
        personal={"target_label": row.object_label},
    )
