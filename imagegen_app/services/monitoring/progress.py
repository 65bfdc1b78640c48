"""Describe the progress of jobs in words, for pages that poll it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.core.actors import Person
from imagegen_app.core.states import FINAL_STATES, JobState, WaitingReason
from imagegen_app.models import Job
from imagegen_app.models.labels import choices
from imagegen_app.services.foundation import clock, error_help, stored_messages, worker_registry
from imagegen_app.services.jobs import job_previews, pass_chain, spool_alarms
from imagegen_app.services.monitoring import call_progress, provider_status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from uuid import UUID

    from imagegen_app.core.actors import Actor

#: How many recent jobs of a model its usual duration is taken from.
_SAMPLE = 50
_SAMPLE_OF_SEVERAL = 1000
#: Unfinished jobs of one person that are described.
_MAX_UNFINISHED = 24


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of one job, for a person who waits for it."""

    job: Job
    state: JobState
    #: The present phase, in the reader's language.
    message: str
    #: Seconds since it was requested, until its end if it has ended.
    seconds: int
    is_final: bool
    needs_person: bool
    #: The job itself, or the follow-up pass that runs for it.
    current: Job
    #: What a person can do if something went wrong.
    remedy: str = ""
    #: The documentation's section about what went wrong; empty if nothing did, or without `DOCS_URL`.
    help_url: str = ""
    #: No worker is running, so waiting does not help.
    has_no_worker: bool = False
    can_cancel: bool = False
    #: Nothing was spent yet, so cancelling costs nothing.
    is_free: bool = False
    #: How much of the call is done, in percent; None where the provider does not say.
    percent: int | None = None
    #: Which preview of `current` may be shown, counted from 1; 0 for none.
    preview_number: int = 0

    @property
    def etag(self) -> str:
        """A hash of what is shown, without the seconds, which the page counts itself."""
        shown = (self.job.pk, self.state, self.message, self.has_no_worker, self.can_cancel)
        text = "|".join(map(str, (*shown, self.percent, self.preview_number)))
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def job_progress(job: Job) -> Progress:
    """Describe one job; while a follow-up pass runs, describe that pass for the job."""
    now = clock.now()
    current = _current_pass(job)
    if current is not job:
        return replace(_pass_progress(current, now=now), job=job)
    state = JobState(job.state)
    is_over = state in FINAL_STATES or state is JobState.UNCERTAIN
    has_no_worker = (
        state in {JobState.QUEUED, JobState.SUBMITTING}
        and worker_registry.count_live_workers() == 0
    )
    return Progress(
        job=job,
        state=state,
        message=_phase(job, state, now=now, has_no_worker=has_no_worker),
        seconds=int(((job.finished_at or now) - job.created_at).total_seconds()),
        is_final=state in FINAL_STATES,
        needs_person=state is JobState.UNCERTAIN,
        current=job,
        remedy=stored_messages.translate_stored(job.error_remedy) if is_over else "",
        help_url=error_help.docs_url(job.error_code) if is_over and job.error_code else "",
        has_no_worker=has_no_worker,
        can_cancel=state not in FINAL_STATES
        and state is not JobState.UNCERTAIN
        and job.cancel_requested_at is None,
        is_free=state is JobState.QUEUED and job.root_id is None,
        percent=call_progress.call_percent(job),
        preview_number=job.preview_number if job_previews.is_shown(job) else 0,
    )


def _current_pass(job: Job) -> Job:
    """Return the unfinished follow-up pass of a succeeded job that is furthest from the end.

    Or else the job itself. Passes of several images run side by side.
    """
    if job.chain_length == 1 or job.state != JobState.SUCCEEDED or job.cached_from_id is not None:
        return job
    unfinished = [one for one in pass_chain.all_jobs(job)[1:] if not one.is_final]
    numbers = pass_chain.pass_numbers(job) if unfinished else {}
    return min(unfinished, key=lambda one: numbers[one.pk], default=job)


def _pass_progress(job: Job, *, now: datetime) -> Progress:
    """Describe a pass as part of its chain: the operation, and its number among those of its image."""
    progress = job_progress(job)
    numbers = pass_chain.pass_numbers(job)
    text = _("%(operation)s (pass %(pass)s of %(all)s): %(phase)s") % {
        "operation": job.get_operation_display(),
        "pass": numbers[job.pk],
        "all": max(numbers.values()),
        "phase": progress.message,
    }
    started = job.root.created_at if job.root else job.created_at
    return replace(progress, message=text, seconds=int((now - started).total_seconds()))


def progress_for_ids(ids: list[UUID]) -> list[Progress]:
    """Describe several jobs in the order of their ids; ids without a job are left out."""
    found = {
        job.pk: job
        for job in Job.objects.filter(pk__in=ids).select_related(
            "image_model__provider", "live_attempt"
        )
    }
    return [job_progress(found[key]) for key in ids if key in found]


