"""Export what became of a batch's rows as CSV or XLSX, read in chunks so that memory stays bounded.

No cell can be run as a formula. Prompts stand in it only for people who may read them, amounts only
for people who may see costs; the export is recorded before its first line is written. Behind our
columns stand those of the table that the batch is made from, as long as it is stored.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any, Final

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.csv_cells import CsvTable, guarded
from imagegen_app.models import Asset, Batch, ImageModel, Job, JobInput, Placement
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.batches import lifecycle, row_images, row_list, row_sources
from imagegen_app.services.batches.table_cells import TableCells
from imagegen_app.services.foundation import event_log, stored_messages
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import shot_choice
from imagegen_app.services.library import alt_texts
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imagegen_app.core.actors import Actor

COLUMNS: Final = (
    "row",
    "label",
    "shot",
    "state",
    "error",
    "prompt",
    "input",
    "seed",
    "model",
    "cost",
    "currency",
    "job",
    "asset",
    "file",
    "alt_text",
    "review_state",
    "placed_on",
)
#: The columns of jobs that are read: others hold much, and are not shown.
_COLUMNS_READ: Final = (
    "batch",
    "row_key",
    "shot",
    "state",
    "error_code",
    "error_message",
    "requester",
    "replaces",
    "root",
    "prompt",
    "seed",
    "image_model",
    "actual_cost",
    "currency",
)
_COST: Final = COLUMNS.index("cost")
_IMAGE_COLUMNS: Final = len(COLUMNS) - COLUMNS.index("asset")
CSV, XLSX = "csv", "xlsx"
_CHUNK: Final = 500
#: What no XML may hold, so no XLSX either.
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
#: What a cell of a spreadsheet can hold.
_MAX_CELL_CHARS: Final = 32_767
#: How a spreadsheet shows amounts: to the cent, and to a hundredth of it where they have that.
_AMOUNT_FORMAT: Final = "#,##0.00##"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Who reads the table, and how the link of a file is written."""

    actor: Actor
    shows_money: bool
    reads_all_prompts: bool
    link: Callable[[Asset], str]


def has_xlsx() -> bool:
    """Return whether `openpyxl` is installed, which writes XLSX (the extra `xlsx`)."""
    return find_spec("openpyxl") is not None


def export_lines(
    *, actor: Actor, batch: Batch, link: Callable[[Asset], str], kind: str = CSV
) -> Iterator[list[object]]:
    """Record the export, and return its lines, the names of the columns first.

    `link` returns the address of an asset's file or page. Rows without an image have one line, others
    one for each image; rows that were skipped or not started stand at the end.

    :raises NotPermitted: if it is another person's batch, and the actor may not see every batch.
    """
    is_own = isinstance(actor, Person) and batch.requester_id == actor.user.pk
    if not is_own:
        access.require_permission(actor, "view_batch")
    reader = _Reader(
        actor=actor,
        shows_money=is_own or access.has_permission(actor, "view_costs"),
        reads_all_prompts=access.has_permission(actor, "view_prompt"),
        link=link,
    )
    reads_rows = reader.reads_all_prompts or is_own
    _record(actor=actor, batch=batch, kind=kind, has_prompts=reads_rows)
    # Prompts are made of the table's cells, so who may not read those may not read these.
    return _lines(batch, reader, TableCells(batch, taken=COLUMNS, is_shown=reads_rows))


