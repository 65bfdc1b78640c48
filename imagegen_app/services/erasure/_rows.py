"""List the rows that hold a prompt or what could reveal it; the preview counts what is blanked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db.models import CharField, F, Q
from django.db.models.functions import Cast

from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.types import texts_in
from imagegen_app.models import (
    AltText,
    Asset,
    Attempt,
    AuditPersonalText,
    Batch,
    Job,
    JobInput,
    KeptAnswer,
    Placement,
    UploadedTable,
    UploadedTableRow,
    WebhookDelivery,
    WrittenColumn,
)
from imagegen_app.services.erasure.scopes import KEYS_AT_ONCE, PROMPT_FIELDS
from imagegen_app.services.gateways import content_fields, manifests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from django.db.models import Model, QuerySet

    from imagegen_app.services.erasure.scopes import ErasedTexts, ErasureScope

#: Columns that should repeat no prompt, but hold words of a provider, a check or a person.
_QUOTING: Final[tuple[tuple[type[Model], str, tuple[str, ...]], ...]] = (
    (Job, "pk", ("error_message", "error_remedy")),
    (Attempt, "job_id", ("error_detail",)),
    (KeptAnswer, "attempt__job_id", ("detail",)),
    (Asset, "job_id", ("title", "alt_text", "review_note", "review_request_note")),
    (AltText, "asset__job_id", ("text",)),
    # What described the field before, where a person had typed it.
    (Placement, "asset__job_id", ("previous_alt_text",)),
)


#: What a row of an uploaded table says once its values are erased.
ERASED_VALUES: Final = gettext_noop("The values of this row were erased.")
_ERASED_ROW: Final[dict[str, Any]] = {
    "values": [],
    "problem": {"message": ERASED_VALUES, "values": {}},
}


#: Instead of a hash of what was erased, so that the same file can be uploaded again, too; and
#: instead of a title, since links need a text.
OWN_KEY: Final = Cast("pk", CharField(max_length=64))


@dataclass(frozen=True, slots=True)
class Blanking:
    """Rows of one table, and what their columns are set to."""

    rows: QuerySet[Any]
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> type[Model]:
        """The table."""
        return self.rows.model


def blankings(keys: Sequence[UUID], texts: ErasedTexts) -> Iterator[Blanking]:
    """Yield what is blanked of these jobs: only rows that are not blank yet.

    That is: prompts and reworded prompts, suggested alternative texts, digests of short prompts,
    bodies of webhooks, in which a provider may repeat the prompt, and words that quote it.
    """
    for chunk in chunks(keys):
        yield _blanking(
            Job.objects.filter(pk__in=chunk),
            prompt="",
            negative_prompt="",
            variables={},
            fingerprint="",
            request_digest="",
        )
        yield Blanking(_jobs_with_worded_parameters(chunk), {"parameters": {}})
        yield Blanking(_jobs_with_instructions(chunk), {"passes": []})
        attempts = Attempt.objects.filter(job_id__in=chunk)
        yield _blanking(
            attempts,
            request_digest="",
            resolved={},
            revised_prompt="",
            provider_message="",
            provider_state={},
        )
        deliveries = WebhookDelivery.objects.filter(attempt__job_id__in=chunk)
        yield _blanking(deliveries, body="", body_sha256="")
        # The captioner received the prompt, and may have repeated names from it.
        yield _blanking(Asset.objects.filter(job_id__in=chunk), alt_suggestion="")
        yield _blanking(AltText.objects.filter(asset__job_id__in=chunk), suggestion="")
        for model, path, columns in _QUOTING:
            for column in columns:
                yield Blanking(_quoting_rows(chunk, texts, model, path, column), {column: ""})


def table_blankings(scope: ErasureScope, keys: Sequence[UUID]) -> Iterator[Blanking]:
    """Yield what is blanked of uploaded tables: all of a person's, or the rows of these jobs."""
    if scope.is_person:
        tables = UploadedTable.objects.filter(owner__in=_account(scope))
        yield _blanking(tables, name="", columns=[], notes=[], digest=OWN_KEY)
        yield _blanking(UploadedTableRow.objects.filter(table__in=tables), **_ERASED_ROW)
        columns = WrittenColumn.objects.filter(table__in=tables)
        yield _blanking(columns, name="", instruction="", sources=[])
    for chunk in chunks(keys):
        jobs = Job.objects.filter(pk__in=chunk, batch__table__isnull=False).exclude(row_key="")
        wanted: dict[UUID, set[str]] = {}
        for key, row_key in jobs.values_list("batch_id", "row_key"):
            if key is not None:
                wanted.setdefault(key, set()).add(row_key)
        for batch in Batch.objects.filter(pk__in=wanted).only("rows", "table").order_by("pk"):
            places = [n for n, row in enumerate(batch.rows) if row in wanted[batch.pk]]
            for start in range(0, len(places), KEYS_AT_ONCE):
                rows = UploadedTableRow.objects.filter(
                    table=batch.table_id, position__in=places[start : start + KEYS_AT_ONCE]
                )
                yield _blanking(rows, **_ERASED_ROW)
            if places and batch.table_id is not None:
                tables = UploadedTable.objects.filter(pk=batch.table_id)
                yield _blanking(tables, digest=OWN_KEY)


