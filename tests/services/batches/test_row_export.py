"""A batch's results as a table: complete, safe in a spreadsheet, and only what the reader may see."""

from __future__ import annotations

import gc
import io
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.csv_cells import read_rows
from imagegen_app.models import Asset, AuditEvent, Batch, Job
from imagegen_app.services.batches import batch_actions, row_export, row_jobs, row_list
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.library import review
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from project.catalog.models import Product
from tests import changed_rows
from tests.services.arranged import change_job
from tests.services.batches.test_lifecycle import prepare, products, start, version
from tests.services.batches.test_row_sources import start_from
from tests.services.batches.test_row_sources import table as uploaded_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


@pytest.fixture
def batch(site: Site, version: TemplateVersion) -> Batch:
    """Two rows have images, the pilot's; three others wait."""
    keys = products(5)
    Product.objects.filter(pk=keys[0]).update(name='=HYPERLINK("http://x")')
    found = start(site, version, keys, limits=BatchLimits(pilot=2))
    prepare()
    driver.drive(seconds=20)
    return Batch.objects.get(pk=found.pk)


def lines(actor: Person, batch: Batch, kind: str = "csv") -> Iterator[list[object]]:
    return row_export.export_lines(
        actor=actor, batch=batch, link=lambda asset: f"https://site/{asset.pk}", kind=kind
    )


def table(actor: Person, batch: Batch) -> list[dict[str, str]]:
    text = "".join(row_export.write_csv(lines(actor, batch)))
    head, *rows = read_rows(text.splitlines(keepends=True))
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_every_row_is_there_with_what_became_of_it(site: Site, batch: Batch) -> None:
    found = table(site.actor, batch)
    made = [row for row in found if row["asset"]]

    assert [row["state"] for row in found] == ["Completed"] * 2 + ["Not started"] * 3
    assert {row["row"] for row in found} == {str(key) for key in Batch.objects.get().rows}
    assert all(row["label"] for row in found)
    assert made[0]["prompt"] == Job.objects.order_by("pk")[0].prompt
    assert made[0]["file"] == f"https://site/{made[0]['asset']}"
    assert (made[0]["review_state"], made[0]["cost"][:4]) == ("Waiting for review", "0.02")


def test_a_cell_is_no_formula_in_the_file_itself(site: Site, batch: Batch) -> None:
    text = "".join(row_export.write_csv(lines(site.actor, batch)))

    assert "\"'=HYPERLINK" in text
    assert '"=HYPERLINK' not in text


def test_prompts_and_amounts_are_for_those_who_may_see_them(site: Site, batch: Batch) -> None:
    reader = access.actor_for(make_user("reader", permissions=["imagegen.view_batch"]))
    stranger = access.actor_for(make_user("stranger"))
    found = table(reader, batch)
    with pytest.raises(access.NotPermitted):
        lines(stranger, batch)

    assert {row["prompt"] for row in found} == {""}
    assert {row["cost"] for row in found} == {""}
    assert any(row["prompt"] and row["cost"] for row in table(site.actor, batch))


def test_the_export_is_recorded_before_its_first_line(site: Site, batch: Batch) -> None:
    lines(site.actor, batch)

    event = AuditEvent.objects.get(type="export.created")
    assert event.object_id == str(batch.pk)
    assert '"batch rows"' in event.body


def test_a_superseded_job_is_left_out_and_what_failed_says_why(site: Site, batch: Batch) -> None:
    first, second = Job.objects.order_by("pk")
    review.reject(
        actor=access.actor_for(make_user("boss", is_superuser=True)), asset=first.assets.get()
    )
    changed_rows.change(second, error_message="The provider refused it.", state="failed")
    batch_actions.request_reruns(
        actor=site.actor, batch=batch, jobs=Job.objects.filter(pk=first.pk), has_new_seed=True
    )
    prepare()
    found = {row["job"]: row for row in table(site.actor, batch)}

    assert str(first.pk) not in found
    assert found[str(second.pk)]["error"] == "The provider refused it."


def test_thousands_of_rows_are_read_in_chunks(
    site: Site,
    version: TemplateVersion,
) -> None:
    batch = start(site, version, products(1200))
    prepare()
    found = Batch.objects.get(pk=batch.pk)
    with CaptureQueriesContext(connection) as asked:
        chunks = list(row_export.write_csv(lines(site.actor, found)))
    gc.disable()
    tracemalloc.start()
    try:
        # Without the search for circles, what is not freed by itself stays.
        for _chunk in row_export.write_csv(lines(site.actor, found)):
            pass
        _size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()

    assert len(chunks) == 3
    assert len(asked) < 40
    assert peak < 5_000_000


def test_all_skipped_rows_are_listed_by_key_with_the_reason_where_it_is_known(
    site: Site,
    version: TemplateVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_jobs, "MAX_INVALID_ROWS", 1)
    keys = products(4)
    found = start(site, version, keys)
    Product.objects.filter(pk__in=keys[1:3]).delete()
    prepare()

    skipped = table(site.actor, Batch.objects.get(pk=found.pk))[2:]

    assert [(row["row"], row["state"], row["error"]) for row in skipped] == [
        (keys[1], "Skipped", "It no longer exists."),
        (keys[2], "Skipped", ""),
    ]


