"""Let permitted people read prompts, and record when they read those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from imagegen_app.core.actors import Person
from imagegen_app.models import AuditEvent, AuditPersonalText, Job
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from uuid import UUID

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Attempt

#: Reading the same job's prompt again within this time is not recorded again.
_RECORD_INTERVAL_SECONDS = 3600
_SEARCHED = "asset.prompts_searched"
_MAX_SEARCH_CHARS = 500
#: Re-runs of re-runs that are followed back; what has more counts as somebody else's.
_MOST_STEPS = 50


def can_read_prompt(actor: Actor, job: Job) -> bool:
    """Return whether the actor may read a job's prompt: it is their own, or by permission."""
    return is_own_prompt(actor, job) or access.has_permission(actor, "view_prompt")


def is_own_prompt(actor: Actor, job: Job) -> bool:
    """Return whether a job's words are the actor's own: see `own_prompts`, for more than one job."""
    return job.pk in own_prompts(actor, [job])


def own_prompts(actor: Actor, jobs: Iterable[Job]) -> set[UUID]:
    """Return the keys of those jobs whose words are the actor's own.

    Whoever requests a job again is its requester, but not the author of its words: a re-run has those
    of the job that it replaces, a pass those of the job that it works for, and the row of a batch those
    of whoever started the batch. All of these must be the actor's own. The number of queries is that of
    the longest line of re-runs, whatever the number of jobs.
    """
    if not isinstance(actor, Person):
        return set()
    mine = [job for job in jobs if job.requester_id == actor.user.pk]
    derived = {job.pk for job in mine if job.replaces_id or job.root_id or job.batch_id}
    sources: dict[UUID, list[UUID]] = {}
    wanted = derived
    for _step in range(_MOST_STEPS):
        if not wanted:
            break
        found = _sources_of_own(actor, wanted)
        sources |= found
        wanted = {key for keys in found.values() for key in keys} - sources.keys()
    known = {job.pk for job in mine} - derived
    return known | {key for key in derived if _leads_to_own_only(key, sources)}


def _sources_of_own(actor: Person, keys: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return for those jobs that the actor requested by themselves where their words come from."""
    rows = Job.objects.filter(pk__in=keys, requester=actor.user).filter(
        Q(batch=None) | Q(batch__requester=actor.user)
    )
    return {
        key: list(filter(None, (replaced, root)))
        for key, replaced, root in rows.values_list("pk", "replaces_id", "root_id")
    }


def _leads_to_own_only(key: UUID, sources: Mapping[UUID, Collection[UUID]]) -> bool:
    waiting, seen = [key], {key}
    while waiting:
        found = sources.get(waiting.pop())
        if found is None:
            return False
        waiting += [one for one in found if one not in seen]
        seen.update(found)
    return True


def read_prompt(actor: Actor, job: Job) -> str | None:
    """Return a job's prompt, or None if the actor may not read it.

    Reading the prompt of another person's job is recorded in the audit log.
    """
    own = is_own_prompt(actor, job)
    if not own and not access.has_permission(actor, "view_prompt"):
        return None
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
