"""Ask for a text for each row of a batch: a new table, of which the text model writes one column.

People read and edit the texts before a batch is made of that table. The rows come from an uploaded
table, or from objects of the site, which the new table names by a key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.provider_text import provider_text
from imagegen_app.core.types import Cost
from imagegen_app.core.uploaded_tables import (
    MAX_CELL_CHARS,
    MAX_HEADER_CHARS,
    MAX_TABLE_CHARS,
    MAX_TABLE_COLUMNS,
    MAX_TABLE_ROWS,
    ReadTable,
    Sentence,
    TableRow,
)
from imagegen_app.engines.base import wake
from imagegen_app.models import UploadedTableRow, WrittenColumn, WrittenText
from imagegen_app.services.batches import row_sources, table_uploads
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import content_fields, prompt_writing
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor, Person
    from imagegen_app.models import UploadedTable
    from imagegen_app.services.batches.selections import Selection
    from imagegen_app.services.batches.table_uploads import AddedTable

MAX_INSTRUCTION_CHARS: Final = 1_000
#: One text, in characters: it becomes part of a prompt.
MAX_TEXT_CHARS: Final = 800
#: What a row says that has no text yet.
NO_TEXT: Final = gettext_noop("Row %(row)s has no text in the column “%(column)s”.")
_UNUSABLE: Final = gettext_noop("The row cannot be used.")
_ROWS_AT_ONCE: Final = 1000


class InvalidTextRequest(ActionRefused):
    """No texts were asked for."""

    code = "invalid_text_request"


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What is to be written: which column, from which ones, how and in which language."""

    column: str
    #: Columns of the table, or paths of the objects' fields.
    sources: Sequence[str]
    instruction: str
    language: str
    #: The template that the batch is to be made with; empty for none.
    template: str = ""
    #: Of objects: further columns by their names, and the paths to their values.
    further: Mapping[str, str] = field(default_factory=dict)
    #: The longest text, as the variable of the template takes it.
    max_chars: int = MAX_TEXT_CHARS


def is_offered(actor: Actor) -> bool:
    """Return whether the site has a text model that writes texts for rows, and the actor may ask it."""
    return prompt_writing.can_write_rows() and access.has_permission(actor, "request_job")


def price(number: int) -> Cost:
    """Return what so many texts cost at most."""
    return Cost(prompt_writing.price() * number, conf.get().text_model.currency)


def start_for_table(*, actor: Person, table: UploadedTable, request: TextRequest) -> AddedTable:
    """Make a copy of a table with a further column, and have it written.

    The same request for the same rows is one table: a second press asks for nothing.

    :raises NotPermitted: if the actor may not request images.
    :raises InvalidTextRequest: if there is no text model, or the request cannot be carried out.
    """
    columns = [str(column) for column in table.columns]
    _require_possible(actor, request, rows=table.row_count, known=columns)
    if not table_uploads.visible_tables(actor).filter(pk=table.pk).exists():
        raise _refusal(_("There is no such table."))
    rows = [
        TableRow(
            row.number,
            (*map(str, row.values), ""),
            _sentence(row.problem) or _no_text(row.number, request),
        )
        for row in UploadedTableRow.objects.filter(table=table).order_by("position")
    ]
    made = ReadTable((*columns, _name(request)), tuple(rows))
    unusable = {
        place
        for place, row in enumerate(rows)
        if row.problem is None or row.problem.message != NO_TEXT
    }
    reading = {
        **{name: str(value) for name, value in table.reading.items()},
        "template": request.template,
    }
    return _start(
        actor, request, made, name=table.name, reading=reading, unusable=frozenset(unusable)
    )


def start_for_objects(*, actor: Person, selection: Selection, request: TextRequest) -> AddedTable:
    """Make a table of objects with their texts and a further column, and have that written.

    The table names the objects by their key, by which its rows are matched with them again.

    :raises NotPermitted: if the actor may not request images, or not see the objects.
    :raises InvalidTextRequest: if there is no text model, or the request cannot be carried out.
    """
    target, model = selection.target, selection.target.model
    if not access.may_view_content(actor, model):
        raise _refusal(_("You may not see these objects."))
    key_field = key_field_of(model)
    labels = dict(content_fields.mappable_fields(model))
    paths = {name: path for name, path in request.further.items() if name != _name(request)}
    if not set(request.sources) <= {*labels, *paths.values()}:
        # A path may lead over relations to what the actor may not see.
        raise _refusal(_("No column was chosen that the texts are written from."))
    # A value that is a variable's already has its column.
    named = {path: name for name, path in paths.items()}
    sent = [named.get(path) or labels.get(path, path) for path in request.sources]
    paths |= dict(zip(sent, request.sources, strict=True))
    key = _key_name(key_field, paths)
    columns = [key, *paths]
    _require_possible(
        actor, request, rows=len(selection.keys), known=columns, has_named_sources=False
    )
    found = {
        str(one.pk): one
        for one in row_sources.objects_of(
            target, selection.keys, related=content_fields.relations_in(model, paths.values())
        )
    }
    rows = []
    for place, name in enumerate(selection.keys):
        instance, number = found.get(name), place + 1
        values = [] if instance is None else [content_fields.value_at(instance, key_field)]
        values += [
            "" if instance is None else content_fields.value_at(instance, path)[:MAX_CELL_CHARS]
            for path in paths.values()
        ]
        values = values if instance is not None else [name, *values]
        problem = Sentence(_UNUSABLE) if instance is None else _no_text(number, request)
        rows.append(TableRow(number, (*values, ""), problem))
    made = ReadTable((*columns, _name(request)), tuple(rows))
    unusable = frozenset(place for place, name in enumerate(selection.keys) if name not in found)
    reading = {
        "objects": f"{target.path}|{key_field}",
        "key": key,
        "template": request.template,
    }
    meta = model._meta  # noqa: SLF001 - Django's documented API
    return _start(
        actor,
        request,
        made,
        name=str(meta.verbose_name_plural),
        reading=reading,
        unusable=unusable,
        sources=sent,
    )


