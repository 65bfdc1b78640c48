"""Claim due jobs for a limited time (a lease), renew and release leases, and query what is due.

A lease has a fencing token. Every write for a job checks it, so a worker that lost its lease writes
nothing.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, Q, When

from imagegen_app import conf, database
from imagegen_app.core import canonical
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.fingerprint import fingerprint
from imagegen_app.core.states import JobState
from imagegen_app.models import Attempt, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs.rebuilding import end_user_digest, request_for_model

if TYPE_CHECKING:
    from datetime import datetime


#: The field values of a job that waits for nothing but its turn.
NOT_WAITING: dict[str, Any] = {"waiting_for": "", "waiting_since": None, "wait_count": 0}
#: Maximum number of primary keys in one statement.
BATCH = 500


class LeaseLost(RuntimeError):
    """The job's lease was taken by another worker, or its state changed; drop the work."""


@use_case(audited=False)
def claim(*, limit: int, owner: str, only: Any = None, excluded: Q | None = None) -> list[Job]:
    """Take the leases of up to `limit` due jobs and return them.

    Queued jobs that match `excluded` are not claimed: their calls would have to wait.

    An expired lease is counted in `expired_leases`; after `MAX_EXPIRED_LEASES` in succession the
    driver ends the job.
    """
    now = clock.now()
    until = now + timedelta(seconds=conf.get().lease_seconds)
    due = Job.objects.due(now)
    if only is not None:
        due = due.filter(pk=only)
    if database.connection().vendor == "postgresql":
        taken = _claim_at_once(due, limit, excluded, until=until, owner=owner)
    else:
        taken = _claim_one_by_one(due, limit, excluded, now=now, until=until, owner=owner)
    failpoint("claim.before_commit")
    if not taken:
        return []
    return _share_requesters(
        list(
            Job.objects.filter(pk__in=taken)
            .select_related("image_model__provider", "template_version__template", "requester")
            .prefetch_related("inputs__asset")
            .order_by("-priority", "queue_order", "due_at")
        )
    )


def _claim_at_once(
    due: Any, limit: int, excluded: Q | None, *, until: datetime, owner: str
) -> list[Any]:
    """Lock due jobs that no other worker has locked, and claim them in one statement."""
    free = due.only("pk").select_for_update(skip_locked=True, of=("self",))
    taken = [job.pk for job in _in_order(free, limit, excluded)]
    if taken:
        ran_out = Case(When(lease_until__isnull=True, then=0), default=1)
        Job.objects.filter(pk__in=taken).update(
            lease_token=F("lease_token") + 1,
            lease_until=until,
            lease_owner=owner,
            expired_leases=F("expired_leases") + ran_out,
        )
    return taken


def _claim_one_by_one(
    due: Any, limit: int, excluded: Q | None, *, now: datetime, until: datetime, owner: str
) -> list[Any]:
    """Claim one job at a time, by a conditional update instead of a row lock."""
    taken: list[Any] = []
    named = due.values_list("pk", "lease_token", "lease_until")
    for job_id, token, lease_until in _in_order(named, limit, excluded):
        ran_out = 1 if lease_until is not None else 0
        moved = (
            Job.objects.filter(pk=job_id, lease_token=token)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))
            .update(
                lease_token=token + 1,
                lease_until=until,
                lease_owner=owner,
                expired_leases=F("expired_leases") + ran_out,
            )
        )
        if moved:
            taken.append(job_id)
    return taken


def _share_requesters(jobs: list[Job]) -> list[Job]:
    """Let jobs of one requester share the user instance, so that permissions are read once."""
    accounts: dict[Any, Any] = {}
    for job in jobs:
        if job.requester is not None:
            job.requester = accounts.setdefault(job.requester_id, job.requester)
    return jobs


def _in_order(due: Any, limit: int, excluded: Q | None) -> list[Any]:
    """Return the next jobs: first those already started, then queued ones in queue order."""
    begun = due.exclude(state=JobState.QUEUED.value).order_by("due_at")
    jobs = list(begun[:limit])
    if len(jobs) < limit:
        new = due.filter(state=JobState.QUEUED.value).order_by("-priority", "queue_order", "due_at")
        if excluded is not None:
            new = new.exclude(excluded)
        jobs += new[: limit - len(jobs)]
    return jobs


