"""What people can do with jobs: cancel, request again, and resolve an unknown outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.foundation.worker_registry import worker_name
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.jobs import leases, pass_chain, transitions, unknown_outcomes
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

Resolution = Literal["close", "send_again", "never_accepted"]
#: The events of a resolution by a person.
_RESOLVED = ("job.resolved", "job.retried")


class JobActionRefused(ActionRefused):
    """The job's state does not allow this."""

    code = "job_action_refused"


def cancel_refusal_reason(actor: Actor, job: Job) -> str:
    """Return why the actor cannot cancel the job; empty if allowed."""
    if job.state == JobState.CANCELLED:
        return _("The job is already cancelled.")
    if job.is_final:
        return _("The job has ended.")
    if job.cancel_requested_at is not None:
        return _("It is already being cancelled.")
    if not _is_own(actor, job) and not access.has_permission(actor, "cancel_any_job"):
        return _("It is not your job.")
    return ""


@use_case()
def cancel(*, actor: Actor, job: Job) -> bool:
    """Cancel a job with all passes of its chain; return whether all of them have ended.

    A queued job ends at once, at no cost. A running call is cancelled at the provider where that
    is supported; otherwise the job ends as cancelled and is charged.

    :raises JobActionRefused: if no job of the chain can be cancelled.
    """
    _refresh_locked(job)
    reason = cancel_refusal_reason(actor, job)
    chain = pass_chain.all_jobs(job)
    if reason and all(cancel_refusal_reason(actor, one) for one in chain):
        is_cancelled = job.state == JobState.CANCELLED or job.cancel_requested_at is not None
        known = past_events.who_and_when(job, "job.cancel_requested") if is_cancelled else ""
        raise JobActionRefused(
            _("The job was not cancelled."),
            reason=f"{reason} {known}".strip(),
            remedy="" if is_cancelled else contact_sentence(),
            is_already_done=is_cancelled,
        )
    ended = [_cancel_one(actor, one) for one in chain if _should_cancel(actor, one)]
    if not all(ended):
        wake("drive")
    return all(ended)


def _should_cancel(actor: Actor, job: Job) -> bool:
    # Cancelling one job may already have ended the passes that wait for it.
    job.refresh_from_db(fields=["state", "cancel_requested_at"])
    return not cancel_refusal_reason(actor, job)


def _cancel_one(actor: Actor, job: Job) -> bool:
    now = clock.now()
    Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=True).update(cancel_requested_at=now)
    event_log.record(actor, "job.cancel_requested", subject=job, job=job)
    # An uncertain job waits for a person; the others become due at once.
    Job.objects.filter(
        pk=job.pk, state__in=[JobState.QUEUED.value, JobState.AWAITING.value]
    ).update(due_at=now, is_held=False)
    for claimed in leases.claim(limit=1, owner=worker_name(), only=job.pk):
        if claimed.state == JobState.QUEUED:
            transitions.cancel(claimed, None, charge=None, actor=actor)
            return True
        leases.postpone(claimed, seconds=0)
    return Job.objects.filter(pk=job.pk, state=JobState.CANCELLED.value).exists()


def rerun_refusal_reason(actor: Actor, job: Job) -> str:
    """Return why the actor cannot request the job again; empty if allowed."""
    if not job.is_final or job.state == JobState.SUCCEEDED:
        return _("Only a job that ended without all of its images can be requested again.")
    if job.replacements.exists():
        return _("It has already been requested again.")
    if job.prompt_erased_at is not None:
        return _("Its prompt was erased.")
    if pass_chain.is_waiting_for_image(job):
        return _("It had no image to process; request the previous pass again.")
    if not access.has_permission(actor, "request_job"):
        return _("Your account does not have permission to request images.")
    return ""


def request_again(*, actor: Actor, job: Job) -> Job:
    """Create a new job from the request of an ended one, under the current rules and prices.

    :raises JobActionRefused: if the job cannot be requested again.
    :raises ActionRefused: as `creation.request_images`.
    """
    # The page may be old: the prompt may have been erased since.
    job.refresh_from_db()
    reason = rerun_refusal_reason(actor, job)
    if reason:
        replacement = job.replacements.order_by("pk").first()
        known = past_events.who_and_when(replacement, "job.requested") if replacement else ""
        raise JobActionRefused(
            _("Nothing was requested."),
            reason=f"{reason} {known}".strip(),
            remedy="",
            is_already_done=replacement is not None,
        )
    job_request = from_job.job_request_from(actor=actor, job=job)
    return creation.request_images(actor=actor, job_request=job_request)


