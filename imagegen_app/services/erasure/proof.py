"""Search all text columns and files for erased texts, and say what was found and what not searched."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import DatabaseError, models, transaction
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.models import (
    Asset,
    AssetSearchText,
    Attempt,
    AuditEvent,
    AuditPersonalText,
    Job,
    JobInput,
    JobPreview,
    KeptAnswer,
    Placement,
    Rendition,
    Verdict,
    WebhookDelivery,
)
from imagegen_app.services.erasure import (
    _answer_files,
    _batches,
    _database_files,
    _files,
    _rows,
    _tables,
)
from imagegen_app.services.gateways import resigning, storage
from imagegen_app.services.library import placed_copies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from imagegen_app.services.erasure.scopes import ErasedTexts, ErasureScope

#: By which path a row belongs to a job; rows of other tables belong to none.
_PATHS: Final[dict[type[models.Model], str]] = {
    Job: "pk",
    Attempt: "job_id",
    Asset: "job_id",
    AssetSearchText: "asset__job_id",
    JobInput: "job_id",
    Verdict: "job_id",
    Rendition: "asset__job_id",
    Placement: "asset__job_id",
    KeptAnswer: "attempt__job_id",
    WebhookDelivery: "attempt__job_id",
    AuditEvent: "job_id",
    AuditPersonalText: "event__job_id",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where an erased text still stands."""

    #: Such as `imagegen.job.prompt`, or a file.
    place: str
    count: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was searched after an erasure, and what was found."""

    #: How many texts were looked for; shorter ones are not counted.
    texts: int
    columns: int
    files: int
    #: What belongs to the erasure and still holds a text.
    findings: tuple[Finding, ...]
    #: The same words in rows that belong to others, which this erasure does not touch.
    elsewhere: tuple[Finding, ...]
    #: Places that could not be searched, each with the reason.
    not_searched: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing that belongs to the erasure holds a text any more."""
        return not self.findings


class _Search:
    """Collects what is searched and found."""

    def __init__(self, keys: Sequence[UUID], texts: ErasedTexts, *, most: int | None) -> None:
        self.keys = keys
        self.erased = texts
        known = texts.all()
        self.texts = known if most is None else (*texts.further, *known)[:most]
        self.columns = 0
        self.files = 0
        self.findings: list[Finding] = []
        self.elsewhere: list[Finding] = []
        self.not_searched: list[str] = []
        if len(self.texts) < len(known):
            self.not_searched.append(
                _("%(number)s shorter texts in the tables of others: the command searches for all")
                % {"number": len(known) - len(self.texts)}
            )

    def add(self, place: str, *, own: int = 0, others: int = 0) -> None:
        if own:
            self.findings.append(Finding(place, own))
        if others:
            self.elsewhere.append(Finding(place, others))


def search(scope: ErasureScope, texts: ErasedTexts, *, most: int | None = None) -> Proof:
    """Search all text columns of the site's database, and the files of the scope's jobs.

    `texts` are what the erasure removed, and whatever else is to be looked for; in the tables at
    most `most` of them, the longest. What must be blank by now is checked even without any text.
    """
    keys = scope.job_keys()
    found = _Search(keys, texts, most=most)
    _check_blanked(found, scope)
    for model in apps.get_models():
        _search_table(found, model)
    _search_sessions(found)
    for label, job, read in _stored_files(keys):
        _search_file(found, label, read, texts=(*texts.of(job), *texts.further))
    _check_removed_files(found)
    _search_database_files(found)
    found.not_searched.append(
        _("caches and backups of the site: this app keeps no texts in a cache; backups age out")
    )
    return Proof(
        texts=len(found.texts),
        columns=found.columns,
        files=found.files,
        findings=tuple(found.findings),
        elsewhere=tuple(found.elsewhere),
        not_searched=tuple(dict.fromkeys(found.not_searched)),
    )


def _check_blanked(found: _Search, scope: ErasureScope) -> None:
    """Find rows that an erasure blanks and that are not blank."""
    counts: dict[str, int] = {}
    for blanking in (
        *_rows.blankings(found.keys, found.erased),
        *_rows.table_blankings(scope, found.keys),
        *_batches.batch_blankings(scope),
    ):
        place = f"{_label(blanking.model)}.{'/'.join(sorted(blanking.values))}"
        counts[place] = counts.get(place, 0) + blanking.rows.count()
    for place, count in counts.items():
        found.add(place, own=count)
    left = _rows.personal_texts(scope, found.keys)
    # Who erased and why stays, even where people erase what is about themselves.
    left = left.exclude(event__type__startswith="privacy.eras")
    found.add(_label(AuditPersonalText), own=left.count())
    found.add(_label(KeptAnswer), own=_rows.kept_answers_of(found.keys).count())
    found.add(_label(JobPreview), own=JobPreview.objects.filter(job_id__in=found.keys).count())
    found.add(_label(JobInput), own=len(_rows.uploads_of(found.keys)))


