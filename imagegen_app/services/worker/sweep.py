"""Wake workers for due jobs, seal the log and clear leftovers; safe to repeat at any time."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from uuid import UUID

from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import LIVE_ATTEMPT_STATES, JobState
from imagegen_app.models import Attempt, Job, WebhookDelivery
from imagegen_app.services.audit import sealing
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation import clock, db_session, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.foundation.wakeups import wake_now
from imagegen_app.services.gateways import spool
from imagegen_app.services.jobs import leases
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.worker import _recovery

#: A due step further away than this is left to a later sweep.
LATER_SECONDS = 60
SPOOL_RETENTION_SECONDS = 86_400
WEBHOOK_RETENTION_SECONDS = 72 * 3600
BATCH = 500


def sweep() -> int:
    """Wake a worker for due work, seal the log and clear leftovers; return how many jobs are due."""
    db_session.limit_idle_transactions()
    due = Job.objects.due(clock.now()).count()
    if due or row_jobs.has_pending_rows():
        wake_now("drive")
    failpoint("sweep.mid_batch")
    sealing.seal()
    sealing.make_checkpoint(WORKER_ACTOR)
    if wakeups.claim_slot("clearing", seconds=600):
        clear_spool()
        clear_webhook_bodies()
        make_resendable_due()
    wakeups.record_run("sweep")
    return due


def schedule_next_wakeup() -> None:
    """Wake a worker for the next step that is due soon, where the engine can wait."""
    now = clock.now()
    due = leases.next_due_at(now)
    if due is None:
        return
    seconds = (due - now).total_seconds()
    if seconds <= 0:
        wake_now("drive")
    elif seconds < LATER_SECONDS:
        wake_now("drive", delay=seconds)


def clear_spool() -> int:
    """Remove spooled answers older than a day whose attempt has ended or does not exist."""
    removed = 0
    limit = time.time() - SPOOL_RETENTION_SECONDS
    for folder in sorted(spool.folder().iterdir())[:BATCH]:
        if not folder.is_dir() or folder.stat().st_mtime > limit:
            continue
        try:
            attempt = Attempt.objects.filter(pk=UUID(folder.name)).first()
        except ValueError:
            continue
        if attempt is None or attempt.state not in LIVE_ATTEMPT_STATES:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


@use_case(audited=False)
def clear_webhook_bodies() -> int:
    """Blank the bodies of webhook deliveries that are too old to be sent again."""
    limit = clock.now() - timedelta(seconds=WEBHOOK_RETENTION_SECONDS)
    return WebhookDelivery.objects.filter(received_at__lt=limit).exclude(body="").update(body="")


@use_case(audited=False)
def make_resendable_due() -> int:
    """Make jobs due that wait for a person although their call can be sent again and is billed once.

    Such jobs come from the time before their adapter declared idempotency keys.
    """
    now = clock.now()
    waiting = (
        Job.objects.filter(
            state=JobState.UNCERTAIN.value,
            cancel_requested_at__isnull=True,
            due_at__gt=now + timedelta(seconds=LATER_SECONDS),
            lease_until__isnull=True,
        )
        .select_related("image_model__provider", "live_attempt__image_model__provider")
        .prefetch_related("inputs")
    )
    found = [job.pk for job in waiting[:BATCH] if _recovery.can_resend(job, job.live_attempt)]
    count: int = Job.objects.filter(pk__in=found, lease_until__isnull=True).update(due_at=now)
    return count