def unfinished_jobs(actor: Actor) -> list[Progress]:
    """Describe the actor's own jobs that have not ended, or whose follow-up passes have not.

    Newest first; jobs of batches are left out, which have their own page.
    """
    if not isinstance(actor, Person):
        return []
    unfinished = Job.objects.unfinished().filter(requester=actor.user, batch__isnull=True)
    # Of a chain, the job that the person requested.
    roots = unfinished.annotate(shown=Coalesce("root_id", "pk")).values_list("shown", flat=True)
    keys = list(dict.fromkeys(roots.order_by("-created_at", "-pk")[:_MAX_UNFINISHED]))
    return progress_for_ids(keys)


def typical_seconds(model_id: int) -> int | None:
    """Return how many seconds this model's recent jobs usually took (median), or None without any."""
    recent: Any = (
        Job.objects.filter(
            image_model=model_id,
            state=JobState.SUCCEEDED.value,
            started_at__isnull=False,
            finished_at__isnull=False,
        )
        .order_by("-created_at")
        .values_list("started_at", "finished_at")[:_SAMPLE]
    )
    spent = [(finished - started).total_seconds() for started, finished in recent]
    return max(1, round(median(spent))) if spent else None


def usual_seconds(model_ids: Collection[int]) -> dict[int, int]:
    """Return the same for several models, as far as they made something lately, with one query."""
    recent: Any = (
        Job.objects.filter(
            image_model__in=model_ids,
            state=JobState.SUCCEEDED.value,
            started_at__isnull=False,
            finished_at__isnull=False,
        )
        .order_by("-created_at")
        .values_list("image_model", "started_at", "finished_at")[:_SAMPLE_OF_SEVERAL]
    )
    spent: dict[int, list[float]] = {}
    for model, started, finished in recent:
        of_model = spent.setdefault(model, [])
        if len(of_model) < _SAMPLE:
            of_model.append((finished - started).total_seconds())
    return {model: max(1, round(median(seconds))) for model, seconds in spent.items()}


def _phase(job: Job, state: JobState, *, now: datetime, has_no_worker: bool) -> str:
    if job.cancel_requested_at is not None and state not in FINAL_STATES:
        return _("Cancelling. The provider may still bill it.")
    if has_no_worker:
        return _("Waiting: no worker is running. Your job is kept.")
    if state is JobState.QUEUED or job.waiting_for:
        return _waiting_message(job, now)
    if state is JobState.SUCCEEDED and not pass_chain.is_complete(job):
        return _("Ready, but not every follow-up pass succeeded")
    sentences: dict[JobState, Callable[[Job], str]] = {
        JobState.SUBMITTING: call_progress.call_phase,
        JobState.AWAITING: call_progress.call_phase,
        JobState.INGESTING: lambda _job: _("Checking, marking and signing the images"),
        JobState.UNCERTAIN: lambda _job: _("The outcome is unknown: it may have been billed"),
        JobState.SUCCEEDED: lambda _job: _("Ready"),
        JobState.EXPIRED: lambda _job: _("Not finished in time"),
    }
    if state in sentences:
        return sentences[state](job)
    return stored_messages.translate_stored(job.error_message) or job.get_state_display()


def _waiting_for(reason: object) -> str:
    return _("Waiting: %(reason)s. It continues by itself.") % {"reason": reason}


def site_message(job: Job) -> str:
    """Return what of the site is out of order, and that the job continues by itself."""
    if job.waiting_for == WaitingReason.INTERNAL_ERROR:
        return _("%(problem)s It is tried again by itself.") % {
            "problem": stored_messages.translate_stored(job.error_message)
        }
    return _waiting_for(job.get_waiting_for_display())


def _disk_reason() -> str:
    """Return that the workers have no room for answers, if so: queued jobs are not claimed then."""
    if not spool_alarms.is_reported():
        return ""
    return _waiting_for(dict(choices(WaitingReason))[WaitingReason.DISK.value])


def _waiting_message(job: Job, now: datetime) -> str:
    if job.waiting_for:
        return site_message(job)
    if pass_chain.is_waiting_for_image(job):
        return _("Waiting for the previous pass")
    if job.due_at is not None and job.due_at > now and job.error_message:
        wait = max(1, int((job.due_at - now).total_seconds()))
        # Rounded down to tens, so that the message does not change every second.
        coarse = wait if wait < 10 else (wait // 10) * 10  # noqa: PLR2004 - ten seconds
        return _("%(problem)s Trying again in about %(seconds)s s.") % {
            "problem": stored_messages.translate_stored(job.error_message),
            "seconds": coarse,
        }
    reason = _disk_reason() or provider_status.waiting_reason(job)
    if reason:
        return reason
    ahead = Job.objects.filter(state=JobState.QUEUED.value, created_at__lt=job.created_at).count()
    if not ahead:
        return _("Queued, next in line")
    return ngettext(
        "Queued, %(count)s job before yours", "Queued, %(count)s jobs before yours", ahead
    ) % {"count": ahead}
