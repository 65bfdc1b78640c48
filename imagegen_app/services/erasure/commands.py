"""Erase personal texts for good; the log stays verifiable, since it holds only commitments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.models import Asset, Job
from imagegen_app.services.audit import erased_texts
from imagegen_app.services.erasure import (
    _answer_files,
    _batches,
    _database_files,
    _files,
    _rows,
    proof,
)
from imagegen_app.services.erasure._uploads import erase_uploads
from imagegen_app.services.erasure.scopes import (
    CannotErase,
    ErasedTexts,
    ErasureScope,
    collect_texts,
    job_scope,
    person_scope,
    unfinished_reason,
)
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import job_previews, kept_answers
from imagegen_app.services.library import search_text
from imagegen_app.services.policy.access import require_permission
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from imagegen_app.core.actors import Actor

__all__ = ["CannotErase", "ErasureReport", "erase", "erase_person", "erase_prompt"]


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What was erased, and the proof of it."""

    #: Texts beside the log that were deleted.
    texts: int
    proof: proof.Proof
    #: Why the database's own file could not be written anew; empty if it was, or need not be.
    problem: str = ""


def erase(
    actor: Actor,
    scope: ErasureScope,
    *,
    reason: str,
    also_search: Sequence[str] = (),
    most_texts: int | None = None,
) -> ErasureReport:
    """Erase, search everything for what was erased, and record the result of the search.

    `also_search` are further texts to look for, such as a nickname; they are kept nowhere. Repeating
    an erasure searches again. Of a person with very many prompts at most `most_texts` are looked for
    in all tables, and the result says so. Not to be called within a transaction: files go after its end.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if the reason is missing, a job still runs, or a file cannot be rewritten.
    :raises StorageUnavailable: if a file cannot be read, written or deleted at present.
    """
    _require(actor, scope, reason=reason)
    texts = collect_texts(scope, further=also_search)
    count, has_changed = _erase(actor, scope, reason=reason)
    # Also if nothing was left to erase: the last time the database may have been in use.
    problem = _database_files.clean()
    found = proof.search(scope, texts, most=most_texts)
    if has_changed or texts.further or not found.is_clean:
        _record_proof(actor, scope, found)
    return ErasureReport(count, found, problem)


def erase_person(actor: Actor, *, subject: str, reason: str) -> int:
    """Erase a person's texts beside the log and the prompts of the person's jobs, without a proof.

    `subject` is the pseudonym that events use, such as `person:42`. Returns how many texts beside
    the log were deleted. The log still proves that the events happened, but no longer shows the
    texts or the person's name. If there is nothing left to erase, nothing is recorded.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if `subject` is not a person, the reason is missing, a job still runs, or
        a file cannot be rewritten.
    :raises StorageUnavailable: if a file cannot be read, written or deleted at present.
    """
    require_permission(actor, "erase_personal_data")
    _require_reason(reason)
    scope = person_scope(subject)
    _require(actor, scope, reason=reason)
    return _erase(actor, scope, reason=reason)[0]


def erase_prompt(actor: Actor, *, job: Job, reason: str) -> int:
    """Erase the prompt of a job and its chain; return how many texts beside the log were deleted.

    :raises NotPermitted: without the permission to erase personal data.
    :raises CannotErase: if the reason is missing, the job still runs, or a file cannot be rewritten.
    :raises StorageUnavailable: if a file cannot be read, written or deleted at present.
    """
    scope = job_scope(job)
    _require(actor, scope, reason=reason)
    count, _has_changed = _erase(actor, scope, reason=reason)
    job.refresh_from_db()
    return count


def _require(actor: Actor, scope: ErasureScope, *, reason: str) -> None:
    require_permission(actor, "erase_personal_data")
    _require_reason(reason)
    _require_ended(scope)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("An erasure cannot be undone, so the log must record its reason."),
            remedy=_("Give a reason."),
        )