def test_skipped_rows_of_a_table_are_named_by_their_number(
    site: Site,
    version: TemplateVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_jobs, "MAX_INVALID_ROWS", 1)
    monkeypatch.setattr(row_export, "_CHUNK", 2)
    stored = uploaded_table(site, b"SKU;Name\nA-1;Cup\n;Bowl\nA-2;Jug\nA-1;Pot\nA-3;x;y\n")
    found = start_from(site, version, stored)
    prepare()

    skipped = table(site.actor, Batch.objects.get(pk=found.pk))[2:]

    assert [(row["row"], row["label"], row["error"][:21]) for row in skipped] == [
        ("", "(row 3)", "Row 3 has no key in t"),
        ("", "A-1 (row 5)", "It could not be used "),
        ("", "A-3 (row 6)", "Row 6 has 3 cells, bu"),
    ]


def test_a_workbook_holds_the_same_cells(site: Site, batch: Batch) -> None:
    openpyxl: Any = pytest.importorskip("openpyxl")
    change_job(Job.objects.order_by("pk")[0], prompt="A bell\x07 rings")
    out = io.BytesIO()
    row_export.write_xlsx(lines(site.actor, batch, "xlsx"), out, title="Cups: [spring]/")
    sheet = openpyxl.load_workbook(io.BytesIO(out.getvalue())).active
    head, *rows = sheet.iter_rows(values_only=True)

    assert head == row_export.COLUMNS
    assert len(rows) == 5
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert "A bell rings" in {row[head.index("prompt")] for row in rows}
    assert Asset.objects.count() == 2


def test_amounts_are_numbers_in_a_workbook(site: Site, batch: Batch) -> None:
    openpyxl: Any = pytest.importorskip("openpyxl")
    out = io.BytesIO()
    row_export.write_xlsx(lines(site.actor, batch, "xlsx"), out, title="Cups")
    sheet = openpyxl.load_workbook(io.BytesIO(out.getvalue())).active
    costs = [row[row_export.COLUMNS.index("cost")] for row in sheet.iter_rows(min_row=2)]

    paid = [cell for cell in costs if cell.value is not None]
    assert len(paid) == 2
    assert {(cell.data_type, cell.number_format) for cell in paid} == {("n", "#,##0.00##")}
    assert sum(cell.value for cell in paid) == pytest.approx(float(Batch.objects.get().spent))


def test_the_tables_own_columns_stand_behind_ours(
    site: Site,
    version: TemplateVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_export, "_CHUNK", 2)
    data = (
        b"SKU;Name;State;Supplier\nA-1;Cup;new;=1+1\n;Bowl;old;Acme\nA-2;Jug;new;B\nA-3;Pot;x;C\n"
    )
    stored = uploaded_table(site, data)
    found = start_from(site, version, stored, limits=BatchLimits(pilot=2))
    prepare()
    batch = Batch.objects.get(pk=found.pk)
    text = "".join(row_export.write_csv(lines(site.actor, batch)))
    head, *_rows = read_rows(text.splitlines(keepends=True))
    own = ["SKU", "Name", "table: State", "Supplier"]

    assert head == [*row_export.COLUMNS, *own]
    assert [[row["state"], *(row[name] for name in own)] for row in table(site.actor, batch)] == [
        ["Queued", "A-1", "Cup", "new", "=1+1"],
        ["Queued", "A-2", "Jug", "new", "B"],
        ["Skipped", "", "Bowl", "old", "Acme"],
        ["Not started", "A-3", "Pot", "x", "C"],
    ]
    assert "\"'=1+1" in text

    # As once the table was deleted.
    changed_rows.change(batch, table=None)
    assert set(table(site.actor, Batch.objects.get(pk=found.pk))[0]) == set(row_export.COLUMNS)


def test_the_cells_of_a_table_are_for_those_who_may_read_prompts(
    site: Site,
    version: TemplateVersion,
) -> None:
    batch = start_from(site, version, uploaded_table(site))
    viewer = access.actor_for(make_user("viewer", permissions=["imagegen.view_batch"]))
    every = ["imagegen.view_batch", "imagegen.view_prompt"]
    reader = access.actor_for(make_user("reader", permissions=every))

    assert next(lines(viewer, batch)) == list(row_export.COLUMNS)
    assert "SKU" in next(lines(reader, batch))


def test_the_cells_of_a_long_table_are_read_in_chunks(
    site: Site,
    version: TemplateVersion,
) -> None:
    rows = "".join(f"A-{number};Cup {number}\n" for number in range(1200))
    batch = start_from(site, version, uploaded_table(site, b"SKU;Name\n" + rows.encode()))
    prepare()
    found = Batch.objects.get(pk=batch.pk)
    with CaptureQueriesContext(connection) as asked:
        text = "".join(row_export.write_csv(lines(site.actor, found)))

    read = [query["sql"] for query in asked if "uploadedtablerow" in query["sql"].lower()]
    assert len(read) == 3
    assert '"A-1199","Cup 1199"' in text


def test_the_prompt_of_a_row_that_somebody_else_made_again_is_not_theirs(
    site: Site, batch: Batch
) -> None:
    other = access.actor_for(
        make_user(
            groups=["Image editors"],
            permissions=["imagegen.view_batch", "imagegen.cancel_any_job"],
        )
    )
    batch_actions.request_reruns(
        actor=other, batch=batch, jobs=row_list.current_jobs(batch), has_new_seed=True
    )
    prepare()

    assert Job.objects.filter(requester=other.user).count() == 2
    assert {row["prompt"] for row in table(other, batch)} == {""}