def _account(scope: ErasureScope) -> QuerySet[Any]:
    """Return the account of the person, as the event log names it; none if it was deleted."""
    people = get_user_model()._default_manager  # noqa: SLF001 - Django's documented API
    key = content_fields.parse_key(people.model, scope.subject.partition(":")[2])
    rows: QuerySet[Any] = people.none() if key is None else people.filter(pk=key)
    return rows


def _jobs_with_worded_parameters(keys: Sequence[UUID]) -> QuerySet[Any]:
    """Return the jobs whose parameters hold more than numbers and single words."""
    found = Job.objects.filter(pk__in=keys).exclude(parameters={}).values_list("pk", "parameters")
    worded = [key for key, parameters in found if any(" " in t for t in texts_in(parameters))]
    return Job.objects.filter(pk__in=worded)


def _jobs_with_instructions(keys: Sequence[UUID]) -> QuerySet[Any]:
    """Return the jobs whose follow-up passes have an instruction in words."""
    found = Job.objects.filter(pk__in=keys).exclude(passes=[]).values_list("pk", "passes")
    worded = [key for key, passes in found if any(one.get("instruction") for one in passes)]
    return Job.objects.filter(pk__in=worded)


def _quoting_rows(
    keys: Sequence[UUID], texts: ErasedTexts, model: type[Model], path: str, column: str
) -> QuerySet[Any]:
    """Return the rows of these jobs whose column holds one of the job's texts."""
    rows: QuerySet[Any] = model._default_manager.all()  # noqa: SLF001 - Django's documented API
    jobs = Job.objects.in_bulk(list(keys)) if any(texts.by_root.values()) else {}
    filled = rows.filter(**{f"{path}__in": list(jobs)}).exclude(**{column: ""})
    quoting = [
        key
        for key, job, value in filled.values_list("pk", path, column)
        if any(text in value for text in texts.of(jobs[job]))
    ]
    return rows.filter(pk__in=quoting)


def personal_texts(scope: ErasureScope, keys: Sequence[UUID]) -> QuerySet[AuditPersonalText]:
    """Return the texts beside the log that are erased; not those that were erased before."""
    wanted = Q(event__job_id__in=keys, field__in=PROMPT_FIELDS)
    if scope.is_person:
        # By the event's actor, too: were the person of a text changed, the erasure would miss it.
        wanted |= Q(subject=scope.subject) | scope.of_person("event__")
    rows: QuerySet[AuditPersonalText] = AuditPersonalText.objects.filter(
        wanted, erased_by__isnull=True
    )
    return rows


def kept_answers_of(keys: Sequence[UUID]) -> QuerySet[KeptAnswer]:
    """Return the kept answers that are removed."""
    rows: QuerySet[KeptAnswer] = KeptAnswer.objects.filter(
        attempt__job_id__in=keys, removed_at__isnull=True
    )
    return rows


def uploads_of(keys: Sequence[UUID]) -> list[JobInput]:
    """Return the uploads whose original, manifest or names are removed."""
    rows = JobInput.objects.filter(job_id__in=keys, asset__isnull=True).order_by("pk")
    return [
        entry
        for entry in rows
        if entry.original_storage_key
        or entry.manifest_key
        or entry.found_at
        or entry.ingredient_facts != manifests.without_names(entry.ingredient_facts)
    ]


def forget_body_hashes(keys: Sequence[UUID]) -> None:
    """Rename deliveries whose name is the hash of their body, as those without an ID of theirs."""
    rows = WebhookDelivery.objects.filter(attempt__job_id__in=keys, delivery_id=F("body_sha256"))
    for key in list(rows.exclude(body_sha256="").values_list("pk", flat=True)):
        WebhookDelivery.objects.filter(pk=key).update(delivery_id=f"erased-{key}")


def blank(blanking: Blanking) -> int:
    """Blank the columns of rows; return how many rows were changed."""
    keys = list(blanking.rows.order_by("pk").values_list("pk", flat=True))
    rows = blanking.model._default_manager  # noqa: SLF001 - Django's documented API
    return sum(
        rows.filter(pk__in=keys[start : start + KEYS_AT_ONCE])
        .exclude(**blanking.values)
        .update(**blanking.values)
        for start in range(0, len(keys), KEYS_AT_ONCE)
    )


def chunks(keys: Sequence[UUID]) -> list[Sequence[UUID]]:
    """Return the keys in parts that fit one statement of every database."""
    return [keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE)]


def _blanking(rows: QuerySet[Any], **values: Any) -> Blanking:
    return Blanking(rows.exclude(**values), values)
