"""Texts are written for the rows of a table: once each, paid, screened, stopped in time, and editable."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.models import (
    AuditEvent,
    BudgetPeriod,
    TextCall,
    UploadedTable,
    UploadedTableRow,
    WrittenColumn,
    WrittenText,
)
from imagegen_app.services.batches import (
    row_texts,
    table_uploads,
    text_columns,
    text_commands,
)
from imagegen_app.services.batches.row_sources import TableRows
from imagegen_app.services.batches.selections import Selection
from imagegen_app.services.batches.text_columns import InvalidTextRequest, TextRequest
from imagegen_app.services.erasure import _rows, scopes
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.gateways.prompt_writing import Suggestion
from imagegen_app.services.gateways.text_services import ServiceText
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from imagegen_app.writing.base import TextModelFailed, WrittenPrompt
from project.catalog.models import Category, Product
from tests.services.job_requests.test_prompt_suggestions import HERE as CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.conftest import Site

HERE = "tests.services.batches.test_row_texts"
PRICE, CHECK_PRICE = Decimal("0.01"), Decimal("0.001")
CSV = b"sku,name\nA1,Oak stool\nA2,Mug\nA3,Lamp\n"


class RowWriter:
    """A text model that writes what follows from the row, or what a test sets."""

    answers: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[str]] = []
    told: ClassVar[list[tuple[str, str, int]]] = []
    lock: ClassVar[threading.Lock] = threading.Lock()

    def write_text(
        self, texts: Mapping[str, str], *, instruction: str, language: str, max_chars: int
    ) -> WrittenPrompt:
        name = texts.get("name") or texts.get("Name") or texts.get("product") or ""
        with RowWriter.lock:
            RowWriter.asked.append(name)
            RowWriter.told.append((instruction, language, max_chars))
        answer = RowWriter.answers.get(name, f"{name} at dawn.")
        if isinstance(answer, Exception):
            raise answer
        return WrittenPrompt(answer, Decimal("0.004"), "rows-2")


@pytest.fixture
def writer(site: Site, small: Any) -> type[RowWriter]:
    small.LANGUAGES = [("en", "English"), ("de", "German")]
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.RowWriter", "NAME": "rows", "PRICE": str(PRICE)},
        "SCREENERS": [
            {"BACKEND": f"{CHECKS}.WordCheck", "NAME": "words", "PRICE": str(CHECK_PRICE)}
        ],
    }
    RowWriter.answers, RowWriter.asked, RowWriter.told = {}, [], []
    return RowWriter


def uploaded(site: Site, data: bytes = CSV) -> UploadedTable:
    return table_uploads.add_table(actor=site.actor, name="goods.csv", data=data).table


def asked(**changed: Any) -> TextRequest:
    given = {
        "column": "scene",
        "sources": ["name"],
        "instruction": "One sentence of mood",
        "language": "de",
    }
    return TextRequest(**{**given, **changed})


def started(site: Site, data: bytes = CSV, **changed: Any) -> UploadedTable:
    return text_columns.start_for_table(
        actor=site.actor, table=uploaded(site, data), request=asked(**changed)
    ).table


def texts_of(table: UploadedTable) -> list[str]:
    rows = UploadedTableRow.objects.filter(table=table).order_by("position")
    return [row.values[-1] if row.values else "" for row in rows]


def column_of(table: UploadedTable) -> WrittenColumn:
    column = row_texts.column_of(table)
    assert column is not None
    return column


def kinds() -> list[str]:
    found = AuditEvent.objects.filter(type__startswith="row_texts.").order_by("pk")
    return list(found.values_list("type", flat=True))


def test_a_worker_writes_a_text_for_each_row_and_it_costs_what_it_cost(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    assert row_texts.has_waiting()

    driver.drive(seconds=20)

    assert table.columns == ["sku", "name", "scene"]
    assert texts_of(table) == ["Oak stool at dawn.", "Mug at dawn.", "Lamp at dawn."]
    assert sorted(writer.asked) == ["Lamp", "Mug", "Oak stool"]
    assert set(writer.told) == {("One sentence of mood", "de", text_columns.MAX_TEXT_CHARS)}
    each = Decimal("0.004") + 2 * CHECK_PRICE
    assert set(TextCall.objects.values_list("task", "state", "cost", "language")) == {
        ("row_text", "succeeded", each, "de")
    }
    column = column_of(table)
    assert (column.state, column.cost) == ("finished", 3 * each)
    period = BudgetPeriod.objects.get()
    assert (period.reserved, period.spent) == (0, 3 * each)
    assert kinds() == ["row_texts.requested", "row_texts.finished"]
    assert "dawn" not in " ".join(AuditEvent.objects.values_list("body", flat=True))
    assert doctor.violated_invariants() == {}
    assert not row_texts.has_waiting()


def test_the_same_request_for_the_same_rows_is_one_table(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    again = text_columns.start_for_table(actor=site.actor, table=uploaded(site), request=asked())
    other = started(site, instruction="In two words")

    assert (again.table.pk, again.is_known) == (table.pk, True)
    assert other.pk != table.pk
    assert kinds() == ["row_texts.requested"] * 2


def test_a_killed_worker_makes_no_call_twice_and_its_row_says_so(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    # The worker dies between this and the answer.
    (taken,) = row_texts.take(limit=1)

    driver.drive(seconds=20)
    assert sorted(writer.asked) == ["Lamp", "Mug"]
    assert column_of(table).state == "running"
    assert row_texts.end_lost() == 0
    past = clock.now() - timedelta(seconds=1)
    use_case(audited=False)(TextCall.objects.filter(state="waiting").update)(lease_until=past)
    assert text_calls.end_lost(WORKER_ACTOR) == 1
    assert row_texts.end_lost() == 1

    driver.drive(seconds=1)
    assert sorted(writer.asked) == ["Lamp", "Mug"]
    assert texts_of(table) == ["", "Mug at dawn.", "Lamp at dawn."]
    (shown,) = row_texts.shown_texts(column_of(table), start=0, most=9, problems_only=True)
    assert (shown.number, shown.reason) == (2, "The answer was lost; it may have been billed.")
    assert TextCall.objects.get(pk=taken.call.pk).cost == taken.call.estimated_cost
    column = column_of(table)
    assert column.state == "finished"
    assert column.cost == sum(TextCall.objects.values_list("cost", flat=True))
    assert doctor.violated_invariants() == {}


def test_an_exhausted_budget_stops_it_and_says_so(site: Site, writer: type[RowWriter]) -> None:
    use_case(audited=False)(type(site.budget).objects.update)(limit=Decimal("0.015"))
    table = started(site)

    driver.drive(seconds=20)

    column = column_of(table)
    assert column.state == "paused"
    assert "remain" in row_texts.said(column.reason)
    assert len(writer.asked) == 1
    assert row_texts.progress(column).waiting == 2
    assert kinds()[-1] == "row_texts.paused"
    assert doctor.violated_invariants() == {}

    use_case(audited=False)(type(site.budget).objects.update)(limit=Decimal(10))
    use_case(audited=False)(BudgetPeriod.objects.update)(limit=Decimal(10))
    text_commands.resume(actor=site.actor, table=table)
    driver.drive(seconds=20)
    assert column_of(table).state == "finished"
    assert len(writer.asked) == 3
    assert "row_texts.resumed" in kinds()


def test_what_a_check_blocks_is_not_sent_or_not_kept(site: Site, writer: type[RowWriter]) -> None:
    writer.answers = {"Mug": "A forbidden mug."}
    table = started(site, b"sku,name\nA1,forbidden fruit\nA2,Mug\nA3,\n")

    driver.drive(seconds=20)

    assert writer.asked == ["Mug"]
    assert texts_of(table) == ["", "", ""]
    shown = row_texts.shown_texts(column_of(table), start=0, most=9)
    assert [one.state for one in shown] == ["blocked", "blocked", "failed"]
    assert [one.reason for one in shown] == [
        "“words” blocked the text.",
        "“words” blocked the text.",
        "The chosen columns are empty in this row.",
    ]
    # They are problem rows of the batch, by name.
    rows = TableRows(table, key_column="sku", mapping={"scene": "scene"}, fixed={}).rows(0, 3)
    assert [row.problem for row in rows] == [
        f"Row {number} has no text in the column “scene”." for number in (2, 3, 4)
    ]


def test_many_failures_in_a_row_stop_it(site: Site, writer: type[RowWriter]) -> None:
    lines = "".join(f"A{n},Mug\n" for n in range(30))
    writer.answers = {"Mug": TextModelFailed("no")}
    table = started(site, b"sku,name\n" + lines.encode())

    driver.drive(seconds=20)

    column = column_of(table)
    assert column.state == "paused"
    assert "rows in a row got no text" in row_texts.said(column.reason)
    assert row_texts.MAX_FAILURES <= len(writer.asked) < row_texts.MAX_FAILURES + 4


def test_an_answer_is_one_line_of_plain_text(site: Site, writer: type[RowWriter]) -> None:
    writer.answers = {"Mug": "A\x00 mug\u202e\nby a <b>window</b>"}
    table = started(site)
    driver.drive(seconds=20)

    assert texts_of(table)[1] == "A mug by a <b>window</b>"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"column": " \x00"}, "has no name"),
        ({"column": "Name"}, "column “Name” already"),
        ({"instruction": " "}, "no instruction"),
        ({"instruction": "x" * 1001}, "longer than 1000"),
        ({"sources": []}, "No column was chosen"),
        ({"sources": ["gone"]}, "No column was chosen"),
        ({"language": "xx"}, "does not speak"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_with_the_reason(
    site: Site, writer: type[RowWriter], changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidTextRequest) as refused:
        started(site, **changed)
    assert reason in str(refused.value)
    assert not WrittenColumn.objects.exists()


def test_a_text_model_that_writes_no_rows_is_not_offered(
    site: Site, writer: type[RowWriter], small: Any
) -> None:
    assert text_columns.is_offered(site.actor)
    entry = {"BACKEND": f"{CHECKS}.Writer", "NAME": "writer", "PRICE": "0.01"}
    small.IMAGEGEN = {**small.IMAGEGEN, "TEXT_MODEL": entry}

    assert not text_columns.is_offered(site.actor)
    with pytest.raises(InvalidTextRequest, match="no text model"):
        started(site)


def test_objects_become_a_table_that_finds_them_again(
    site: Site, writer: type[RowWriter], small: Any
) -> None:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "TARGETS": {"catalog.Product.image": {"variables": {"product": "name"}}},
    }
    category = Category.objects.create(name="Table", slug="table")
    mugs = [
        Product.objects.create(
            category=category, name=name, slug=name.lower(), sku=name, price="9.00"
        )
        for name in ("Oat", "Rye")
    ]
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    keys = (*(str(one.pk) for one in mugs), "999999")
    person = access.actor_for(make_user("boss", is_superuser=True))

    table = text_columns.start_for_objects(
        actor=person,
        selection=Selection(target, keys),
        request=asked(sources=["name", "sku"], further={"product": "name"}, template="still-life"),
    ).table
    driver.drive(seconds=20)

    assert table.columns[1:] == ["product", "Article number", "scene"]
    assert texts_of(table) == ["Oat at dawn.", "Rye at dawn.", ""]
    path, _bar, match = table.reading["objects"].partition("|")
    assert (path, table.reading["template"]) == ("catalog.Product.image", "still-life")
    rows = TableRows(
        table,
        key_column=table.reading["key"],
        mapping={"scene": "scene"},
        fixed={},
        target=target,
        match=match,
    ).rows(0, 3)
    assert [row.key for row in rows] == [str(mugs[0].pk), str(mugs[1].pk), ""]
    assert rows[0].values == {"scene": "Oat at dawn."}
    assert rows[2].problem == "The row cannot be used."


def test_it_is_deleted_with_its_table(site: Site, writer: type[RowWriter]) -> None:
    table = started(site)
    (taken, *_others) = row_texts.take(limit=1)
    table_uploads.delete_table(actor=site.actor, key=table.pk)

    assert not WrittenText.objects.exists()
    assert not WrittenColumn.objects.exists()
    # What was under way is paid all the same.
    found = Suggestion(ServiceText("Theirs.", "rows", Decimal("0.004")))
    row_texts.keep_answer(taken=taken, before=[], found=found)
    assert TextCall.objects.get().cost == Decimal("0.004")
    assert doctor.violated_invariants() == {}


def test_a_row_that_was_erased_meanwhile_gets_no_text(site: Site, writer: type[RowWriter]) -> None:
    table = started(site)
    (taken,) = row_texts.take(limit=1)
    use_case(audited=False)(UploadedTableRow.objects.filter(table=table).update)(values=[])
    found = Suggestion(ServiceText("Oak stool.", "rows", Decimal("0.004")))
    row_texts.keep_answer(taken=taken, before=[], found=found)
    driver.drive(seconds=20)

    assert texts_of(table) == ["", "", ""]
    assert writer.asked == []


def test_an_erasure_of_the_person_takes_the_instruction_and_stops_it(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    scope = scopes.ErasureScope(subject=f"person:{site.actor.user.pk}")
    for blanking in _rows.table_blankings(scope, []):
        use_case(audited=False)(blanking.rows.update)(**blanking.values)

    column = column_of(table)
    assert (column.name, column.instruction, column.sources) == ("", "", [])
    driver.drive(seconds=20)
    assert writer.asked == []
    assert column_of(table).state in {"paused", "finished"}
