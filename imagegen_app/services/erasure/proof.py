"""Search all text columns and files for erased texts, and say what was found and what not searched."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, models, router, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from imagegen_app.models import (
    Asset,
    Attempt,
    AuditEvent,
    AuditPersonalText,
    Job,
    JobInput,
    KeptAnswer,
    Placement,
    Rendition,
    Verdict,
    WebhookDelivery,
)
from imagegen_app.services.erasure import _answer_files, _database_files, _files, _rows
from imagegen_app.services.gateways import resigning, storage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from uuid import UUID

    from imagegen_app.services.erasure.scopes import ErasureScope

#: By which path a row belongs to a job; rows of other tables belong to none.
_PATHS: Final[dict[type[models.Model], str]] = {
    Job: "pk",
    Attempt: "job_id",
    Asset: "job_id",
    JobInput: "job_id",
    Verdict: "job_id",
    Rendition: "asset__job_id",
    Placement: "asset__job_id",
    KeptAnswer: "attempt__job_id",
    WebhookDelivery: "attempt__job_id",
    AuditEvent: "job_id",
    AuditPersonalText: "event__job_id",
}
_DATABASE_SESSIONS: Final = frozenset(
    {"django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db"}
)
#: Longer conditions are split: a database limits the parameters of a statement.
_TEXTS_AT_ONCE: Final = 50


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

    def __init__(self, keys: Sequence[UUID], texts: Collection[str]) -> None:
        self.keys = keys
        self.texts = list(texts)
        self.columns = 0
        self.files = 0
        self.findings: list[Finding] = []
        self.elsewhere: list[Finding] = []
        self.not_searched: list[str] = []

    def add(self, place: str, *, own: int = 0, others: int = 0) -> None:
        if own:
            self.findings.append(Finding(place, own))
        if others:
            self.elsewhere.append(Finding(place, others))


def search(scope: ErasureScope, texts: Collection[str]) -> Proof:
    """Search all text columns of the site's database, and the files of the scope's jobs.

    `texts` are what the erasure removed, and whatever else is to be looked for. What must be blank
    by now is checked even without any text.
    """
    keys = scope.job_keys()
    found = _Search(keys, texts)
    _check_blanked(found, scope)
    for model in apps.get_models():
        _search_table(found, model)
    _search_sessions(found)
    for label, read in _stored_files(keys):
        _search_file(found, label, read)
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
    for blanking in _rows.blankings(found.keys, found.texts):
        columns = "/".join(sorted(blanking.values))
        found.add(f"{_label(blanking.model)}.{columns}", own=blanking.rows.count())
    left = _rows.personal_texts(scope, found.keys)
    # The reason of the erasure itself is told by its officer.
    found.add(_label(AuditPersonalText), own=left.count())
    found.add(_label(KeptAnswer), own=_rows.kept_answers_of(found.keys).count())
    found.add(_label(JobInput), own=len(_rows.uploads_of(found.keys)))


def _search_table(found: _Search, model: type[models.Model]) -> None:
    fields = [
        field
        for field in model._meta.concrete_fields  # noqa: SLF001 - Django's documented API
        if isinstance(field, models.CharField | models.TextField | models.JSONField)
    ]
    if not fields or model is Session:
        return
    database = router.db_for_read(model)
    path = _PATHS.get(model)
    for field in fields:
        column = f"{_label(model)}.{field.name}"
        try:
            with transaction.atomic(using=database):
                own, others = _count(found, model, field, path=path)
        except DatabaseError as error:
            if model in _PATHS:
                raise
            # A table of the site's own, such as a view of another system.
            found.not_searched.append(f"{column}: {type(error).__name__}")
            continue
        found.columns += 1
        found.add(column, own=own, others=others)


def _count(
    found: _Search, model: type[models.Model], field: models.Field[Any, Any], *, path: str | None
) -> tuple[int, int]:
    """Return how many rows hold a text: of the erased jobs, and of others."""
    rows = model._base_manager.annotate(imagegen_text=Cast(field.name, TextField()))  # noqa: SLF001 - Django's documented API
    hits: set[Any] = set()
    for start in range(0, len(found.texts), _TEXTS_AT_ONCE):
        condition = Q(pk__in=())
        for text in found.texts[start : start + _TEXTS_AT_ONCE]:
            # As it is, and as JSON spells it.
            spelt = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
            for one in spelt:
                condition |= Q(imagegen_text__contains=one)
        hits |= set(rows.filter(condition).values_list("pk", flat=True))
    if not hits or path is None:
        return 0, len(hits)
    found_keys = list(hits)
    own = 0
    for start in range(0, len(found_keys), 500):
        chunk = found_keys[start : start + 500]
        own += len(
            {
                key
                for keys in _rows.chunks(found.keys)
                for key in model._base_manager.filter(  # noqa: SLF001 - Django's documented API
                    Q(pk__in=chunk), Q(**{f"{path}__in": keys})
                ).values_list("pk", flat=True)
            }
        )
    return own, len(hits) - own


def _search_sessions(found: _Search) -> None:
    if not apps.is_installed("django.contrib.sessions") or not found.texts:
        return
    if settings.SESSION_ENGINE not in _DATABASE_SESSIONS:
        found.not_searched.append(
            _("sessions outside of the database: this app keeps no texts in them")
        )
        return
    hits = 0
    for session in Session.objects.iterator(chunk_size=500):
        text = json.dumps(session.get_decoded(), ensure_ascii=False, default=str)
        hits += any(json.dumps(one, ensure_ascii=False)[1:-1] in text for one in found.texts)
    found.columns += 1
    found.add(f"{_label(Session)}.session_data", others=hits)


def _stored_files(keys: Sequence[UUID]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for asset in _files.assets_of(keys):
        names = [asset.storage_key, asset.original_storage_key]
        names += asset.renditions.order_by("pk").values_list("storage_key", flat=True)
        for name in names:
            yield name, partial(storage.get, name)
        for copy in _files.placed_copies(asset):
            name = copy.placement.placed_value
            yield f"{_label(copy.field.model)}: {name}", partial(copy.store.read, name)
    for entry in JobInput.objects.filter(job_id__in=keys).order_by("pk"):
        yield entry.storage_key, partial(storage.get, entry.storage_key)


def _search_file(found: _Search, label: str, read: Callable[[], bytes]) -> None:
    try:
        data = read()
    except storage.FileMissing:
        return
    except storage.StorageFailed as error:
        found.not_searched.append(f"{label}: {error}")
        return
    found.files += 1
    if resigning.has_text(data, found.texts) or resigning.has_prompt(data, writer=False):
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