def key_field_of(model: type[object]) -> str:
    """Return the unique field by which rows are matched with the objects again.

    :raises InvalidTextRequest: if the objects have none that fits into a cell.
    """
    meta = model._meta  # type: ignore[attr-defined]  # noqa: SLF001 - Django's documented API
    for name, _label in content_fields.key_fields(model):  # type: ignore[arg-type]
        column = meta.get_field(name)
        if (
            column.unique
            and not column.null
            and (column.max_length or 0) <= row_sources.MAX_KEY_CHARS
        ):
            return name
    raise _refusal(_("These objects have no unique field that can name a row."))


@use_case()
def _start(
    actor: Person,
    request: TextRequest,
    table: ReadTable,
    *,
    name: str,
    reading: Mapping[str, str],
    unusable: frozenset[int],
    sources: Sequence[str] | None = None,
) -> AddedTable:
    sent = list(request.sources if sources is None else sources)
    _require_size(table)
    instruction = _instruction(request)
    how = [instruction, request.language, _max_chars(request)]
    asked = [table_uploads.digest_of(table), sent, *how]
    digest = hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
    added = table_uploads.store_table(
        actor=actor, name=name, table=table, reading=reading, digest=digest
    )
    if added.is_known:
        skip_audit_event()
        return added
    column = WrittenColumn(
        table=added.table,
        name=_name(request),
        instruction=instruction,
        sources=sent,
        language=request.language,
        max_chars=_max_chars(request),
        currency=conf.get().text_model.currency,
    )
    column.save(force_insert=True)
    WrittenText.objects.bulk_create(
        [
            WrittenText(column=column, position=place, state="failed", reason=_as_dict(_UNUSABLE))
            if place in unusable
            else WrittenText(column=column, position=place)
            for place in range(len(table.rows))
        ],
        batch_size=_ROWS_AT_ONCE,
    )
    event_log.record(
        actor,
        "row_texts.requested",
        subject=added.table,
        data={"rows": len(table.rows) - len(unusable), "language": request.language},
    )
    wake("drive")
    return added


def _require_possible(
    actor: Person,
    request: TextRequest,
    *,
    rows: int,
    known: Sequence[str],
    has_named_sources: bool = True,
) -> None:
    access.require_permission(actor, "request_job")
    name = _name(request)
    if not prompt_writing.can_write_rows():
        raise _refusal(_("This site has no text model that writes texts for rows."))
    if not 0 < rows <= MAX_TABLE_ROWS:
        raise _refusal(
            _("Between 1 and %(most)s rows are possible, not %(number)s.")
            % {"most": MAX_TABLE_ROWS, "number": rows}
        )
    if not name:
        raise _refusal(_("The new column has no name."))
    if name.casefold() in {one.casefold() for one in known}:
        raise _refusal(_("There is a column “%(column)s” already.") % {"column": name})
    if len(known) >= MAX_TABLE_COLUMNS:
        raise _refusal(_("At most %(most)s columns are possible.") % {"most": MAX_TABLE_COLUMNS})
    if not _instruction(request):
        raise _refusal(_("There is no instruction that says what is to be written."))
    if len(request.instruction) > MAX_INSTRUCTION_CHARS:
        raise _refusal(
            _("The instruction is longer than %(most)s characters.")
            % {"most": MAX_INSTRUCTION_CHARS}
        )
    if not request.sources or (has_named_sources and not set(request.sources) <= set(known)):
        raise _refusal(_("No column was chosen that the texts are written from."))
    if request.language not in conf.language_codes():
        raise _refusal(
            _("The site does not speak the language “%(code)s”.") % {"code": request.language[:20]}
        )


def _require_size(table: ReadTable) -> None:
    total = sum(len(value) for row in table.rows for value in row.values)
    if total + len(table.rows) * MAX_TEXT_CHARS > MAX_TABLE_CHARS:
        raise _refusal(_("The table would be too large with these texts."))


def _refusal(reason: str) -> InvalidTextRequest:
    return InvalidTextRequest(
        _("No texts were asked for."), reason=reason, remedy=_("Change it, then try again.")
    )


def _name(request: TextRequest) -> str:
    return provider_text(request.column, max_chars=MAX_HEADER_CHARS).strip()


def _max_chars(request: TextRequest) -> int:
    return max(1, min(request.max_chars, MAX_TEXT_CHARS))


def _instruction(request: TextRequest) -> str:
    return provider_text(request.instruction, max_chars=MAX_INSTRUCTION_CHARS).strip()


def _key_name(key_field: str, taken: Mapping[str, str]) -> str:
    name = key_field
    while name in taken:
        name += "_"
    return name


def _no_text(number: int, request: TextRequest) -> Sentence:
    return Sentence(NO_TEXT, {"row": number, "column": _name(request)})


def _sentence(stored: Mapping[str, object]) -> Sentence | None:
    values = stored.get("values")
    if not stored:
        return None
    return Sentence(str(stored["message"]), dict(values) if isinstance(values, dict) else {})


def _as_dict(message: str) -> dict[str, object]:
    return Sentence(message).as_dict()
