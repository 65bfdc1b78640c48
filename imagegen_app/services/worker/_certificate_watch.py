"""Keep queued jobs from being sent while nothing can be signed: no money for what cannot be published."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Coalesce

from imagegen_app.core.states import JobState, WaitingReason
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import signing
from imagegen_app.services.jobs import waiting
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Held jobs become due again after so many seconds; they continue sooner if signing works sooner.
HOLD_SECONDS = 20.0


class CertificateWatch:
    """What one driver knows about the certificate."""

    def __init__(self) -> None:
        self._works = False

    def excluded_jobs(self, *, now: datetime) -> Q | None:
        """Return a filter for the queued jobs not to claim, or None if images can be signed.

        Those that are due are held until later; when signing works again they continue at once.
        """
        reason = signing.unusable_reason()
        if reason:
            self._works = False
            if _due(now).exists():
                hold_queued_jobs(reason)
            return _sendable(now)
        if not self._works:
            self._works = True
            held = Job.objects.unfinished().filter(waiting_for=WaitingReason.CERTIFICATE.value)
            if held.filter(due_at__gt=now).exists():
                waiting.try_now(WaitingReason.CERTIFICATE, actor=WORKER_ACTOR)
        return None


@use_case()
def hold_queued_jobs(reason: str) -> int:
    """Let all queued jobs that are due wait for the certificate; return how many there are.

    One event tells of all of them, when the first of them have to wait.
    """
    now = clock.now()
    held = Job.objects.filter(
        state=JobState.QUEUED.value, waiting_for=WaitingReason.CERTIFICATE.value
    )
    is_new = not held.exists()
    count = _due(now).update(
        waiting_for=WaitingReason.CERTIFICATE.value,
        waiting_since=Coalesce("waiting_since", now),
        due_at=now + timedelta(seconds=HOLD_SECONDS),
    )
    if is_new and count:
        event_log.record(
            WORKER_ACTOR, "certificate.refused", data={"detail": reason[:200], "count": count}
        )
    else:
        skip_audit_event()
    return int(count)


def _sendable(now: datetime) -> Q:
    """Return a filter for jobs that only a call can bring further; the others end without one."""
    return Q(cancel_requested_at__isnull=True, deadline_at__gt=now)


def _due(now: datetime) -> QuerySet[Job]:
    """Return the queued jobs that would be claimed next."""
    due: QuerySet[Job] = Job.objects.due(now).filter(
        _sendable(now), state=JobState.QUEUED.value, is_held=False
    )
    return due
