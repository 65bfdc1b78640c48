"""Erase personal texts for good; the log stays verifiable, since it holds only commitments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.states import FINAL_STATES
from imagegen_app.models import (
    Asset,
    Attempt,
    AuditPersonalText,
    Job,
    KeptAnswer,
)
from imagegen_app.services.audit import erased_texts
from imagegen_app.services.audit._erased_uploads import erase_uploads
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import kept_answers
from imagegen_app.services.policy.access import ActionRefused, require_permission

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

#: The personal fields of events that hold a job's prompt, in whole or in part.
PROMPT_FIELDS: Final = ("prompt", "negative_prompt", "variables", "text")
_PERSON: Final = "person:"
_BATCH: Final = 500


class CannotErase(ActionRefused):
    """The erasure is not possible as requested."""

    code = "cannot_erase"


@use_case()
def erase_person(actor: Actor, *, subject: str, reason: str) -> int:
    """Erase a person's texts beside the log and the prompts of the person's jobs.

    `subject` is the pseudonym that events use, such as `person:42`. Returns how many texts beside
    the log were erased. The log still proves that the events happened, but no longer shows the
    texts or the person's name. If there is nothing left to erase, nothing is recorded.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if `subject` is not a person, the reason is missing, or a job still runs.
    :raises StorageUnavailable: if the original of an upload cannot be deleted at present.
    """
    require_permission(actor, "erase_personal_data")
    _require_reason(reason)
    number = subject.removeprefix(_PERSON)
    if not subject.startswith(_PERSON) or not number:
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("“%(subject)s” does not identify a person.") % {"subject": subject[:80]},
            remedy=_("Give the identifier that events use, such as person:42."),
        )
    jobs_of_person = Job.objects.filter(actor_kind="person", actor_id=number)
    _require_ended(jobs_of_person)
    prompts = Q(event__job_id__in=jobs_of_person.values("pk"), field__in=PROMPT_FIELDS)
    texts = erased_texts.lock(AuditPersonalText.objects.filter(Q(subject=subject) | prompts))
    count, jobs = len(texts), _blank(jobs_of_person, actor=actor)
    if not count and not jobs:
        return 0
    erasure = event_log.record(
        actor,
        "privacy.erased",
        data={"count": count, "jobs": jobs, "subject": subject, "ground": "all of one person"},
        personal={"reason": reason},
    )
    erased_texts.erase(texts, erasure=erasure)
    return count


@use_case()
def erase_prompt(actor: Actor, *, job: Job, reason: str) -> int:
    """Erase the prompt of a job and its chain; return how many texts beside the log were erased.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if the reason is missing, or the job still runs.
    :raises StorageUnavailable: if the original of an upload cannot be deleted at present.
    """
    require_permission(actor, "erase_personal_data")
    _require_reason(reason)
    root = job.root_id or job.pk
    chain = Job.objects.filter(Q(pk=root) | Q(root=root))
    _require_ended(chain)
    texts = erased_texts.lock(
        AuditPersonalText.objects.filter(event__job_id=root, field__in=PROMPT_FIELDS)
    )
    count, jobs = len(texts), _blank(chain, actor=actor)
    if not count and not jobs:
        return 0
    erasure = event_log.record(
        actor,
        "privacy.erased",
        subject=job,
        job=job,
        data={"count": count, "jobs": jobs, "ground": "the prompt of one job"},
        personal={"reason": reason},
    )
    erased_texts.erase(texts, erasure=erasure)
    job.refresh_from_db()
    return count


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("An erasure cannot be undone, so the log must record its reason."),
            remedy=_("Give a reason."),
        )


def _require_ended(jobs: QuerySet[Job]) -> None:
    """Require that all jobs have ended: others may still send their prompt to a provider."""
    if jobs.exclude(state__in=sorted(FINAL_STATES)).exists():
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("A job with such a prompt has not finished yet."),
            remedy=_("Cancel it or wait until it ends, then try again."),
        )


def _blank(jobs: QuerySet[Job], *, actor: Actor) -> int:
    """Blank the prompts of jobs, and what could reveal them; return how many were not blank yet.

    That is: reworded prompts, suggested alternative texts, digests of short prompts, kept
    answers, which may repeat the prompt, and the originals and manifests of uploads.
    """
    keys = list(jobs.filter(prompt_erased_at__isnull=True).values_list("pk", flat=True))
    now, blanked = clock.now(), 0
    for start in range(0, len(keys), _BATCH):
        chunk = keys[start : start + _BATCH]
        Attempt.objects.filter(job_id__in=chunk).update(request_digest="", revised_prompt="")
        kept = KeptAnswer.objects.filter(attempt__job_id__in=chunk, removed_at__isnull=True)
        kept_answers.remove(kept, ground="erased with the prompt", actor=actor)
        erase_uploads(chunk)
        # The captioner received the prompt, and may have repeated names from it.
        Asset.objects.filter(job_id__in=chunk).update(alt_suggestion="")
        blanked += Job.objects.filter(pk__in=chunk, prompt_erased_at__isnull=True).update(
            prompt="",
            negative_prompt="",
            variables={},
            fingerprint="",
            request_digest="",
            prompt_erased_at=now,
        )
    return blanked
