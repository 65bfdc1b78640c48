"""Let people read prompts by right, and record that they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.actors import Person
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Job

#: One entry a reader and job in this time.
_ONCE_IN_SECONDS = 3600


def can_read_prompt(actor: Actor, job: Job) -> bool:
    """Return whether the actor may read a job's prompt: their own, or by permission."""
    own = isinstance(actor, Person) and job.requester_id == actor.user.pk
    return own or access.has_permission(actor, "view_prompt")


def read_prompt(actor: Actor, job: Job) -> str | None:
    """Return a job's own prompt, or None for who may not read it; reading another's is recorded."""
    if not can_read_prompt(actor, job):
        return None
    own = isinstance(actor, Person) and job.requester_id == actor.user.pk
    if not own and not _read_lately(actor, job):
        _record(actor=actor, job=job)
    return str(job.prompt)


def _read_lately(actor: Actor, job: Job) -> bool:
    return AuditEvent.objects.filter(
        type="asset.prompt_viewed",
        job_id=job.pk,
        actor_kind=actor.kind,
        actor_id=actor.id,
        at__gte=clock.ago(_ONCE_IN_SECONDS),
    ).exists()


@use_case()
def _record(*, actor: Actor, job: Job) -> None:
    event_log.record(actor, "asset.prompt_viewed", subject=job, job=job)