def write_csv(lines: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines as CSV, some at a time."""
    out = io.StringIO()
    table = CsvTable(out)
    for number, line in enumerate(lines, start=1):
        table.write_row(line)
        if number % _CHUNK == 0:
            yield _taken(out)
    yield _taken(out)


def write_xlsx(lines: Iterable[Iterable[object]], out: IO[bytes], *, title: str) -> None:
    """Write the lines as a workbook of one sheet; `openpyxl` keeps no rows in memory.

    :raises ModuleNotFoundError: if `openpyxl` is not installed.
    """
    cell_of: Any = import_module("openpyxl.cell").WriteOnlyCell
    book: Any = import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31].strip("' ") or "Batch")
    for line in lines:
        sheet.append(
            [
                _amount(cell_of(sheet, cell)) if isinstance(cell, Decimal) else _xlsx_text(cell)
                for cell in line
            ]
        )
    book.save(out)


def _amount(cell: Any) -> Any:
    cell.number_format = _AMOUNT_FORMAT
    return cell


def _xlsx_text(cell: object) -> str | None:
    if cell is None or cell == "":
        return None
    return guarded(_NOT_IN_XML.sub("", str(cell)))[:_MAX_CELL_CHARS]


def _taken(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text


@use_case()
def _record(*, actor: Actor, batch: Batch, kind: str, has_prompts: bool) -> None:
    event_log.record(
        actor,
        "export.created",
        subject=batch,
        data={
            "count": batch.row_count,
            "kind": "batch rows",
            "format": kind,
            "has_prompts": has_prompts,
        },
    )


def _lines(batch: Batch, reader: _Reader, table: TableCells) -> Iterator[list[object]]:
    yield [*COLUMNS, *table.names]
    shots = {one.key: one.label for one in shot_choice.shots_of(batch.template_version)}
    models = {model.pk: model.name for model in ImageModel.objects.only("name")}
    jobs = row_list.current_jobs(batch).only(*_COLUMNS_READ).order_by("pk")
    last: object = None
    while chunk := list((jobs if last is None else jobs.filter(pk__gt=last))[:_CHUNK]):
        labels = lifecycle.row_labels(batch, [job.row_key for job in chunk])
        images, inputs = _images_of(chunk), _inputs_of(batch, chunk)
        cells = table.of_keys(job.row_key for job in chunk)
        own_prompts = prompt_access.own_prompts(reader.actor, chunk)
        for job in chunk:
            # Of a chain, only the last pass has images that count; its others say how they ended.
            found = images.get(job.pk, [])
            label, model = labels.get(job.row_key, ""), models.get(job.image_model_id, "")
            shows_prompt = reader.reads_all_prompts or job.pk in own_prompts
            shot = shots.get(job.shot, job.shot)
            names = inputs.get(job.pk, "") if shows_prompt else ""
            row = _line(job, label, shot, model, reader, shows_prompt=shows_prompt, names=names)
            last_cells = cells.get(job.row_key, table.empty)
            if not found:
                yield [*row, *[""] * _IMAGE_COLUMNS, *last_cells]
            for number, asset in enumerate(found):
                # An amount stands in one line of its job, so that a sum over the column is right.
                own = row if number == 0 else [*row[:_COST], "", *row[_COST + 1 :]]
                yield [*own, *_image_cells(asset, reader), *last_cells]
        last = chunk[-1].pk
    yield from _skipped_lines(batch, table)
    # Others of these rows' shots have jobs.
    unmade = [one for one in batch.invalid_rows if one.get("shot")]
    cells = table.of_keys(str(one.get("key", "")) for one in unmade)
    for one in unmade:
        reason = stored_messages.translate_stored(str(one.get("reason", "")))
        key, label, shot = (str(one.get(name, "")) for name in ("key", "row", "shot"))
        line = _without_job(key, label, row_list.SKIPPED, reason, shots.get(shot, shot))
        yield [*line, *cells.get(key, table.empty)]
    start = 0
    while keys := row_list.pending_keys(batch, start=start, size=_CHUNK):
        labels = lifecycle.row_labels(batch, keys)
        first = batch.prepared_rows + start
        of_rows = table.at_places(range(first, first + len(keys)))
        for place, key in enumerate(keys, start=first):
            for shot in batch.shot_fields or ("",):
                line = _without_job(
                    key, labels.get(key, ""), row_list.NOT_STARTED, "", shots.get(shot, shot)
                )
                yield [*line, *of_rows.get(place, table.empty)]
        start += len(keys)


def _skipped_lines(batch: Batch, table: TableCells) -> Iterator[list[object]]:
    """Yield the rows that were processed and have no job; the batch has the reasons of the first."""
    keys = row_list.prepared_keys(batch)
    # Those that were replaced, too: a job of another batch may stand in place of one of this.
    made = set(batch.jobs.order_by().values_list("row_key", flat=True))
    reasons = iter(
        [str(row.get("reason", "")) for row in batch.invalid_rows if not row.get("shot")]
    )
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        places = [place for place, key in enumerate(chunk) if not key or key not in made]
        if not places:
            continue
        names = _names_of_rows(batch, start, chunk)
        cells = table.at_places([start + place for place in places])
        for place in places:
            label, problem = names[place]
            reason = stored_messages.translate_stored(next(reasons, "")) or problem
            line = _without_job(chunk[place], label, row_list.SKIPPED, reason)
            yield [*line, *cells.get(start + place, table.empty)]


def _names_of_rows(batch: Batch, start: int, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Return the label of each row, and what is wrong with it if its table tells that."""
    if row_sources.KEY_COLUMN in batch.mapping:
        rows = row_sources.rows_of_batch(batch, start, keys)
        return [(row.label.strip(), row.problem) for row in rows]
    labels = lifecycle.row_labels(batch, keys)
    return [(labels.get(key, ""), "") for key in keys]


def _images_of(jobs: Sequence[Job]) -> dict[object, list[Asset]]:
    """Return the images of some jobs, by job."""
    # Not prefetched: jobs that hold what points back to them stay in memory until Python looks for
    # such circles, which it does seldom.
    found: dict[object, list[Asset]] = {}
    rows = Asset.objects.filter(job__in=[job.pk for job in jobs], is_intermediate=False)
    active = Prefetch("placements", queryset=Placement.objects.active())
    for asset in rows.prefetch_related(active, "alt_texts").order_by("position"):
        found.setdefault(asset.job_id, []).append(asset)
    return found


def _inputs_of(batch: Batch, jobs: Sequence[Job]) -> dict[object, str]:
    """Return what names the input images of some jobs, by job; of a pass, none."""
    found: dict[object, str] = {}
    if not batch.mapping.get(row_images.IMAGES):
        return found
    roots = [job.pk for job in jobs if job.root_id is None]
    for entry in JobInput.objects.filter(job__in=roots).order_by("job", "position"):
        name = row_images.reference_of(entry)
        found[entry.job_id] = "; ".join(filter(None, (found.get(entry.job_id, ""), name)))
    return found


def _line(
    job: Job,
    label: str,
    shot: str,
    model: str,
    reader: _Reader,
    *,
    shows_prompt: bool,
    names: str,
) -> list[object]:
    return [
        job.row_key,
        label,
        shot,
        str(job.get_state_display()),
        row_list.error_words(job),
        job.prompt if shows_prompt else "",
        names,
        job.seed,
        model,
        job.actual_cost if reader.shows_money else "",
        job.currency if reader.shows_money else "",
        job.pk,
    ]


def _image_cells(asset: Asset, reader: _Reader) -> list[object]:
    places = [f"{one.object_label} ({one.field})" for one in asset.placements.all()]
    return [
        asset.pk,
        reader.link(asset),
        _("decorative") if asset.is_decorative else alt_texts.text_for(asset),
        str(asset.get_review_state_display()),
        "; ".join(places),
    ]


def _without_job(key: str, label: str, state: str, reason: str, shot: str = "") -> list[object]:
    told = [key, label, shot, row_list.group_label(state), reason]
    return [*told, *[""] * (len(COLUMNS) - len(told))]
