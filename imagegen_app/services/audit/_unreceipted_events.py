"""Find entries that the application did not write: they had no valid receipt when they were sealed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import _unreceipted_leaves, sealing

if TYPE_CHECKING:
    from imagegen_app.services.audit._log_findings import Findings


def find(findings: Findings, *, unsigned_from: int) -> None:
    """Add a finding for each event with which the sealer told of such entries.

    What no checkpoint covers, from `unsigned_from` on, is looked at now: the sealer only tells of it
    when it signs.
    """
    for seq in _unreceipted_leaves.find(since=unsigned_from):
        findings.add(
            "no_receipt",
            gettext_noop("Entry %(entry)s was not entered in the log by the application."),
            seq=seq,
            entry=seq,
        )
    told = AuditEvent.objects.filter(type=sealing.NO_RECEIPT, leaf__isnull=False).order_by("pk")
    for key, body in told.values_list("pk", "body").iterator(chunk_size=1000):
        try:
            data = json.loads(body)["data"]
            first, entries, count = int(data["first"]), str(data["entries"]), int(data["count"])
        except (ValueError, LookupError, TypeError, RecursionError):
            # Its body was changed, which the walk through the log reports.
            continue
        findings.add(
            "no_receipt",
            gettext_noop(
                "Entries %(entries)s (%(count)s in all) were not written by the application, or "
                "were changed before they were sealed."
            ),
            seq=first,
            event_id=key,
            entries=entries,
            count=count,
        )
