"""Say what an erasure is about: a person, or the prompt of one job; and which texts that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils.translation import gettext as _

from imagegen_app.core.states import FINAL_STATES
from imagegen_app.core.types import texts_in
from imagegen_app.models import Attempt, AuditEvent, AuditPersonalText, Batch, Job
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.contrib.auth import get_user_model
from django.db.models import QuerySet

#: The personal fields of events that hold a job's prompt, in whole or in part.
PROMPT_FIELDS: Final = ("prompt", "negative_prompt", "variables", "text")
#: Shorter texts, such as a colour, are found everywhere: they are blanked, but not looked for.
MIN_TEXT_CHARS: Final = 8
#: Keys in one statement.
KEYS_AT_ONCE: Final = 500
_PERSON: Final = "person:"


class CannotErase(ActionRefused):
    """The erasure is not possible as requested."""

    code = "cannot_erase"


@dataclass(frozen=True, slots=True)
class ErasureScope:
    """What is to be erased: all of a person, or the prompt of a job and its chain."""

    #: The pseudonym that events use, such as `person:42`; empty for the prompt of one job.
    subject: str = ""
    #: The first job of the chain whose prompt is erased.
    root: UUID | None = None

    @property
    def is_person(self) -> bool:
        """Whether everything of one person is erased."""
        return bool(self.subject)

    def jobs(self) -> QuerySet[Job]:
        """Return the jobs whose prompts are erased, with all their follow-up passes."""
        of_chain = Q(pk=self.root) | Q(root=self.root)
        rows: QuerySet[Job] = Job.objects.filter(self.of_person() if self.is_person else of_chain)
        return rows

    def batches(self) -> QuerySet[Batch]:
        """Return the batches of the person, and those that the jobs belong to."""
        of_jobs = Q(pk__in=self.jobs().filter(batch__isnull=False).order_by().values("batch"))
        rows: QuerySet[Batch] = Batch.objects.filter(
            of_jobs | self.of_person() if self.is_person else of_jobs
        )
        return rows

    def of_person(self, path: str = "") -> Q:
        """Return the condition that the person acted; `path` leads to the columns of the actor."""
        key = self.subject.removeprefix(_PERSON)
        return Q(**{f"{path}actor_kind": "person", f"{path}actor_id": key})

    def first_job(self) -> Job | None:
        """Return the first job of the chain whose prompt is erased; None for a person."""
        return None if self.root is None else Job.objects.filter(pk=self.root).first()

    def job_keys(self) -> list[UUID]:
        """Return the primary keys of the jobs."""
        return list(self.jobs().order_by("pk").values_list("pk", flat=True))


def person_scope(subject: str) -> ErasureScope:
    """Return the scope of a person, given the pseudonym that events use.

    :raises CannotErase: if it identifies no person.
    """
    subject = subject.strip()
    if not subject.startswith(_PERSON) or not subject.removeprefix(_PERSON):
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("“%(subject)s” does not identify a person.") % {"subject": subject[:80]},
            remedy=_("Give the identifier that events use, such as person:42."),
        )
    return ErasureScope(subject=subject)


def find_scope(text: str) -> ErasureScope:
    """Return the scope that a person typed: `person:42`, a login name, or the ID of a job.

    :raises CannotErase: if nothing is known by that.
    """
    text = text.strip()
    if text.startswith(_PERSON):
        scope = person_scope(text)
        if not _is_known(scope):
            raise CannotErase(
                _("Nothing was erased."),
                reason=_("Neither an account nor the log knows “%(text)s”.") % {"text": text[:80]},
                remedy=_("Compare it with the person's events in the audit log."),
            )
        return scope
    try:
        job = Job.objects.filter(pk=UUID(text)).first()
    except ValueError:
        job = None
    if job is not None:
        return job_scope(job)
    people = get_user_model()._default_manager  # noqa: SLF001 - Django's documented API
    user = people.filter(**{people.model.USERNAME_FIELD: text}).first() if text else None
    if user is not None:
        return person_scope(f"{_PERSON}{user.pk}")
    raise CannotErase(
        _("Nothing was erased."),
        reason=_("“%(text)s” is neither a person nor a job.") % {"text": text[:80]},
        remedy=_("Give a login name, the identifier that events use (person:42), or a job's ID."),
    )


def _is_known(scope: ErasureScope) -> bool:
    """Return whether an account, a job or an event is of this person: a mistyped one has none.

    Events keep the identifier when the account is deleted and the texts are erased.
    """
    key = scope.subject.removeprefix(_PERSON)
    of_person = {"actor_kind": "person", "actor_id": key}
    if AuditEvent.objects.filter(**of_person).exists() or scope.jobs().exists():
        return True
    if AuditPersonalText.objects.filter(subject=scope.subject).exists():
        return True
    people = get_user_model()
    try:
        key_of_account = people._meta.pk.to_python(key)  # noqa: SLF001 - Django's documented API
    except ValidationError:
        return False
    # As it stands in events: "01" is nobody.
    return (
        str(key_of_account) == key and people._default_manager.filter(pk=key_of_account).exists()  # noqa: SLF001 - as above
    )


def job_scope(job: Job) -> ErasureScope:
    """Return the scope of a job's prompt, which its whole chain shares."""
    return ErasureScope(root=job.root_id or job.pk)


