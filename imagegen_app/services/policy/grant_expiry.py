"""Record grants whose time is over: nobody acts then, and their users are refused from then on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from imagegen_app.models import AuditEvent, Grant
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.event_log import NewEvent
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

#: Grants that ended longer ago are not looked at any more, so that the look stays short.
_LOOK_BACK: Final = timedelta(days=30)
_BATCH: Final = 500


@use_case()
def record_expired(actor: Actor) -> int:
    """Record each grant that has ended and was not recorded yet; return how many."""
    now = clock.now()
    ended = list(
        Grant.objects.filter(ends_at__lte=now, ends_at__gt=now - _LOOK_BACK)
        .select_related("image_model")
        .order_by("ends_at", "pk")[:_BATCH]
    )
    if not ended:
        return 0
    told = dict(
        AuditEvent.objects.filter(
            type="grant.expired",
            object_type="grant",
            object_id__in=[str(grant.pk) for grant in ended],
        )
        .order_by("pk")
        .values_list("object_id", "at")
    )
    # A grant that was prolonged after it had ended may end once more.
    new = [
        grant
        for grant in ended
        if grant.ends_at and (str(grant.pk) not in told or told[str(grant.pk)] < grant.ends_at)
    ]
    event_log.record_many(
        actor,
        [
            NewEvent(
                "grant.expired",
                subject=grant,
                data={
                    "group": grant.group_id,
                    "model": grant.image_model.slug,
                    "until": grant.ends_at,
                },
            )
            for grant in new
        ],
    )
    return len(new)
