"""Say in words how far a job is, honestly and in few queries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db.models import Avg, F
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.core.states import FINAL_STATES, JobState
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock, stored_messages, worker_registry
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.monitoring import provider_status

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

#: How many recent jobs of a model tell how long one takes.
_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one job stands, for a person who waits."""

    job: Job
    state: JobState
    #: A sentence.
    message: str
    #: Seconds since it was requested, or that it took.
    seconds: int
    is_final: bool
    needs_person: bool
    #: What a person can do, where something went wrong.
    remedy: str = ""
    #: Nobody works at present, so waiting will not help.
    has_no_worker: bool = False
    can_cancel: bool = False
    #: Nothing was spent yet, so that cancelling is free.
    is_free: bool = False

    @property
    def etag(self) -> str:
        """A short name of what is shown; seconds do not count, the page counts them itself."""
        text = f"{self.job.pk}|{self.state}|{self.message}|{self.has_no_worker}|{self.can_cancel}"
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def job_progress(job: Job) -> Progress:
    """Describe one job."""
    now = clock.now()
    last = _last_of(job)
    if last is not job:
        return replace(_of_pass(last, now=now), job=job)
    state = JobState(job.state)
    stuck = (
        state in {JobState.QUEUED, JobState.SUBMITTING}
        and worker_registry.count_live_workers() == 0
    )
    return Progress(
        job=job,
        state=state,
        message=_phase(job, state, now=now, stuck=stuck),
        seconds=int(((job.finished_at or now) - job.created_at).total_seconds()),
        is_final=state in FINAL_STATES,
        needs_person=state is JobState.UNCERTAIN,
        remedy=stored_messages.translate_stored(job.error_remedy)
        if state in FINAL_STATES or state is JobState.UNCERTAIN
        else "",
        has_no_worker=stuck,
        can_cancel=state not in FINAL_STATES
        and state is not JobState.UNCERTAIN
        and job.cancel_requested_at is None,
        is_free=state is JobState.QUEUED and job.root_id is None,
    )


def _last_of(job: Job) -> Job:
    """Return the follow-up pass that a job of this chain has come to; the job itself without any."""
    if job.chain_length == 1 or job.state != JobState.SUCCEEDED or job.cached_from_id is not None:
        return job
    return next((one for one in pass_chain.all_jobs(job)[1:] if not one.is_final), job)


def _of_pass(job: Job, *, now: datetime) -> Progress:
    """Describe a pass as a part of its chain: what is done to which image."""
    found = job_progress(job)
    of_all = Job.objects.filter(root=job.root_id)
    ended = of_all.filter(state__in=sorted(FINAL_STATES)).count()
    text = _("%(operation)s (pass %(pass)s of %(all)s): %(phase)s") % {
        "operation": job.get_operation_display(),
        # The job itself is the first.
        "pass": ended + 2,
        "all": of_all.count() + 1,
        "phase": found.message,
    }
    begun = job.root.created_at if job.root else job.created_at
    return replace(found, message=text, seconds=int((now - begun).total_seconds()))


def progress_for_ids(ids: list[UUID]) -> list[Progress]:
    """Describe several jobs, in the order asked for."""
    found = {
        job.pk: job
        for job in Job.objects.filter(pk__in=ids).select_related("image_model__provider")
    }
    return [job_progress(found[key]) for key in ids if key in found]


def typical_seconds(model_id: int) -> int | None:
    """Return how long this model's last jobs took on average, or None without any."""
    recent = Job.objects.filter(
        image_model=model_id, state=JobState.SUCCEEDED.value, started_at__isnull=False
    ).order_by("-created_at")[:_SAMPLE]
    spent = Job.objects.filter(pk__in=list(recent.values_list("pk", flat=True))).aggregate(
        mean=Avg(F("finished_at") - F("started_at"))
    )["mean"]
    return None if spent is None else max(1, round(spent.total_seconds()))


def _phase(job: Job, state: JobState, *, now: datetime, stuck: bool) -> str:
    if job.cancel_requested_at is not None and state not in FINAL_STATES:
        return _("Cancelling. The provider may still bill it.")
    if stuck:
        return _("Waiting: no worker is running. Your job is kept.")
    if state is JobState.QUEUED:
        return _waiting(job, now)
    sentences = {
        JobState.SUBMITTING: _("Generating with %(model)s"),
        JobState.AWAITING: _("Generating with %(model)s"),
        JobState.INGESTING: _("Checking, marking and signing the images"),
        JobState.UNCERTAIN: _("The outcome is unknown: it may have been billed"),
        JobState.SUCCEEDED: _("Ready"),
        JobState.EXPIRED: _("Not finished in time"),
    }
    if state is JobState.SUCCEEDED and not pass_chain.is_complete(job):
        return _("Ready, but not every follow-up pass succeeded")
    if state in sentences:
        return sentences[state] % {"model": job.image_model.name}
    return stored_messages.translate_stored(job.error_message) or job.get_state_display()


def _waiting(job: Job, now: datetime) -> str:
    if pass_chain.is_waiting_for_image(job):
        return _("Waiting for the previous pass")
    if job.due_at is not None and job.due_at > now and job.error_message:
        wait = max(1, int((job.due_at - now).total_seconds()))
        # In steps, so that the page is not told every second anew.
        coarse = wait if wait < 10 else (wait // 10) * 10  # noqa: PLR2004 - ten seconds
        return _("%(problem)s Trying again in about %(seconds)s s.") % {
            "problem": stored_messages.translate_stored(job.error_message),
            "seconds": coarse,
        }
    kept_back = provider_status.waiting_reason(job)
    if kept_back:
        return kept_back
    ahead = Job.objects.filter(state=JobState.QUEUED.value, created_at__lt=job.created_at).count()
    if not ahead:
        return _("Queued, next in line")
    return ngettext(
        "Queued, %(count)s job before yours", "Queued, %(count)s jobs before yours", ahead
    ) % {"count": ahead}
