"""Store tables that people upload, and delete them again: on wish, or when nobody uses them any more."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError
from django.db.models import F, Q
from django.utils.translation import gettext as _

from imagegen_app import conf, database
from imagegen_app.core.actors import Person, System
from imagegen_app.core.csv_tables import DELIMITERS, ENCODINGS, read_csv
from imagegen_app.core.uploaded_tables import MAX_TABLE_BYTES, ReadTable, TableError
from imagegen_app.models import (
    Batch,
    UploadedTable,
    UploadedTableRow,
    WrittenColumn,
    WrittenText,
)
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import workbooks
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

RETENTION_ACTOR: Final = System("retention")
#: Tables that one run of the retention deletes at most.
_AT_ONCE: Final = 20
#: Rows in one statement.
_ROWS_AT_ONCE: Final = 1000


class InvalidTable(ActionRefused):
    """The file cannot be used as a table, or the table cannot be used."""

    code = "invalid_table"


@dataclass(frozen=True, slots=True)
class AddedTable:
    """A table that was uploaded."""

    table: UploadedTable
    #: The same person has uploaded the same content before: it is that table.
    is_known: bool


def add_table(
    *,
    actor: Person,
    name: str,
    data: bytes,
    encoding: str = "",
    delimiter: str = "",
    sheet: str = "",
) -> AddedTable:
    """Read a CSV file or an Excel workbook and store its rows; the file itself is not kept.

    The encoding, the separator and the sheet are found out where they are not given. The same
    content of the same person is stored once.

    :raises NotPermitted: if the actor may not request images.
    :raises InvalidTable: if it is too large, or not a table.
    """
    access.require_permission(actor, "request_job")
    if len(data) > MAX_TABLE_BYTES:
        raise InvalidTable(
            _("The table was not uploaded."),
            reason=_("The file has %(size)s MB; at most %(most)s MB are possible.")
            % {"size": len(data) // 1024**2 + 1, "most": MAX_TABLE_BYTES // 1024**2},
            remedy=_("Leave out what no prompt needs, or split it."),
        )
    if encoding not in {"", *ENCODINGS} or delimiter not in {"", *DELIMITERS}:
        raise _unreadable(_("This encoding or separator is not known."))
    try:
        table, reading = _read(data, encoding=encoding, delimiter=delimiter, sheet=sheet)
    except TableError as error:
        raise _unreadable(_(error.message) % error.values) from None
    return store_table(
        actor=actor, name=name, table=table, reading=reading, digest=digest_of(table)
    )


def _unreadable(reason: str) -> InvalidTable:
    return InvalidTable(
        _("The table was not uploaded."),
        reason=reason,
        remedy=_("Change the file, then upload it again."),
    )


def _read(
    data: bytes, *, encoding: str, delimiter: str, sheet: str
) -> tuple[ReadTable, dict[str, str]]:
    if workbooks.is_workbook(data):
        book = workbooks.read_workbook(data, sheet=sheet)
        return book.table, {"sheet": book.sheet}
    found = read_csv(data, encoding=encoding, delimiter=delimiter)
    return found.table, {"encoding": found.encoding, "delimiter": found.delimiter}


@use_case()
def store_table(
    *, actor: Person, name: str, table: ReadTable, reading: Mapping[str, str], digest: str
) -> AddedTable:
    """Store the rows of a checked table; one of the same person and digest is stored once."""
    known = UploadedTable.objects.select_for_update().filter(owner=actor.user, digest=digest)
    if (found := known.first()) is not None:
        return _used_again(found, name=name, reading=reading)
    stored = UploadedTable(
        owner=actor.user,
        name=_short_name(name),
        digest=digest,
        columns=list(table.columns),
        row_count=len(table.rows),
        reading=dict(reading),
        notes=[note.as_dict() for note in table.notes],
        used_at=clock.now(),
    )
    try:
        with database.atomic():
            stored.save(force_insert=True)
    except IntegrityError:
        # The same file was sent twice at once, and the other request was first.
        return _used_again(known.get(), name=name, reading=reading)
    UploadedTableRow.objects.bulk_create(
        [
            UploadedTableRow(
                table=stored,
                position=position,
                number=row.number,
                values=list(row.values),
                problem={} if row.problem is None else row.problem.as_dict(),
            )
            for position, row in enumerate(table.rows)
        ],
        batch_size=_ROWS_AT_ONCE,
    )
    event_log.record(
        actor,
        "uploaded_table.created",
        subject=stored,
        # Not the digest: a hash of few rows tells them to whoever guesses, and the log is for good.
        data={"rows": stored.row_count, "columns": len(table.columns)},
        personal={"file_name": stored.name},
    )
    return AddedTable(stored, is_known=False)


def _used_again(table: UploadedTable, *, name: str, reading: Mapping[str, str]) -> AddedTable:
    # The same rows may come in a file of another name or encoding: it is shown as it came last.
    table.used_at, table.name = clock.now(), _short_name(name)
    table.reading = {**table.reading, **reading}
    table.save(update_fields=["used_at", "name", "reading"])
    skip_audit_event()
    return AddedTable(table, is_known=True)


def digest_of(table: ReadTable) -> str:
    """Return a hash of a table's columns and rows."""
    rows = [
        (row.number, row.values, None if row.problem is None else row.problem.as_dict())
        for row in table.rows
    ]
    content = [table.columns, rows]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _short_name(name: str) -> str:
    """Return a file's name without folders, as long as the column takes it."""
    plain = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    return plain.strip()[-120:] or _("table")


