"""What people can do with a running batch: pause, resume and cancel it, and re-run failed rows.

Each command reads the batch anew under a lock: the page it was given on may be old, and another
person or an earlier press of the same button may have been first. Then it changes nothing and
records nothing, and says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.states import FINAL_STATES, JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Batch, Job, RequestedRerun
from imagegen_app.services.batches import reruns, row_jobs
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor


class BatchActionRefused(ActionRefused):
    """The batch's state does not allow this, or it was done before."""

    code = "batch_action_refused"


@use_case()
def resume(*, actor: Actor, batch: Batch) -> None:
    """Resume a paused batch; after a complete pilot, release the other rows.

    :raises NotPermitted: if it is another person's batch, and the actor may not cancel every job.
    :raises BatchActionRefused: if it is not paused, or was cancelled.
    """
    locked = _locked(actor, batch)
    now = clock.now()
    if locked.cancelled_at is not None:
        raise _refusal(locked, _("The batch was cancelled."), "batch.cancelled")
    resumed = 0
    if locked.paused_at is not None:
        pilot_is_complete = locked.pilot_rows and locked.prepared_rows >= locked.pilot_rows
        resumed = Batch.objects.filter(pk=locked.pk).update(
            paused_at=None,
            pause_reason="",
            released_at=now if pilot_is_complete else locked.released_at,
        )
    # The deadline starts anew: time spent waiting for a person does not count.
    released = Job.objects.filter(batch=locked, is_held=True).update(
        is_held=False, deadline_at=now + timedelta(seconds=conf.get().job_deadline_seconds)
    )
    if not resumed and not released:
        raise _refusal(locked, _("The batch is not paused."), "batch.resumed", is_done=True)
    event_log.record(actor, "batch.resumed", subject=locked)
    wake("drive")


@use_case()
def pause(*, actor: Actor, batch: Batch) -> None:
    """Pause a batch; calls already sent to a provider are finished.

    :raises NotPermitted: if it is another person's batch, and the actor may not cancel every job.
    :raises BatchActionRefused: if it is paused already, was cancelled or has finished.
    """
    locked = _locked(actor, batch)
    if locked.cancelled_at is not None:
        raise _refusal(locked, _("The batch was cancelled."), "batch.cancelled")
    if locked.paused_at is not None:
        raise _refusal(locked, _("The batch is already paused."), "batch.paused", is_done=True)
    if _has_ended(locked):
        raise _refusal(locked, _("The batch has finished."))
    batch_counts.pause(locked, reason="person", actor=actor)


@use_case()
def cancel(*, actor: Actor, batch: Batch) -> None:
    """Request the cancellation of all unfinished jobs; a worker cancels them one by one.

    Rows that wait to be requested again end with it, also where all jobs have ended.

    :raises NotPermitted: if it is another person's batch, and the actor may not cancel every job.
    :raises BatchActionRefused: if it was cancelled already, or has finished.
    """
    locked = _locked(actor, batch)
    now = clock.now()
    waiting = locked.jobs.filter(cancel_requested_at__isnull=True).exclude(
        state__in=sorted(FINAL_STATES)
    )
    if locked.cancelled_at is None and _has_ended(locked):
        raise _refusal(locked, _("The batch has finished."))
    changed = Batch.objects.filter(pk=locked.pk, cancelled_at__isnull=True).update(
        cancelled_at=now, paused_at=None, pause_reason=""
    )
    changed += waiting.filter(state__in=[JobState.QUEUED.value, JobState.AWAITING.value]).update(
        cancel_requested_at=now, due_at=now, is_held=False
    )
    changed += waiting.exclude(state=JobState.UNCERTAIN.value).update(cancel_requested_at=now)
    reruns_ended = reruns.end_waiting(locked, reason=_("The batch was cancelled."))
    if not changed and not reruns_ended:
        raise _refusal(
            locked, _("The batch is already cancelled."), "batch.cancelled", is_done=True
        )
    event_log.record(
        actor,
        "batch.cancelled",
        subject=locked,
        data={"count": reruns_ended} if reruns_ended else {},
    )
    wake("drive")


