"""Erase personal texts for good, without breaking the log that committed to them."""

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
)
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy.access import ActionRefused, require_permission

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

#: The personal fields of events that repeat a job's prompt, in whole or in part.
PROMPT_FIELDS: Final = ("prompt", "negative_prompt", "variables", "text")
_PERSON: Final = "person:"
_BATCH: Final = 500


class CannotErase(ActionRefused):
    """The erasure is not possible as it was asked for."""

    code = "cannot_erase"


@use_case()
def erase_person(actor: Actor, *, subject: str, reason: str) -> int:
    """Erase a person's texts beside the log and the prompts of the person's jobs.

    The subject is the pseudonym that events use, such as `person:42`. Returns how many texts
    beside the log went. The log keeps saying that something happened, and no longer what was
    written or what the person is called.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if the pseudonym is none, the reason is missing, or a job still runs.
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
    theirs = Job.objects.filter(actor_kind="person", actor_id=number)
    _require_ended(theirs)
    repeated = Q(event__job_id__in=theirs.values("pk"), field__in=PROMPT_FIELDS)
    count = _delete(AuditPersonalText.objects.filter(Q(subject=subject) | repeated))
    jobs = _blank(theirs)
    event_log.record(
        actor,
        "privacy.erased",
        data={"count": count, "jobs": jobs, "subject": subject, "ground": "all of one person"},
        personal={"reason": reason},
    )
    return count


@use_case()
def erase_prompt(actor: Actor, *, job: Job, reason: str) -> int:
    """Erase the prompt of one job request everywhere; return how many texts beside the log went.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if the reason is missing, or the job still runs.
    """
    require_permission(actor, "erase_personal_data")
    _require_reason(reason)
    root = job.root_id or job.pk
    this = Job.objects.filter(Q(pk=root) | Q(root=root))
    _require_ended(this)
    texts = AuditPersonalText.objects.filter(event__job_id=root, field__in=PROMPT_FIELDS)
    count = _delete(texts)
    jobs = _blank(this)
    event_log.record(
        actor,
        "privacy.erased",
        subject=job,
        job=job,
        data={"count": count, "jobs": jobs, "ground": "the prompt of one job"},
        personal={"reason": reason},
    )
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
    """Let no prompt go that a provider may still be sent."""
    if jobs.exclude(state__in=sorted(FINAL_STATES)).exists():
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("A job with such a prompt has not finished yet."),
            remedy=_("Cancel it or wait until it ends, then try again."),
        )


def _delete(texts: QuerySet[AuditPersonalText]) -> int:
    # By key: MySQL does not delete from a table that the condition joins.
    keys = list(texts.values_list("pk", flat=True))
    for start in range(0, len(keys), _BATCH):
        AuditPersonalText.objects.filter(pk__in=keys[start : start + _BATCH]).delete()
    return len(keys)


def _blank(jobs: QuerySet[Job]) -> int:
    """Blank the prompts of jobs, what providers made of them, and the digests from which a short one could be guessed."""
    keys = list(jobs.filter(prompt_erased_at__isnull=True).values_list("pk", flat=True))
    now = clock.now()
    for start in range(0, len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        Attempt.objects.filter(job_id__in=some).update(request_digest="", revised_prompt="")
        # A captioner was told the prompt, and may have repeated names from it.
        Asset.objects.filter(job_id__in=some).update(alt_suggestion="")
        Job.objects.filter(pk__in=some).update(
            prompt="",
            negative_prompt="",
            variables={},
            fingerprint="",
            request_digest="",
            prompt_erased_at=now,
        )
    return len(keys)
