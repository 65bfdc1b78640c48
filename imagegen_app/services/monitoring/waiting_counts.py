"""Count the jobs that wait for something of the site, and say since when and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Min
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app import conf
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Job
from imagegen_app.models.labels import LABELS
from imagegen_app.services.foundation.local_times import format_in_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class WaitingJobs:
    """The unfinished jobs that wait for one reason."""

    reason: WaitingReason
    count: int
    #: Since when the first of them has waited.
    since: datetime

    @property
    def message(self) -> str:
        """How many jobs wait, since when and for what, in the reader's language."""
        return ngettext(
            "%(count)s job has waited since %(since)s: %(reason)s.",
            "%(count)s jobs have waited, the first since %(since)s: %(reason)s.",
            self.count,
        ) % {
            "count": self.count,
            "since": format_in_text(self.since),
            "reason": LABELS[WaitingReason][self.reason],
        }

    @property
    def remedy(self) -> str:
        """What a person can do about it, in the reader's language."""
        if self.reason is WaitingReason.STORAGE:
            text = _(
                "Check STORAGES['%s'] and the service behind it. The jobs continue by themselves; "
                "what was paid for is kept."
            )
            return text % conf.get().storage
        if self.reason is WaitingReason.TIME_STAMP:
            return _(
                "Check IMAGEGEN['C2PA']['TSA_URL'] and the authority behind it. The jobs continue "
                "by themselves; what was paid for is kept."
            )
        if self.reason is WaitingReason.INTERNAL_ERROR:
            return _("Search the worker's log for the incident that the job's page names.")
        if self.reason is WaitingReason.OTHER_HOST:
            return _(
                "Run a worker on the host that the attempt's page names, with its state folder. If it is "
                "lost, cancel the jobs: they end without images, and stay charged."
            )
        if self.reason is WaitingReason.PROVIDER:
            return _("imagegen_doctor names the provider and the remedy. The jobs then continue.")
        return _("The jobs continue by themselves once it is repaired.")


def waiting_jobs() -> list[WaitingJobs]:
    """Return the jobs that wait, by reason, with one query; empty if none does."""
    rows = (
        Job.objects.unfinished()
        .exclude(waiting_for="")
        .values("waiting_for")
        .annotate(count=Count("pk"), since=Min("waiting_since"))
        .order_by("waiting_for")
    )
    return [found for row in rows if (found := row_of(row)) is not None]


def row_of(row: Mapping[str, Any]) -> WaitingJobs | None:
    """Return a row with `waiting_for`, `count` and `since`; None where no job of it waits."""
    known = {reason.value for reason in WaitingReason}
    if row["waiting_for"] not in known or row["since"] is None:
        return None
    return WaitingJobs(WaitingReason(row["waiting_for"]), row["count"], row["since"])
