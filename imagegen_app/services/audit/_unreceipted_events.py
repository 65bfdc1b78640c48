"""Find entries that the application did not write: they had no valid receipt when they were sealed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import sealing

if TYPE_CHECKING:
    from imagegen_app.services.audit._log_findings import Findings


def find(findings: Findings) -> None:
    """Add a finding for each event with which the sealer told of such entries."""
    told = AuditEvent.objects.filter(type=sealing.NO_RECEIPT, leaf__isnull=False).order_by("pk")
    for key, body in told.values_list("pk", "body").iterator(chunk_size=1000):
        try:
            data = json.loads(body)["data"]
            first, entries, count = int(data["first"]), str(data["entries"]), int(data["count"])
        except (ValueError, KeyError, TypeError):
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
