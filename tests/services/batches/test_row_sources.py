"""Rows of tables and objects: one source for the preview and the worker, and problems told by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import AuditEvent, Batch, Job, UploadedTable
from imagegen_app.services.batches import lifecycle, planning, row_jobs, table_uploads
from imagegen_app.services.batches.lifecycle import BatchLimits, TableSource
from imagegen_app.services.batches.object_matching import match_choices
from imagegen_app.services.batches.row_sources import ObjectRows, TableRows
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from project.catalog.models import Product
from tests.services.batches.test_lifecycle import (
    TARGET,
    prepare,
    products,
    version,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

CSV = b"SKU;Name\nA-1;Cup\nB-1;Bowl with a long name\nC-1;{{ product }} =1+1\n"


def table(site: Site, data: bytes = CSV) -> UploadedTable:
    return table_uploads.add_table(actor=site.actor, name="spring.csv", data=data).table


def source(stored: UploadedTable, **changes: Any) -> TableRows:
    values: dict[str, Any] = {
        "key_column": "SKU",
        "mapping": {"product": "Name"},
        "fixed": {},
        **changes,
    }
    return TableRows(stored, **values)


def matched(stored: UploadedTable) -> TableRows:
    return source(stored, target=content_fields.target_by_path(TARGET), match="sku")


def start_from(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture's value
    stored: UploadedTable,
    *,
    match: str = "",
    **changes: Any,
) -> Batch:
    rows = matched(stored) if match else source(stored)
    values: dict[str, Any] = {
        "actor": site.actor,
        "version": version,
        "title": "Cups",
        "keys": rows.keys,
        "target": content_fields.target_by_path(TARGET) if match else None,
        "mapping": {"product": "Name"},
        "table": TableSource(stored, "SKU", match),
        "key": uuid4().hex,
    }
    return lifecycle.start(**{**values, **changes})


def invalid(batch: Batch) -> list[str]:
    return [one["reason"] for one in Batch.objects.get(pk=batch.pk).invalid_rows]


def test_rows_that_cannot_be_used_cost_nothing_and_are_no_pilot(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site, b"SKU;Name\n;x\n;y\n;z\nA-1;Cup\nA-2;Bowl\nA-3;Jug\n")
    each = lifecycle.estimate_cost(version, site.model, rows=1)
    with pytest.raises(InvalidJobRequest, match="above the spending limit"):
        start_from(site, version, stored, limits=BatchLimits(spending_limit=each * 2))

    batch = start_from(site, version, stored, limits=BatchLimits(pilot=2, spending_limit=each * 3))
    prepare()

    batch.refresh_from_db()
    event = AuditEvent.objects.get(type="batch.created")
    assert json.loads(event.body)["data"]["estimated_cost"] == "0.06"
    assert (batch.prepared_rows, batch.job_count, batch.pause_reason) == (5, 2, "pilot")
    assert start_from(site, version, stored, limits=BatchLimits(pilot=3)).pilot_rows == 0


@pytest.mark.usefixtures("db")
def test_each_row_becomes_a_job_and_its_cells_are_values(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    batch = start_from(site, version, table(site))
    prepare()

    prompts = dict(batch.jobs.values_list("row_key", "prompt"))
    assert prompts == {
        "A-1": "A Cup",
        "B-1": "A Bowl with a long name",
        "C-1": "A {{ product }} =1+1",
    }
    assert lifecycle.row_labels(batch, ["A-1"]) == {"A-1": "A-1"}


def test_what_is_wrong_with_a_row_is_told_by_its_number(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    long = "x" * 65
    data = f"SKU;Name\nA-1;Cup\n;Bowl\nA-1;Jug\n{long};Can\nD-1;Pot;more\nE-1;\n".encode()
    stored = table(site, data)
    rows = source(stored).rows(0, 10)
    plan = planning.plan_rows(actor=site.actor, version=version, rows=rows)

    assert [row.error for row in plan.rows] == [
        "",
        "Row 3 has no key in the column “SKU”.",
        "Row 4 has the same key as row 2.",
        "The key in row 5 has more than 64 characters.",
        (
            "Row 6 has 3 cells, but the header has 2: is there a separator within a cell that is "
            "not in quotation marks?"
        ),
        "Product: a value is required.",
    ]
    batch = start_from(site, version, stored)
    prepare()
    # Not even the second row of the same key: each is made once, or not at all.
    assert list(batch.jobs.values_list("row_key", flat=True)) == ["A-1"]
    assert len(invalid(batch)) == 5


def test_rows_are_matched_with_objects_by_a_field(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    first, second = products(2)
    skus = list(Product.objects.order_by("pk").values_list("sku", flat=True))
    stored = table(site, f"SKU;Name\n{skus[1]};Jug\nnone;Can\n{skus[0]};Pot\n".encode())
    rows = matched(stored)

    assert rows.keys == (second, "", first)
    assert [row.problem for row in rows.rows(0, 3)] == [
        "",
        "none (row 3): no product has the value “none”.",
        "",
    ]
    batch = start_from(site, version, stored, match="sku")
    prepare()
    assert dict(batch.jobs.values_list("row_key", "prompt")) == {second: "A Jug", first: "A Pot"}
    assert lifecycle.row_labels(batch, [first]) == {first: str(Product.objects.get(pk=first))}


def test_an_object_that_is_deleted_after_the_start_is_told_by_row(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    products(2)
    first, second = Product.objects.order_by("pk")
    stored = table(site, f"SKU;Name\n{first.sku};Jug\n{second.sku};Pot\n".encode())
    batch = start_from(site, version, stored, match="sku")
    # Another object of the same number is another row: its job is not made under the first's key.
    sku = first.sku
    first.delete()
    Product.objects.create(
        category=second.category, name="New", slug="new", sku=sku, price=1, colour="", material=""
    )
    prepare()

    assert batch.jobs.count() == 1
    assert invalid(batch) == ["It no longer exists."]


def test_a_table_that_is_gone_and_a_target_that_is_gone_are_told_by_row(
    site: Site,
    settings: Any,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site)
    batch = start_from(site, version, stored)
    use_case(audited=False)(Batch.objects.filter(pk=batch.pk).update)(table=None)
    prepare()
    assert invalid(batch) == ["The uploaded table was deleted."] * 3

    products(1)
    sku = Product.objects.get().sku
    batch = start_from(site, version, table(site, f"SKU;Name\n{sku};Jug\n".encode()), match="sku")
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TARGETS": {}}
    prepare()
    assert invalid(batch) == ["The field for the images is no longer allowed on this site."]


def test_a_field_that_a_migration_removed_is_told_by_row(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    keys = products(1)
    target = content_fields.target_by_path(TARGET)
    sentence = "The products no longer have a field “gone”."

    (row,) = ObjectRows(target, keys, mapping={"product": "gone"}, fixed={}).rows(0, 1)
    assert row.problem == sentence
    stored = table(site, b"SKU;Name\nX-0;Jug\n")
    rows = source(stored, target=target, match="gone")
    assert (rows.keys, rows.rows(0, 1)[0].problem) == (("",), sentence)


def test_a_template_that_was_withdrawn_after_the_preview_starts_nothing(
    site: Site,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    stored = table(site)
    template = version.template
    template.is_archived = True
    use_case(audited=False)(template.save)()

    with pytest.raises(InvalidJobRequest, match="is not published"):
        start_from(site, version, stored)
    assert not Job.objects.exists()


def test_the_digest_changes_with_any_value_of_any_row(site: Site) -> None:
    keys = products(3)
    target = content_fields.target_by_path(TARGET)

    def digest() -> str:
        return ObjectRows(target, keys, mapping={"product": "name"}, fixed={}).digest()

    before = digest()
    assert digest() == before
    Product.objects.filter(pk=keys[2]).update(name="Anvil")
    assert digest() != before
    stored = table(site)
    assert source(stored).digest() != source(stored, fixed={"product": "Jug"}).digest()


def test_reading_many_rows_takes_few_queries(site: Site) -> None:
    keys = products(30)
    target = content_fields.target_by_path(TARGET)
    stored = table(site, b"SKU;Name\n" + b"".join(b"X-%d;Jug\n" % n for n in range(30)))
    with CaptureQueriesContext(
        connection,
    ) as objects:
        ObjectRows(target, keys, mapping={"product": "category.name"}, fixed={}).rows(0, 30)
    with CaptureQueriesContext(connection) as rows:
        assert all(matched(stored).keys)

    assert (len(objects), len(rows)) == (1, 2)


def test_the_worker_reads_only_the_rows_of_its_chunk(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    version: TemplateVersion,  # noqa: F811 - the fixture
) -> None:
    monkeypatch.setattr(row_jobs, "CHUNK_SIZE", 2)
    batch = start_from(site, version, table(site))
    read: list[int] = []
    original = TableRows._row

    def counted(self: TableRows, *given: Any) -> Any:
        read.append(1)
        return original(self, *given)

    monkeypatch.setattr(TableRows, "_row", counted)
    assert prepare() == 2
    assert (batch.jobs.count(), len(read)) == (3, 3)


def test_only_objects_that_a_person_may_see_are_offered(site: Site) -> None:
    guest = access.actor_for(make_user("guest", permissions=["imagegen.request_job"]))
    assert match_choices(guest) == []
    offered = dict(match_choices(access.actor_for(make_user("root", is_superuser=True))))
    assert offered[f"{TARGET}|sku"].startswith("Products (")
