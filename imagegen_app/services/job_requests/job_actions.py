"""Let people steer jobs: cancel, request again, and settle what is uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Job
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.foundation.worker_registry import worker_name
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.jobs import leases, pass_chain, transitions, unknown_outcomes
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor

Resolution = Literal["close", "send_again", "never_accepted"]


class JobActionRefused(ActionRefused):
    """The job's state does not allow this."""

    code = "job_action_refused"


def cancel_refusal_reason(actor: Actor, job: Job) -> str:
    """Say why the actor cannot cancel the job, or return an empty string."""
    if job.is_final:
        return _("The job has ended.")
    if job.cancel_requested_at is not None:
        return _("It is already being cancelled.")
    if not _is_own(actor, job) and not access.has_permission(actor, "cancel_any_job"):
        return _("It is not your job.")
    return ""


@use_case()
def cancel(*, actor: Actor, job: Job) -> bool:
    """Ask for a job's end, and for that of its follow-up passes; return whether all has ended.

    A job that waits ends at once, at no cost. A call under way is told to stop where the provider
    can; where it cannot, the job ends as cancelled with its charge. Whichever of its jobs is named,
    the whole chain is meant.

    :raises JobActionRefused: if it cannot be cancelled.
    """
    reason = cancel_refusal_reason(actor, job)
    whole = pass_chain.all_jobs(job)
    if reason and all(cancel_refusal_reason(actor, one) for one in whole):
        raise JobActionRefused(
            _("The job was not cancelled."), reason=reason, remedy=contact_sentence()
        )
    ended = [_cancel_one(actor, one) for one in whole if _is_to_end(actor, one)]
    if not all(ended):
        wake("drive")
    return all(ended)


def _is_to_end(actor: Actor, job: Job) -> bool:
    # The end of one job ends the passes that wait for it.
    job.refresh_from_db(fields=["state", "cancel_requested_at"])
    return not cancel_refusal_reason(actor, job)


def _cancel_one(actor: Actor, job: Job) -> bool:
    now = clock.now()
    Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=True).update(cancel_requested_at=now)
    event_log.record(actor, "job.cancel_requested", subject=job, job=job)
    # A job of unknown outcome stays with its person; all others are taken up at once.
    Job.objects.filter(
        pk=job.pk, state__in=[JobState.QUEUED.value, JobState.AWAITING.value]
    ).update(due_at=now, is_held=False)
    for mine in leases.claim(limit=1, owner=worker_name(), only=job.pk):
        if mine.state == JobState.QUEUED:
            transitions.cancel(mine, None, charge=None, actor=actor)
            return True
        leases.postpone(mine, seconds=0)
    return Job.objects.filter(pk=job.pk, state=JobState.CANCELLED.value).exists()


def rerun_refusal_reason(actor: Actor, job: Job) -> str:
    """Say why the job cannot be requested again, or return an empty string."""
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
    """Make a new job of an ended one's job request, under the present rules and prices.

    :raises JobActionRefused: if the job has not ended, or its prompt was erased.
    :raises ActionRefused: as every request may be.
    """
    reason = rerun_refusal_reason(actor, job)
    if reason:
        raise JobActionRefused(_("Nothing was requested."), reason=reason, remedy="")
    job_request = from_job.job_request_from(actor=actor, job=job)
    return creation.request_images(actor=actor, job_request=job_request)


@use_case()
def resolve(*, actor: Actor, job: Job, resolution: str) -> None:
    """Settle a job of unknown outcome, by what a person found out or accepts.

    `close` ends it and keeps the charge; `send_again` accepts that it may be billed twice;
    `never_accepted` says that the provider has no trace of it, so that it is sent anew.

    :raises NotPermitted: if the actor may not.
    :raises JobActionRefused: if it is no such resolution, the outcome is not unknown, or a worker just
        looks after it.
    :raises OverBudget: if a second call does not fit into a budget.
    """
    access.require_permission(actor, "resolve_job")
    if resolution not in get_args(Resolution):
        raise JobActionRefused(
            _("The job was not changed."), reason=_("This is not a valid decision."), remedy=""
        )
    if job.state != JobState.UNCERTAIN:
        raise JobActionRefused(
            _("The job was not changed."), reason=_("Its outcome is already known."), remedy=""
        )
    Job.objects.filter(pk=job.pk, state=JobState.UNCERTAIN.value).update(due_at=clock.now())
    taken = leases.claim(limit=1, owner=worker_name(), only=job.pk)
    attempt = leases.live_attempt(taken[0]) if taken else None
    if not taken or attempt is None:
        raise JobActionRefused(
            _("The job was not changed."),
            reason=_("A worker is processing it right now."),
            remedy=_("Try again in a minute."),
        )
    if resolution == "close":
        unknown_outcomes.close_uncertain(taken[0], attempt, actor=actor)
    elif resolution == "send_again":
        unknown_outcomes.requeue_at_risk(taken[0], attempt, actor=actor)
    else:
        unknown_outcomes.requeue_not_received(taken[0], attempt, actor=actor)
    wake("drive")


def _is_own(actor: Actor, job: Job) -> bool:
    return isinstance(actor, Person) and job.requester_id == actor.user.pk