@use_case()
def resolve(*, actor: Actor, job: Job, resolution: str) -> None:
    """Resolve a job of unknown outcome, by what a person found out or accepts.

    `close` ends the job and counts the call as billed. `send_again` sends it again and accepts that
    it may be billed twice. `never_accepted` states that the provider never received the call, and
    sends it again.

    :raises NotPermitted: if the actor may not resolve jobs.
    :raises JobActionRefused: if there is no such resolution, the outcome is known, or a worker is
        processing the job.
    :raises OverBudget: if a second call exceeds a budget.
    """
    access.require_permission(actor, "resolve_job")
    if resolution not in get_args(Resolution):
        raise JobActionRefused(
            _("The job was not changed."), reason=_("This is not a valid decision."), remedy=""
        )
    # Without this, a page opened before the job was resolved would end the call that came after.
    _refresh_locked(job)
    if job.state != JobState.UNCERTAIN:
        known = past_events.who_and_when(job, *_RESOLVED, people_only=True)
        raise JobActionRefused(
            _("The job was not changed."),
            reason=f"{_('Its outcome is already known.')} {known}".strip(),
            remedy="",
            is_already_done=True,
        )
    Job.objects.filter(pk=job.pk).update(due_at=clock.now())
    claimed = leases.claim(limit=1, owner=worker_name(), only=job.pk)
    attempt = leases.live_attempt(claimed[0]) if claimed else None
    if not claimed or attempt is None:
        raise JobActionRefused(
            _("The job was not changed."),
            reason=_("A worker is processing it right now."),
            remedy=_("Try again in a minute."),
        )
    if resolution == "close":
        unknown_outcomes.close_uncertain(claimed[0], attempt, actor=actor)
    elif resolution == "send_again":
        unknown_outcomes.requeue_at_risk(claimed[0], attempt, actor=actor)
    else:
        unknown_outcomes.requeue_not_received(claimed[0], attempt, actor=actor)
    wake("drive")


def _refresh_locked(job: Job) -> None:
    """Lock the job until the use case ends, and read anew what commands decide by.

    The page that a command was given on may be old, and somebody else may have been first.
    """
    fresh = Job.objects.select_for_update().get(pk=job.pk)
    job.state, job.cancel_requested_at = fresh.state, fresh.cancel_requested_at


def _is_own(actor: Actor, job: Job) -> bool:
    return isinstance(actor, Person) and job.requester_id == actor.user.pk


@use_case()
def move_to_front(*, actor: Actor, job: Job) -> None:
    """Let one's own queued job go before one's other queued jobs; those of others keep their turn.

    :raises JobActionRefused: if it is not the person's own, or does not wait in the queue.
    """
    requester = actor.user if isinstance(actor, Person) else None
    queued = Job.objects.select_for_update().filter(
        requester=requester, state=JobState.QUEUED.value, priority=job.priority
    )
    # Locked in an order that never changes; the places are those that another tab may have just changed.
    own = sorted(queued.order_by("pk"), key=lambda one: (one.queue_order, str(one.pk)))
    if job.pk not in {one.pk for one in own}:
        raise JobActionRefused(
            _("The job was not moved."),
            reason=_("It does not wait in your queue."),
            remedy=_("Only a job that has not begun can be moved."),
        )
    if own[0].pk == job.pk:
        skip_audit_event()
        return
    # The places stay, and with them everybody else's turn: one's own jobs change theirs.
    places = [one.queue_order for one in own]
    moved = [job.pk, *(one.pk for one in own if one.pk != job.pk)]
    for key, place in zip(moved, places, strict=True):
        Job.objects.filter(pk=key).exclude(queue_order=place).update(queue_order=place)
    event_log.record(actor, "job.moved_to_front", subject=job, job=job)
    wake("drive")