@use_case()
def rerun_failed(*, actor: Actor, batch: Batch) -> int:
    """Request the rows that have failed again; return how many. A worker creates the new jobs.

    While the worker has not created them, asking once more changes nothing and returns the number
    again.

    :raises NotPermitted: if it is another person's batch, and the actor may not cancel every job.
    :raises BatchActionRefused: if it was cancelled, or no row has failed.
    """
    locked = _locked(actor, batch)
    if locked.cancelled_at is not None:
        raise _refusal(locked, _("The batch was cancelled."), "batch.cancelled")
    now = clock.now()
    number = row_jobs.failed_jobs(locked, until=now).count()
    if not number:
        raise _refusal(
            locked, _("No failed row is left to be requested again."), "batch.retried", is_done=True
        )
    asked_at = locked.rerun_requested_at
    if asked_at is not None and row_jobs.failed_jobs(locked, until=asked_at).count() == number:
        return int(number)
    Batch.objects.filter(pk=locked.pk).update(rerun_requested_at=now)
    event_log.record(actor, "batch.retried", subject=locked, data={"count": number})
    wake("drive")
    return int(number)


@use_case()
def request_reruns(
    *, actor: Person, batch: Batch, jobs: QuerySet[Job], has_new_seed: bool = False
) -> int:
    """Ask for new jobs in place of some ended ones; return for how many. A worker creates them.

    `has_new_seed` gives each another seed, and is possible for completed ones, too. Each job is
    replaced once: asking again while it waits, or when it was replaced, changes nothing.

    :raises NotPermitted: if it is another person's batch and the actor may not cancel every job, or
        the actor may not request images.
    :raises BatchActionRefused: if it was cancelled, or none of the jobs can be requested again.
    """
    locked = _locked(actor, batch)
    access.require_permission(actor, "request_job")
    if locked.cancelled_at is not None:
        raise _refusal(locked, _("The batch was cancelled."), "batch.cancelled")
    found = reruns.repeatable(jobs.filter(batch=locked), has_new_seed=has_new_seed)
    keys = set(found.values_list("pk", flat=True))
    known = RequestedRerun.objects.filter(batch=locked, job__in=keys)
    waiting = set(known.filter(refusal="").values_list("job", flat=True))
    new = sorted(keys - waiting)
    if not new:
        raise _refusal(
            locked,
            _("The chosen rows were requested again already.")
            if waiting
            else _("None of the chosen rows can be requested again."),
            *(["batch.retried"] if waiting else []),
            is_done=bool(waiting),
        )
    known.exclude(refusal="").delete()
    RequestedRerun.objects.bulk_create(
        [
            RequestedRerun(
                batch=locked, job_id=key, has_new_seed=has_new_seed, requester=actor.user
            )
            for key in new
        ],
        batch_size=500,
    )
    event_log.record(
        actor,
        "batch.retried",
        subject=locked,
        data={"count": len(new), "has_new_seed": has_new_seed},
    )
    wake("drive")
    return len(new)


def _has_ended(batch: Batch) -> bool:
    """Return whether all jobs of a batch have ended, and no row waits to be requested again."""
    return batch_counts.is_finished(batch) and not reruns.is_any_waiting(batch)


def _locked(actor: Actor, batch: Batch) -> Batch:
    """Return the batch as it is now, locked until the use case ends.

    :raises NotPermitted: if it is another person's batch, and the actor may not cancel every job.
    """
    own = isinstance(actor, Person) and batch.requester_id == actor.user.pk
    if not own:
        access.require_permission(actor, "cancel_any_job")
    locked: Batch = Batch.objects.select_for_update().defer("rows").get(pk=batch.pk)
    return locked


def _refusal(batch: Batch, reason: str, *kinds: str, is_done: bool = False) -> BatchActionRefused:
    known = past_events.who_and_when(batch, *kinds) if kinds else ""
    return BatchActionRefused(
        _("The batch was not changed."),
        reason=f"{reason} {known}".strip(),
        remedy="",
        is_already_done=is_done,
    )