def _require_ended(scope: ErasureScope) -> None:
    """Require that all jobs have ended: others may still send their prompt to a provider."""
    against = unfinished_reason(scope)
    if against:
        raise CannotErase(
            _("Nothing was erased."),
            reason=against,
            remedy=_("Cancel it or wait until it ends, then try again."),
        )


def _erase(actor: Actor, scope: ErasureScope, *, reason: str) -> tuple[int, bool]:
    """Erase; return how many texts beside the log were deleted, and whether anything changed."""
    keys, texts = scope.job_keys(), collect_texts(scope)
    # First: while the rows know the texts, an erasure that fails here can be repeated.
    with refuse_on_storage_failure(_("Nothing was erased.")):
        _files.rewrite_files(keys, texts, writer=scope.is_person, actor=actor)
        database.on_commit(partial(_files.delete_former_files, keys))
    return _erase_rows(actor, scope, texts, reason=reason)


@use_case()
def _erase_rows(
    actor: Actor, scope: ErasureScope, texts: ErasedTexts, *, reason: str
) -> tuple[int, bool]:
    # Locked: somebody else may erase the same at this moment.
    keys = list(scope.jobs().select_for_update().order_by("pk").values_list("pk", flat=True))
    # Again, within the transaction: a job may have been requested meanwhile.
    _require_ended(scope)
    locked = erased_texts.lock(_rows.personal_texts(scope, keys))
    count = len(locked)
    around = (*_rows.table_blankings(scope, keys), *_batches.batch_blankings(scope))
    others = sum(_rows.blank(blanking) for blanking in around)
    jobs = _blank(keys, texts, actor=actor) or min(others, 1)
    if not count and not jobs:
        return 0, False
    first = scope.first_job()
    ground = "all of one person" if scope.is_person else "the prompt of one job"
    erasure = event_log.record(
        actor,
        "privacy.erased",
        subject=first,
        job=first,
        data={
            "count": count,
            "jobs": jobs,
            "ground": ground,
            **({"subject": scope.subject} if scope.is_person else {}),
        },
        personal={"reason": reason},
    )
    erased_texts.erase(locked, erasure=erasure)
    return count, True


def _blank(keys: Sequence[UUID], texts: ErasedTexts, *, actor: Actor) -> int:
    """Blank the prompts of jobs, and what could reveal them; return how many jobs were changed.

    If only other rows were changed, such as a webhook that came later, that counts as one.
    """
    jobs = others = 0
    for chunk in _rows.chunks(keys):
        # Before the uploads' names are taken out: what is removed counts as a change.
        others += len(_rows.uploads_of(chunk))
        others += kept_answers.remove(
            _rows.kept_answers_of(chunk), ground="erased with the prompt", actor=actor
        )
        erase_uploads(chunk)
        # There is none of a job that has ended, unless a worker died.
        others += job_previews.remove(chunk)
        _rows.forget_body_hashes(chunk)
        for blanking in _rows.blankings(chunk, texts):
            changed = _rows.blank(blanking)
            if blanking.model is Job and "prompt" in blanking.values:
                jobs += changed
            else:
                others += changed
        search_text.renew(Asset.objects.filter(job__in=chunk).values_list("pk", flat=True))
        Job.objects.filter(pk__in=chunk, prompt_erased_at__isnull=True).update(
            prompt_erased_at=clock.now()
        )
    # After the commit: an answer of which the rows still know must not be gone.
    database.on_commit(partial(_answer_files.remove_folders, keys))
    return jobs or min(others, 1)


@use_case()
def _record_proof(actor: Actor, scope: ErasureScope, found: proof.Proof) -> None:
    job = scope.first_job()
    event_log.record(
        actor,
        "privacy.erasure_proved" if found.is_clean else "privacy.erasure_incomplete",
        subject=job,
        job=job,
        data={
            "texts": found.texts,
            "columns": found.columns,
            "files": found.files,
            "found": proof.findings_text(found.findings)[:50],
            "elsewhere": proof.findings_text(found.elsewhere)[:50],
            "not_searched": list(found.not_searched)[:50],
            **({"subject": scope.subject} if scope.is_person else {}),
        },
    )