def unfinished_reason(scope: ErasureScope) -> str:
    """Return why the jobs' prompts cannot be erased yet; empty if they can."""
    if scope.jobs().exclude(state__in=sorted(FINAL_STATES)).exists():
        return _("A job with such a prompt has not finished yet.")
    waiting = scope.batches().filter(prepared_rows__lt=F("row_count"), cancelled_at__isnull=True)
    if waiting.exists():
        # Its rows need the values that would be erased.
        return _("A batch has not made the jobs of all its rows yet.")
    return ""


@dataclass(frozen=True, slots=True)
class ErasedTexts:
    """The texts that an erasure removes; held in memory only."""

    #: By the first job of each chain.
    by_root: Mapping[UUID, tuple[str, ...]] = field(default_factory=dict, repr=False)
    #: Further texts to look for, which nothing erases.
    further: tuple[str, ...] = field(default=(), repr=False)

    def of(self, job: Job) -> tuple[str, ...]:
        """Return the texts of a job's chain, longest first."""
        return self.by_root.get(job.root_id or job.pk, ())

    def all(self) -> tuple[str, ...]:
        """Return all texts, each once, longest first."""
        found = {text for texts in self.by_root.values() for text in texts} | set(self.further)
        return _longest_first(found)


def collect_texts(scope: ErasureScope, *, further: Sequence[str] = ()) -> ErasedTexts:
    """Return the texts that an erasure removes.

    To be called before the erasure: afterwards nobody knows them.
    """
    found: dict[UUID, set[str]] = {}
    root_of: dict[UUID, UUID] = {}
    columns = ("pk", "root_id", "prompt", "negative_prompt", "variables", "parameters", "passes")
    rows = scope.jobs().values_list(*columns).iterator()
    for key, root, prompt, negative, variables, given, passes in rows:
        root_of[key] = root or key
        texts = found.setdefault(root or key, set())
        # Single words are the names of choices.
        worded = (text for text in texts_in(given) if " " in text)
        instructions = (str(one.get("instruction", "")) for one in passes)
        texts |= {prompt, negative, *texts_in(variables), *worded, *instructions}
    keys = list(root_of)
    for start in range(0, len(keys), KEYS_AT_ONCE):
        chunk = keys[start : start + KEYS_AT_ONCE]
        reworded = Attempt.objects.filter(job_id__in=chunk).exclude(revised_prompt="")
        for key, revised in reworded.values_list("job_id", "revised_prompt"):
            # Several wordings of one answer are stored one below the other.
            found[root_of[key]] |= {revised, *revised.split("\n\n")}
        told = AuditPersonalText.objects.filter(event__job_id__in=chunk, field__in=PROMPT_FIELDS)
        for key, value in told.values_list("event__job_id", "value"):
            if key is not None:
                found[root_of[key]].add(value)
    by_root = {
        root: _longest_first({text.strip() for text in texts}) for root, texts in found.items()
    }
    return ErasedTexts(
        {
            root: tuple(t for t in texts if len(t) >= MIN_TEXT_CHARS)
            for root, texts in by_root.items()
        },
        tuple(text.strip() for text in further if text.strip()),
    )


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts, key=lambda text: (-len(text), text)))
