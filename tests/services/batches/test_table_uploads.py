"""Uploaded tables: stored once, seen by their owner, deleted when nobody needs them any more."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.uploaded_tables import MAX_TABLE_BYTES
from imagegen_app.models import AuditEvent, Batch, UploadedTable, UploadedTableRow
from imagegen_app.services.batches import batch_actions, table_uploads
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.batches.table_uploads import InvalidTable, add_table, delete_table
from imagegen_app.services.erasure import commands, preview, scopes
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.worker import driver, sweep
from imagegen_app.testing.factories import make_user
from tests.services.batches.test_lifecycle import prepare, version  # noqa: F401 - a fixture
from tests.services.batches.test_row_sources import CSV, start_from, table

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site


def unused_for(days: int, row: UploadedTable) -> None:
    used = clock.now() - timedelta(days=days)
    use_case(audited=False)(UploadedTable.objects.filter(pk=row.pk).update)(used_at=used)


def test_a_table_is_stored_without_its_contents_in_the_log(site: Site) -> None:
    added = add_table(actor=site.actor, name="C:\\data\\spring.csv", data=CSV)

    assert (added.is_known, added.table.name) == (False, "spring.csv")
    assert added.table.columns == ["SKU", "Name"]
    assert added.table.reading == {"encoding": "utf-8", "delimiter": ";"}
    assert [row.number for row in added.table.rows.order_by("position")] == [2, 3, 4]
    event = AuditEvent.objects.get(type="uploaded_table.created")
    assert (json.loads(event.body)["data"]["rows"], json.loads(event.body)["data"]["columns"]) == (
        3,
        2,
    )
    assert "Cup" not in event.body
    assert "spring" not in event.body


def test_the_same_content_again_is_the_same_table(site: Site) -> None:
    first = table(site)
    again = add_table(actor=site.actor, name="copy.csv", data=CSV.decode().encode("utf-16"))

    assert (again.is_known, again.table.pk) == (True, first.pk)
    shown = UploadedTable.objects.get()
    assert (shown.name, shown.reading["encoding"]) == ("copy.csv", "utf-16")
    assert UploadedTableRow.objects.count() == 3
    assert AuditEvent.objects.filter(type="uploaded_table.created").count() == 1


def test_a_corrected_file_is_another_table(site: Site) -> None:
    # Of the cells beyond the header, nothing but the row's problem is kept.
    first = table(site, b"SKU;Name\nA-1;Cup;red\n")
    corrected = add_table(actor=site.actor, name="spring.csv", data=b"SKU;Name\nA-1;Cup\n")

    assert (corrected.is_known, corrected.table.pk == first.pk) == (False, False)
    assert corrected.table.rows.get().problem == {}


def test_a_workbook_is_stored_like_a_csv_file(site: Site) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (["SKU", "Name"], ["A-1", "Cup"], [42, None]):
        book.active.append(row)
    book.save(out)

    added = add_table(actor=site.actor, name="spring.xlsx", data=out.getvalue())

    assert added.table.reading == {"sheet": "Sheet"}
    assert [row.values for row in added.table.rows.order_by("position")] == [
        ["A-1", "Cup"],
        ["42", ""],
    ]


def test_another_person_has_a_table_of_their_own(site: Site) -> None:
    first = table(site)
    other = access.actor_for(make_user("other", permissions=["imagegen.request_job"]))

    assert not table_uploads.visible_tables(other).exists()
    assert add_table(actor=other, name="a.csv", data=CSV).table.pk != first.pk
    with pytest.raises(InvalidTable, match="no such table of yours"):
        delete_table(actor=other, key=first.pk)
    overseer = access.actor_for(make_user("overseer", permissions=["imagegen.view_batch"]))
    assert table_uploads.visible_tables(overseer).count() == 2


def test_people_who_may_not_request_images_upload_nothing(site: Site) -> None:
    with pytest.raises(NotPermitted):
        add_table(actor=access.actor_for(make_user("guest")), name="a.csv", data=CSV)


@pytest.mark.parametrize(
    ("data", "choices", "reason"),
    [
        (b"x" * (MAX_TABLE_BYTES + 1), {}, "The file has 21 MB; at most 20 MB"),
        (b"a;a\n1;2\n", {}, "have the same name"),
        (CSV, {"encoding": "rot13"}, "not known"),
        (CSV, {"delimiter": "x"}, "not known"),
    ],
)
def test_what_is_no_table_is_refused(
    site: Site, data: bytes, choices: dict[str, str], reason: str
) -> None:
    with pytest.raises(InvalidTable, match=reason):
        add_table(actor=site.actor, name="a.csv", data=data, **choices)
    assert not UploadedTable.objects.exists()


def test_a_table_is_deleted_unless_a_batch_needs_its_rows(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site)
    batch = start_from(site, version, stored)
    with pytest.raises(InvalidTable, match="not made the jobs of all its rows"):
        delete_table(actor=site.actor, key=stored.pk)
    prepare()
    delete_table(actor=site.actor, key=stored.pk)

    assert not UploadedTableRow.objects.exists()
    batch = Batch.objects.get(pk=batch.pk)
    assert (batch.table, batch.job_count) == (None, 3)
    event = AuditEvent.objects.get(type="uploaded_table.deleted")
    assert json.loads(event.body)["data"]["rows"] == 3


def test_tables_that_nobody_used_for_long_are_deleted_by_the_sweep(
    site: Site,
    settings: Any,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "UPLOADED_TABLE_DAYS": 7}
    needed, old = table(site), table(site, b"a\n1\n")
    table(site, b"a\n2\n")
    start_from(site, version, needed)
    for row in (needed, old):
        unused_for(8, row)

    sweep.sweep()
    assert table_uploads.delete_expired() == 0
    assert UploadedTable.objects.count() == 2
    assert not UploadedTable.objects.filter(pk=old.pk).exists()


def test_a_table_whose_owner_is_gone_is_deleted(site: Site) -> None:
    other = make_user("other", permissions=["imagegen.request_job"])
    add_table(actor=access.actor_for(other), name="a.csv", data=CSV)
    other.delete()

    assert table_uploads.delete_expired() == 1


def test_an_erasure_of_a_person_blanks_their_tables(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site)
    digest = stored.digest
    start_from(site, version, stored)
    prepare()
    driver.drive(seconds=20)
    eraser = access.actor_for(make_user("eraser", permissions=["imagegen.erase_personal_data"]))
    subject = f"person:{site.actor.user.pk}"

    commands.erase_person(eraser, subject=subject, reason="asked for")

    row = UploadedTableRow.objects.first()
    stored.refresh_from_db()
    assert row is not None
    assert (row.values, stored.columns, stored.name) == ([], [], "")
    assert_no_hash_is_left_and_the_file_can_be_uploaded_again(site, stored, digest)


def test_an_erasure_of_one_prompt_blanks_the_row_that_it_came_from(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site)
    digest = stored.digest
    batch = start_from(site, version, stored)
    prepare()
    driver.drive(seconds=20)
    eraser = access.actor_for(make_user("eraser", permissions=["imagegen.erase_personal_data"]))
    job = batch.jobs.get(row_key="B-1")

    commands.erase_prompt(eraser, job=job, reason="asked for")

    kept = {row.number: bool(row.values) for row in UploadedTableRow.objects.all()}
    assert kept == {2: True, 3: False, 4: True}
    assert_no_hash_is_left_and_the_file_can_be_uploaded_again(site, stored, digest)


@pytest.mark.parametrize("is_person", [True, False])
def test_an_erasure_blanks_what_the_batch_says_of_its_rows(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
    is_person: bool,
) -> None:
    stored = table(site, CSV + b";Without a key\nA-1;The same key\n")
    batch = start_from(
        site,
        version,
        stored,
        title="Ada's wedding.csv",
        fixed={"product": "A cup of Ada Byron"},
    )
    eraser = access.actor_for(make_user("eraser", permissions=["imagegen.erase_personal_data"]))
    prepare()
    driver.drive(seconds=20)
    job = batch.jobs.get(row_key="B-1")
    scope = (
        scopes.person_scope(f"person:{site.actor.user.pk}") if is_person else scopes.job_scope(job)
    )
    rows = Batch.objects.get(pk=batch.pk).rows
    lines = {line.label: line.count for line in preview.preview(eraser, scope).tables}
    assert lines["batches"] == 1

    proved = commands.erase(eraser, scope, reason="asked for").proof

    batch = Batch.objects.get(pk=batch.pk)
    assert proved is not None
    assert not [one for one in proved.findings if "batch" in one.place]
    columns = {} if is_person else {"product": "Name"}
    assert (batch.mapping["fixed"], batch.mapping["variables"]) == ({}, columns)
    assert batch.mapping["key_column"] == ("" if is_person else "SKU")
    assert (len(batch.invalid_rows), batch.row_count, batch.rows) == (2, 5, rows)
    left = json.dumps([batch.title, batch.mapping, batch.invalid_rows])
    assert not [text for text in ("Ada", "A-1", "row 5", "key in") if text in left]
    assert batch.title
    assert preview.preview(eraser, scope).is_empty


def test_rows_that_wait_are_made_before_their_values_are_erased(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    batch = start_from(
        site, version, table(site), limits=BatchLimits(pilot=1), fixed={"product": "Cups of Ada"}
    )
    prepare()
    driver.drive(seconds=20)
    eraser = access.actor_for(make_user("eraser", permissions=["imagegen.erase_personal_data"]))
    with pytest.raises(scopes.CannotErase, match="not made the jobs of all its rows"):
        commands.erase_prompt(eraser, job=batch.jobs.get(), reason="asked for")
    batch_actions.cancel(actor=site.actor, batch=batch)

    commands.erase_prompt(eraser, job=batch.jobs.get(), reason="asked for")

    assert Batch.objects.get(pk=batch.pk).mapping["fixed"] == {}


def assert_no_hash_is_left_and_the_file_can_be_uploaded_again(
    site: Site, stored: UploadedTable, digest: str
) -> None:
    stored.refresh_from_db()
    assert stored.digest != digest
    assert not AuditEvent.objects.filter(body__contains=digest).exists()
    again = add_table(actor=site.actor, name="spring.csv", data=CSV)
    assert (again.is_known, again.table.digest) == (False, digest)
    assert all(row.values for row in again.table.rows.all())