@use_case(audited=False)
def heartbeat(keys: list[Any], *, owner: str) -> None:
    """Renew the leases of jobs that this worker still holds."""
    until = clock.now() + timedelta(seconds=conf.get().lease_seconds)
    for start in range(0, len(keys), BATCH):
        held = Job.objects.filter(pk__in=keys[start : start + BATCH], lease_owner=owner)
        held.filter(lease_until__isnull=False).update(lease_until=until)


@use_case(audited=False)
def postpone(job: Job, *, seconds: float, progress: float | None = None) -> None:
    """Release the lease and make the job due in `seconds`; its state stays.

    :raises LeaseLost: if the lease was lost.
    """
    changes: dict[str, Any] = release_fields(seconds)
    if progress is not None:
        changes["progress"] = progress
    moved = Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(
        expired_leases=0, **NOT_WAITING, **changes
    )
    if not moved:
        raise LeaseLost(str(job.pk))


@use_case(audited=False)
def park_unreleased_pass(job: Job) -> None:
    """Release the lease of a follow-up pass that has no input image yet; due at its deadline."""
    Job.objects.filter(pk=job.pk, lease_token=job.lease_token, inputs__isnull=True).update(
        due_at=F("deadline_at"), lease_until=None, lease_owner=""
    )


@use_case(audited=False)
def release(jobs: list[Job], **changes: Any) -> None:
    """Release the leases of jobs without changes but those given; they keep their queue order."""
    held = Q(pk__in=[])
    for job in jobs:
        held |= Q(pk=job.pk, lease_token=job.lease_token)
    Job.objects.filter(held).update(lease_until=None, lease_owner="", **changes)


@use_case(audited=False)
def update_leased_job(job: Job, **changes: Any) -> None:
    """Change columns of a job under its lease; its state stays.

    :raises LeaseLost: if the lease was lost.
    """
    if not Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(
        **changes
    ):
        raise LeaseLost(str(job.pk))
    for name, value in changes.items():
        setattr(job, name, value)


@use_case(audited=False)
def mark_cancel_sent(job: Job) -> None:
    """Record that the provider was asked to cancel the call; wait for how it ends."""
    now = clock.now()
    Job.objects.filter(pk=job.pk, lease_token=job.lease_token).update(
        provider_cancel_requested_at=now
    )
    postpone(job, seconds=1)


@use_case(audited=False)
def count_poll(attempt: Attempt) -> None:
    """Count one more poll or look-up at the provider."""
    Attempt.objects.filter(pk=attempt.pk).update(poll_count=F("poll_count") + 1)


def is_cancel_requested(job: Job) -> bool:
    """Return whether a person asked to cancel the job, as the database says now."""
    return Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=False).exists()


def live_attempt(job: Job) -> Attempt | None:
    """Return the job's attempt that is under way, if there is one."""
    return Attempt.objects.filter(live_job=job).select_related("image_model__provider").first()


def next_due_at(now: datetime) -> datetime | None:
    """Return when the next step of any job may be taken, if any waits."""
    return (
        Job.objects.unfinished()
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now), is_held=False)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )


def is_due_within(seconds: float) -> bool:
    """Return whether the next step of any job may be taken within so many seconds."""
    now = clock.now()
    due = next_due_at(now)
    return due is not None and (due - now).total_seconds() < seconds


def any_unfinished() -> bool:
    """Return whether any job has not ended."""
    return Job.objects.unfinished().exists()


def digest_of(job: Job) -> str:
    """Return the digest of all that the bytes of the job's call, and who is billed for it, depend on.

    Where it has changed since an attempt started, the attempt's call can no longer be repeated.
    """
    model = job.image_model
    request = request_for_model(job, model)
    return canonical.digest(
        {
            "job": job.pk,
            "request": fingerprint(
                request, provider=model.provider.slug, model_version=model.version
            ),
            "adapter": model.provider.adapter,
            "base_url": model.provider.base_url,
            "credential": model.provider.credential,
            "options": json.dumps(model.provider.options, sort_keys=True),
            "end_user": end_user_digest(job, provider_id=model.provider_id),
            "public_url": conf.get().public_url,
        }
    )


def release_fields(seconds: float) -> dict[str, Any]:
    """Return the field values that release a lease and make the job due in `seconds`."""
    return {
        "due_at": clock.now() + timedelta(seconds=seconds),
        "lease_until": None,
        "lease_owner": "",
    }
