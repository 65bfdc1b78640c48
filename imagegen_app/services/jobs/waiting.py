"""Let jobs wait for something of the site that is out of order, and continue when it works again.

Waiting is no failure of the job: it costs no try and no worker is counted as lost. The job's state
stays, and so do its lease rules, its deadline and its answer in the spool.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from django.db.models import F

from imagegen_app.core.states import WaitingReason
from imagegen_app.engines.base import wake
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.jobs import leases
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

#: The longest delay, in seconds, before a waiting job's step is tried again.
MAX_WAIT_SECONDS = 60.0
#: The longest delay by reason, where a try costs more: screeners are paid for each.
#: Which host takes a step is chance, so one that waits for a certain host is tried more often.
MAX_WAIT_SECONDS_FOR = {WaitingReason.TIME_STAMP: 300.0, WaitingReason.OTHER_HOST: 10.0}


@use_case()
def wait_for(job: Job, reason: WaitingReason, *, detail: str = "") -> None:
    """Release the lease and try the job's present step again later, with growing delays.

    The first time that a job waits for this reason is recorded as an event; `detail` is a short
    technical reason in our own words.

    :raises LeaseLost: if the lease was lost.
    """
    is_new = job.waiting_for != reason.value
    count = 0 if is_new else job.wait_count
    changes = {
        "waiting_for": reason.value,
        "waiting_since": clock.now() if is_new else job.waiting_since,
        "wait_count": count + 1,
        "expired_leases": 0,
        **leases.release_fields(_delay(reason, count)),
    }
    held = Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token)
    if not held.update(**changes):
        raise leases.LeaseLost(str(job.pk))
    for name, value in changes.items():
        setattr(job, name, value)
    if is_new:
        event_log.record(
            WORKER_ACTOR,
            "job.postponed",
            subject=job,
            job=job,
            data={"waiting_for": reason.value, "detail": detail[:200]},
        )
    else:
        skip_audit_event()


@use_case()
def try_now(reason: WaitingReason, *, actor: Actor) -> int:
    """Make all jobs that wait for this reason due at once; return how many there are."""
    now = clock.now()
    waiting = Job.objects.unfinished().filter(waiting_for=reason.value, due_at__gt=now)
    # Not now: somebody who does the same at this moment may have an earlier clock reading.
    count: int = waiting.update(due_at=F("waiting_since"))
    if count:
        event_log.record(actor, "job.tried_now", data={"waiting_for": reason.value, "count": count})
        wake("drive")
    else:
        skip_audit_event()
    return count


def _delay(reason: WaitingReason, count: int) -> float:
    most = MAX_WAIT_SECONDS_FOR.get(reason, MAX_WAIT_SECONDS)
    grown = min(most, 2.0 * 2.0 ** min(count, 10))
    return grown * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