def visible_tables(actor: Actor) -> QuerySet[UploadedTable]:
    """Return the tables that the actor may see: one's own, or all for people who may see all batches."""
    tables: QuerySet[UploadedTable] = UploadedTable.objects.all()
    if isinstance(actor, Person) and not access.has_permission(actor, "view_batch"):
        tables = tables.filter(owner=actor.user)
    return tables


def batches_of(actor: Actor, table: UploadedTable) -> list[Batch]:
    """Return the newest batches that were made from a table and that the actor may see."""
    batches = Batch.objects.filter(table=table).defer("rows", "invalid_rows")
    batches = batches.select_related("template_version__template")
    if isinstance(actor, Person) and not access.has_permission(actor, "view_batch"):
        batches = batches.filter(requester=actor.user)
    return list(batches.order_by("-created_at")[:10])


@use_case()
def delete_table(*, actor: Person, key: UUID) -> None:
    """Delete a table of one's own with its rows; images that were made from it stay.

    :raises InvalidTable: if it is not the person's own, or a batch still needs its rows.
    """
    table = UploadedTable.objects.select_for_update().filter(pk=key).first()
    if table is None:
        # A second tab has deleted it before.
        skip_audit_event()
        return
    if table.owner_id != actor.user.pk:
        raise InvalidTable(
            _("The table was not deleted."),
            reason=_("There is no such table of yours."),
            remedy=_("Ask the person who uploaded it."),
        )
    if is_needed(table):
        raise InvalidTable(
            _("The table was not deleted."),
            reason=_("A batch has not made the jobs of all its rows yet."),
            remedy=_("Wait until it has, or cancel it."),
        )
    _delete(table, actor=actor, ground="deleted by its owner")


def delete_expired() -> int:
    """Delete tables that were not used for as long as the site keeps them; return how many."""
    limit = clock.now() - timedelta(days=conf.get().uploaded_table_days)
    needed = _unfinished().filter(table__isnull=False).values("table")
    # Without its owner, nobody would find it where personal data are to be erased.
    is_due = Q(used_at__lt=limit) | Q(owner__isnull=True)
    old = UploadedTable.objects.filter(is_due).exclude(pk__in=needed)
    count = 0
    for table in old.order_by("used_at")[:_AT_ONCE]:
        count += _delete_if_due(table.pk, is_due)
    return count


@use_case()
def _delete_if_due(key: UUID, is_due: Q) -> int:
    table = UploadedTable.objects.select_for_update().filter(is_due, pk=key).first()
    if table is None:
        return 0
    _delete(table, actor=RETENTION_ACTOR, ground="older than allowed")
    return 1


def _delete(table: UploadedTable, *, actor: Actor, ground: str) -> None:
    """Delete a table within the transaction of the caller."""
    rows = table.row_count
    event_log.record(
        actor,
        "uploaded_table.deleted",
        subject=table,
        data={"rows": rows, "ground": ground},
    )
    Batch.objects.filter(table=table).update(table=None)
    WrittenText.objects.filter(column__table=table).delete()
    WrittenColumn.objects.filter(table=table).delete()
    UploadedTableRow.objects.filter(table=table).delete()
    UploadedTable.objects.filter(pk=table.pk).delete()


def is_needed(table: UploadedTable) -> bool:
    """Return whether a batch has not made the jobs of all rows of a table yet."""
    return bool(_unfinished().filter(table=table).exists())


def _unfinished() -> QuerySet[Batch]:
    """Return the batches with rows that may still become jobs."""
    rows: QuerySet[Batch] = Batch.objects.filter(
        Q(prepared_rows__lt=F("row_count")), cancelled_at__isnull=True
    )
    return rows
