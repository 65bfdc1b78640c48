"""Wake workers for due jobs, seal and publish the log, clear leftovers; safe to repeat anytime."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import LIVE_ATTEMPT_STATES, JobState
from imagegen_app.models import Attempt, Job, WebhookDelivery
from imagegen_app.services.audit import log_key, publication, sealing
from imagegen_app.services.batches import row_jobs, row_texts, table_uploads
from imagegen_app.services.foundation import clock, db_session, outbox, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.foundation.wakeups import wake_now
from imagegen_app.services.gateways import spool
from imagegen_app.services.jobs import job_previews, kept_answers, leases, text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.library import scheduled_placements, takedown, withdrawal_tasks
from imagegen_app.services.policy import grant_expiry
from imagegen_app.services.worker import _recovery, finished_work

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("imagegen.worker")
#: A due step further away than this is left to a later sweep.
LATER_SECONDS = 60
SPOOL_RETENTION_SECONDS = 86_400
#: No call takes longer than its time limit of 15 minutes.
PARTIAL_RETENTION_SECONDS = 3600
WEBHOOK_RETENTION_SECONDS = 72 * 3600
BATCH = 500
#: The periodic task that clears leftovers, and the seconds between two runs.
CLEARING = "clearing"
CLEARING_SECONDS = 600
#: The periodic task that publishes the log, and the seconds between two tries.
PUBLISHING = "publishing"
PUBLISHING_SECONDS = 600


def sweep() -> int:
    """Wake a worker for due work, seal and publish the log and clear leftovers; return the due jobs.

    Where there is nothing to do, as for most of an idle worker's life, this is one transaction.
    """
    db_session.limit_idle_transactions()
    found = _look()
    if found.is_work_due:
        wake_now("drive")
    failpoint("sweep.mid_batch")
    if found.must_seal:
        _seal_log()
        _sign_log()
    if found.must_publish and wakeups.claim_slot(PUBLISHING, seconds=PUBLISHING_SECONDS):
        _publish_log()
    if found.must_clear and wakeups.claim_slot(CLEARING, seconds=CLEARING_SECONDS):
        clear_spool()
        kept_answers.clear_old_answers()
        job_previews.clear_leftovers()
        clear_webhook_bodies()
        takedown.delete_copies()
        make_resendable_due()
        grant_expiry.record_expired(WORKER_ACTOR)
        text_calls.end_lost(WORKER_ACTOR)
        row_texts.end_lost()
        table_uploads.delete_expired()
    if found.must_place:
        scheduled_placements.place_due()
    if found.must_mail and wakeups.claim_slot(
        finished_work.MAILING, seconds=finished_work.MAILING_SECONDS
    ):
        finished_work.mail_finished_work()
    if found.must_follow_up:
        # Last, since it may take long: it searches files, and calls the site's code.
        withdrawal_tasks.run()
    if not found.is_over:
        wakeups.record_run("sweep")
    return found.due_jobs


def _seal_log() -> None:
    try:
        sealing.seal()
    except sealing.LogDamaged as error:
        # All else goes on; what refuses to sign the log records the alarm.
        _log.error("The log is not sealed: %s", error)


def _sign_log() -> None:
    try:
        sealing.make_checkpoint(WORKER_ACTOR)
    except log_key.KeyUnreadable as error:
        # All else goes on; another host may have the key, or the settings do not name the new one yet.
        _log.warning("The log is not signed: %s", error)


def _publish_log() -> None:
    try:
        publication.publish(WORKER_ACTOR)
    except log_key.KeyUnreadable as error:
        _log.warning("The log is not published: %s", error)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a sweep has to do."""

    due_jobs: int
    is_work_due: bool
    must_seal: bool
    must_publish: bool
    must_clear: bool
    #: Whether an image that was scheduled for now is to be placed.
    must_place: bool
    #: Whether people may want a mail about finished work.
    must_mail: bool
    #: Whether a withdrawal has left something to do.
    must_follow_up: bool

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to do, so that looking was the whole sweep."""
        parts = (
            self.is_work_due,
            self.must_seal,
            self.must_publish,
            self.must_clear,
            self.must_place,
            self.must_mail,
            self.must_follow_up,
        )
        return not any(parts)


@use_case(audited=False)
def _look() -> _Found:
    """Look for what there is to do, and record the sweep if that is nothing."""
    due = Job.objects.due(clock.now()).count()
    found = _Found(
        due_jobs=due,
        is_work_due=(
            bool(due)
            or row_jobs.has_pending_rows()
            or text_calls.has_waiting()
            or row_texts.has_waiting()
        ),
        must_seal=sealing.is_due(),
        must_publish=(
            publication.has_places()
            and wakeups.is_slot_free(PUBLISHING, seconds=PUBLISHING_SECONDS)
        ),
        must_clear=wakeups.is_slot_free(CLEARING, seconds=CLEARING_SECONDS),
        must_place=scheduled_placements.is_due(),
        must_mail=(
            finished_work.is_wanted()
            and wakeups.is_slot_free(finished_work.MAILING, seconds=finished_work.MAILING_SECONDS)
        ),
        must_follow_up=outbox.is_due(),
    )
    if found.is_over:
        wakeups.record_run("sweep")
    return found


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
        if not folder.is_dir():
            continue
        _remove_partial_files(folder)
        if folder.stat().st_mtime > limit:
            continue
        try:
            attempt = Attempt.objects.filter(pk=UUID(folder.name)).first()
        except ValueError:
            # A trial of the disk or of an answer whose process died.
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if attempt is not None and kept_answers.is_kept(attempt):
            kept_answers.move_files(attempt)
        elif attempt is None or attempt.state not in LIVE_ATTEMPT_STATES:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _remove_partial_files(folder: Path) -> None:
    """Remove what a killed process was writing: the names tell that nobody relies on it."""
    limit = time.time() - PARTIAL_RETENTION_SECONDS
    for path in folder.glob("*.partial"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink()


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
