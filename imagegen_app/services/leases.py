"""Hold jobs for a while: claim due ones, prolong, postpone; and look at what is due.

A lease carries a fencing token. Whoever writes for a job names it, and a stale one moves nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q

from imagegen_app import conf
from imagegen_app.core import canonical
from imagegen_app.core.failpoints import failpoint
from imagegen_app.models import Attempt, Job
from imagegen_app.services import clock
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from datetime import datetime


class JobMoved(RuntimeError):
    """The job's lease was taken by another worker, or its state changed; drop the work."""


@use_case(silent=True)
def claim(*, limit: int, owner: str, only: Any = None) -> list[Job]:
    """Take the leases of up to `limit` due jobs and return them.

    A lease that ran out counts against the job: three times in a row, and it is given up by the
    driver (`claims` says how often).
    """
    now = clock.now()
    until = now + timedelta(seconds=conf.get().lease_seconds)
    due = Job.objects.due(now).order_by("-priority", "due_at")
    if only is not None:
        due = due.filter(pk=only)
    taken = []
    for job_id, token, lease_until in due.values_list("pk", "lease_token", "lease_until")[:limit]:
        ran_out = 1 if lease_until is not None else 0
        # A conditional update instead of a row lock: one statement, on every database alike.
        moved = (
            Job.objects.filter(pk=job_id, lease_token=token)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))
            .update(
                lease_token=token + 1,
                lease_until=until,
                lease_owner=owner,
                claims=F("claims") + ran_out,
            )
        )
        if moved:
            taken.append(job_id)
    failpoint("claim.before_commit")
    return list(
        Job.objects.filter(pk__in=taken)
        .select_related("image_model__provider", "template_version__template")
        .order_by("due_at")
    )


@use_case(silent=True)
def heartbeat(jobs: list[Job]) -> None:
    """Prolong the leases of jobs that are being worked on, in one statement."""
    until = clock.now() + timedelta(seconds=conf.get().lease_seconds)
    mine = Q(pk__in=[])
    for job in jobs:
        mine |= Q(pk=job.pk, lease_token=job.lease_token)
    Job.objects.filter(mine).update(lease_until=until)


@use_case(silent=True)
def postpone(job: Job, *, seconds: float, progress: float | None = None) -> None:
    """Give the lease back and have the next step taken later; the state stays."""
    changes: dict[str, Any] = later(seconds)
    if progress is not None:
        changes["progress"] = progress
    moved = Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(
        claims=0, **changes
    )
    if not moved:
        raise JobMoved(str(job.pk))


@use_case(silent=True)
def cancel_came_too_late(job: Job) -> None:
    """Note that the provider was asked to stop and could not; its answer is waited for."""
    now = clock.now()
    Job.objects.filter(pk=job.pk, lease_token=job.lease_token).update(provider_cancel_asked_at=now)
    postpone(job, seconds=1)


@use_case(silent=True)
def polled(attempt: Attempt) -> None:
    """Count one more question to the provider."""
    Attempt.objects.filter(pk=attempt.pk).update(polls=F("polls") + 1)


def is_cancel_wanted(job: Job) -> bool:
    """Say whether somebody asked for the job's end, be it while its call was under way."""
    return Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=False).exists()


def live_attempt(job: Job) -> Attempt | None:
    """Return the job's attempt that is under way, if there is one."""
    return Attempt.objects.filter(live_job=job).select_related("image_model__provider").first()


def next_due(now: datetime) -> datetime | None:
    """Return when the next step of any job may be taken, if any waits."""
    return (
        Job.objects.unfinished()
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )


def any_unfinished() -> bool:
    """Say whether any job has not ended."""
    return Job.objects.unfinished().exists()


def digest_of(job: Job) -> str:
    """Return the digest that an attempt's request is known by."""
    return canonical.digest({"fingerprint": job.fingerprint, "job": job.pk})


def later(seconds: float) -> dict[str, Any]:
    """Return the changes that give a lease back and set the next step's time."""
    return {
        "due_at": clock.now() + timedelta(seconds=seconds),
        "lease_until": None,
        "lease_owner": "",
    }