def _search_table(found: _Search, model: type[models.Model]) -> None:
    fields = _tables.text_fields(model)
    if not fields or model is Session:
        return
    path = _PATHS.get(model)
    try:
        with transaction.atomic(using=_tables.database_of(model)):
            hits = _tables.rows_with_text(model, fields, found.texts)
    except DatabaseError as error:
        if path is not None:
            raise
        # A table of the site's own, such as a view of another system.
        found.not_searched.append(f"{_label(model)}: {type(error).__name__}")
        return
    found.columns += len(fields)
    for name, keys in hits.items():
        own = 0 if path is None else _tables.count_of_jobs(model, keys, path, found.keys)
        found.add(f"{_label(model)}.{name}", own=own, others=len(keys) - own)


def _search_sessions(found: _Search) -> None:
    if not apps.is_installed("django.contrib.sessions") or not found.texts:
        return
    if not conf.has_sessions_in_database():
        found.not_searched.append(
            _("sessions outside of the database: this app keeps no texts in them")
        )
        return
    matcher, hits = _tables.TextMatcher(found.texts), 0
    for session in Session.objects.using(_tables.database_of(Session)).iterator(chunk_size=500):
        hits += matcher.is_in(json.dumps(session.get_decoded(), default=str))
    found.columns += 1
    found.add(f"{_label(Session)}.session_data", others=hits)


def _stored_files(keys: Sequence[UUID]) -> Iterator[tuple[str, Job, Callable[[], bytes]]]:
    for asset in _files.assets_of(keys):
        names = [asset.storage_key, asset.original_storage_key]
        names += asset.renditions.order_by("pk").values_list("storage_key", flat=True)
        for name in names:
            yield name, asset.job, partial(storage.get, name)
        for placed, file in placed_copies.copies_of(asset):
            name, store = placed.placed_value, storage.GuardedStorage(file.storage)
            yield f"{_label(file.field.model)}: {name}", asset.job, partial(store.read, name)
    for entry in JobInput.objects.filter(job_id__in=keys).select_related("job").order_by("pk"):
        yield entry.storage_key, entry.job, partial(storage.get, entry.storage_key)


def _search_file(
    found: _Search, label: str, read: Callable[[], bytes], *, texts: Sequence[str]
) -> None:
    try:
        data = read()
    except storage.FileMissing:
        return
    except storage.StorageFailed as error:
        found.not_searched.append(f"{label}: {error}")
        return
    found.files += 1
    if resigning.has_text(data, texts) or resigning.has_prompt(data, writer=False):
        found.add(label, own=1)


def _check_removed_files(found: _Search) -> None:
    for key in _files.former_keys(found.keys):
        try:
            is_there = not _files.is_used(key) and storage.image_storage().exists(key)
        except storage.StorageFailed as error:
            found.not_searched.append(f"{key}: {error}")
            continue
        found.files += 1
        found.add(key, own=int(is_there))
    for folder in _answer_files.folders_of(found.keys):
        found.add(str(folder.name), own=1)
    for host in _answer_files.other_hosts(found.keys, this_host=platform.node()[:80]):
        found.not_searched.append(
            _("kept answers on the host %(host)s: its next sweep removes them") % {"host": host}
        )


def _search_database_files(found: _Search) -> None:
    paths = _database_files.files()
    if not paths:
        found.not_searched.append(
            _("the database server's own files, which hold old rows until it cleans them up")
        )
    for path in paths:
        found.files += 1
        if _database_files.has_text(path, found.texts):
            # The file holds the rows of others as well.
            is_others = bool(found.elsewhere)
            found.add(path.name, own=0 if is_others else 1, others=1 if is_others else 0)


def _label(model: type[models.Model]) -> str:
    return str(model._meta.label_lower)  # noqa: SLF001 - Django's documented API


def findings_text(findings: Iterable[Finding]) -> list[str]:
    """Return findings as the log records them: places and counts, never a text."""
    return [f"{one.place}: {one.count}" for one in findings]
