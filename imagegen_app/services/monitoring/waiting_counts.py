"""Count the jobs that wait for something of the site, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Min

from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Job

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class WaitingJobs:
    """The unfinished jobs that wait for one reason."""

    reason: WaitingReason
    count: int
    #: Since when the first of them has waited.
    since: datetime


def waiting_jobs() -> list[WaitingJobs]:
    """Return the jobs that wait, by reason, with one query; empty if none does."""
    rows = (
        Job.objects.unfinished()
        .exclude(waiting_for="")
        .filter(waiting_since__isnull=False)
        .values("waiting_for")
        .annotate(count=Count("pk"), since=Min("waiting_since"))
        .order_by("waiting_for")
    )
    known = {reason.value for reason in WaitingReason}
    return [
        WaitingJobs(WaitingReason(row["waiting_for"]), row["count"], row["since"])
        for row in rows
        if row["waiting_for"] in known
    ]
