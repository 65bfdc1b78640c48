"""Let permitted people read prompts, and record when they read those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.actors import Person
from imagegen_app.models import AuditEvent, AuditPersonalText
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Attempt, Job

#: Reading the same job's prompt again within this time is not recorded again.
_RECORD_INTERVAL_SECONDS = 3600
_SEARCHED = "asset.prompts_searched"
_MAX_SEARCH_CHARS = 500


def can_read_prompt(actor: Actor, job: Job) -> bool:
    """Return whether the actor may read a job's prompt: it is their own job, or by permission."""
    own = isinstance(actor, Person) and job.requester_id == actor.user.pk
    return own or access.has_permission(actor, "view_prompt")


def read_prompt(actor: Actor, job: Job) -> str | None:
    """Return a job's prompt, or None if the actor may not read it.

    Reading the prompt of another person's job is recorded in the audit log.
    """
    if not can_read_prompt(actor, job):
        return None
    own = isinstance(actor, Person) and job.requester_id == actor.user.pk
    if not own and not _was_recorded_lately(actor, job):
        _record(actor=actor, job=job)
    return str(job.prompt)


def read_provider_message(actor: Actor, attempt: Attempt) -> str | None:
    """Return how the provider explained a failure, or None if the actor may not read it.

    It may repeat the prompt: who reads it reads the prompt, and that is recorded.
    """
    message = str(attempt.provider_message)
    if not message:
        return ""
    job = attempt.job
    return None if read_prompt(actor, job if job.root is None else job.root) is None else message


def record_search(actor: Actor, words: str) -> None:
    """Record that a person searches other people's prompts for words, who may read them.

    The same search is recorded once an hour: its pages, and what is done with what it finds, belong to
    it. The event holds a salted commitment to the words; they are stored beside it and can be erased.
    """
    if not isinstance(actor, Person) or not access.has_permission(actor, "view_prompt"):
        return
    words = " ".join(words.split())[:_MAX_SEARCH_CHARS]
    # An index has the few events of a kind within the last hour.
    known = AuditPersonalText.objects.filter(
        event__type=_SEARCHED,
        event__at__gte=clock.ago(_RECORD_INTERVAL_SECONDS),
        event__actor_kind=actor.kind,
        event__actor_id=actor.id,
        field="search",
        value=words,
    )
    if not known.exists():
        _record_search(actor=actor, words=words)


@use_case()
def _record_search(*, actor: Actor, words: str) -> None:
    event_log.record(actor, _SEARCHED, personal={"search": words})


def _was_recorded_lately(actor: Actor, job: Job) -> bool:
    return AuditEvent.objects.filter(
        type="asset.prompt_viewed",
        job_id=job.pk,
        actor_kind=actor.kind,
        actor_id=actor.id,
        at__gte=clock.ago(_RECORD_INTERVAL_SECONDS),
    ).exists()


@use_case()
def _record(*, actor: Actor, job: Job) -> None:
    event_log.record(actor, "asset.prompt_viewed", subject=job, job=job)
