"""Find what is gone: events without a position in the log, and texts erased without an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.db.models import Count

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.audit._log_findings import MAX_FINDINGS

if TYPE_CHECKING:
    from uuid import UUID

    from imagegen_app.services.audit._log_findings import Findings


def find_events_without_position(findings: Findings) -> None:
    """Find events that are neither in the log nor waiting to be sealed."""
    lost = AuditEvent.objects.filter(leaf__isnull=True, pending__isnull=True).order_by("pk")
    for key, kind, at in lost.values_list("pk", "type", "at")[: MAX_FINDINGS + 1]:
        findings.add(
            "missing_leaf",
            gettext_noop("Event %(event)s (%(type)s, %(at)s UTC) has no position in the log."),
            event_id=key,
            event=key,
            type=kind,
            at=f"{at:%Y-%m-%d %H:%M:%S}",
        )


def compare_erasures(findings: Findings) -> None:
    """Compare how many texts each erasure took with how many its event says."""
    taken: dict[UUID, int] = dict(
        AuditPersonalText.objects.filter(erased_by__isnull=False)
        .values_list("erased_by")
        .annotate(number=Count("pk"))
        .order_by()
    )
    recorded: dict[UUID, tuple[int, int]] = {}
    # In the order of their keys, so that findings come in the order of the erasures.
    rows = AuditEvent.objects.filter(type="privacy.erased").order_by("pk")
    for uid, key, body in rows.values_list("uid", "pk", "body").iterator(chunk_size=1000):
        try:
            recorded[uid] = (key, int(json.loads(body)["data"].get("count", 0)))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            # Its body was changed, which the walk through the log reports.
            continue
    for uid, (key, count) in recorded.items():
        number = taken.get(uid, 0)
        if number != count:
            findings.add(
                "unrecorded_erasure",
                gettext_noop(
                    "The erasure %(erasure)s says that it took %(recorded)s texts, but "
                    "%(taken)s are marked as taken by it."
                ),
                event_id=key,
                erasure=uid,
                recorded=count,
                taken=number,
            )
    for uid in sorted(taken.keys() - recorded.keys(), key=str):
        findings.add(
            "unrecorded_erasure",
            gettext_noop(
                "%(taken)s texts are marked as taken by %(erasure)s, which is no erasure."
            ),
            erasure=uid,
            taken=taken[uid],
        )
