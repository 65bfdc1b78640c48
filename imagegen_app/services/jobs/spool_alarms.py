"""Record that a worker's disk has no room for answers, so that pages can tell those who wait."""

from __future__ import annotations

from imagegen_app.models import PeriodicRun
from imagegen_app.services.foundation import clock, event_log, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR

#: The alarm is recorded as an event at most once in so many seconds.
ALARM_SECONDS = 600
#: A report is renewed every few seconds while the disk is full, and counts for so long.
REPORT_SECONDS = 30
_ALARM = "spool-alarm"
_REPORT = "spool-full"


def report(reason: str) -> None:
    """Report that no call can be sent now, and record the alarm if that is new."""
    wakeups.record_run(_REPORT)
    if wakeups.claim_slot(_ALARM, seconds=ALARM_SECONDS):
        _record_alarm(reason)


def is_reported() -> bool:
    """Return whether a worker found its disk full just now."""
    return PeriodicRun.objects.filter(
        pk=_REPORT, last_run_at__gte=clock.ago(REPORT_SECONDS)
    ).exists()


@use_case()
def _record_alarm(reason: str) -> None:
    event_log.record(WORKER_ACTOR, "spool.filled", data={"problem": reason[:200]})
