"""People type texts of rows, ask for them again, pause and cancel: once, and only their own."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import Job
from imagegen_app.services.batches import (
    lifecycle,
    row_jobs,
    row_texts,
    text_columns,
    text_commands,
)
from imagegen_app.services.batches.lifecycle import TableSource
from imagegen_app.services.batches.row_sources import TableRows
from imagegen_app.services.batches.text_commands import TextsUnchanged
from imagegen_app.services.gateways.prompt_writing import Suggestion
from imagegen_app.services.gateways.text_services import ServiceText
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template, make_user
from imagegen_app.writing.base import TextModelFailed
from tests.services.batches.test_row_texts import (
    asked,
    column_of,
    kinds,
    started,
    texts_of,
    writer,
)

if TYPE_CHECKING:
    from tests.services.batches.test_row_texts import RowWriter
    from tests.services.conftest import Site

__all__ = ["writer"]


def test_a_text_is_typed_and_another_asked_for_anew(site: Site, writer: type[RowWriter]) -> None:
    writer.answers = {"Mug": TextModelFailed("no")}
    table = started(site)
    driver.drive(seconds=20)
    for _press in range(2):
        text_commands.type_text(
            actor=site.actor, table=table, position=1, text=" A mug\n by the sea. "
        )
    assert kinds().count("row_texts.edited") == 1
    writer.answers = {"Lamp": "A lamp anew."}

    assert text_commands.ask_again(actor=site.actor, table=table, position=2) == 1
    assert text_commands.ask_again(actor=site.actor, table=table, position=2) == 0
    # The old one stays until the new one comes.
    assert texts_of(table)[2] == "Lamp at dawn."
    driver.drive(seconds=20)

    assert texts_of(table) == ["Oak stool at dawn.", "A mug by the sea.", "A lamp anew."]
    assert row_texts.progress(column_of(table)).edited == 1
    rows = TableRows(table, key_column="sku", mapping={"scene": "scene"}, fixed={}).rows(0, 3)
    assert [row.problem for row in rows] == ["", "", ""]
    assert {"row_texts.edited", "row_texts.asked_again"} <= set(kinds())
    assert text_commands.ask_again(actor=site.actor, table=table) == 0


def test_a_failed_second_try_keeps_the_text_and_gives_the_reason(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    driver.drive(seconds=20)
    writer.answers = {"Lamp": TextModelFailed("no")}
    text_commands.ask_again(actor=site.actor, table=table, position=2)
    driver.drive(seconds=20)

    shown = row_texts.shown_texts(column_of(table), start=2, most=1)[0]
    assert (shown.text, shown.state) == ("Lamp at dawn.", "written")
    assert shown.reason == "The text model gave no answer that can be used."


def test_a_text_typed_while_one_is_written_stays(site: Site, writer: type[RowWriter]) -> None:
    table = started(site)
    taken = next(row_texts.take(limit=1))
    text_commands.type_text(actor=site.actor, table=table, position=0, text="Mine.")
    found = Suggestion(ServiceText("Theirs.", "rows", Decimal("0.004")))
    row_texts.keep_answer(taken=taken, before=[], found=found)

    assert texts_of(table)[0] == "Mine."
    assert column_of(table).cost == Decimal("0.004")


def test_it_is_paused_continued_and_cancelled(site: Site, writer: type[RowWriter]) -> None:
    table = started(site)
    for press in (text_commands.pause, text_commands.pause):
        press(actor=site.actor, table=table)
    assert not row_texts.has_waiting()
    for press in (
        text_commands.resume,
        text_commands.resume,
        text_commands.cancel,
        text_commands.cancel,
    ):
        press(actor=site.actor, table=table)
    driver.drive(seconds=1)

    assert writer.asked == []
    assert row_texts.progress(column_of(table)).failed == 3
    assert kinds() == [
        "row_texts.requested",
        "row_texts.paused",
        "row_texts.resumed",
        "row_texts.cancelled",
    ]


def test_only_its_owner_changes_it_and_only_while_no_batch_needs_it(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    stranger = access.actor_for(make_user("stranger", is_superuser=True))
    with pytest.raises(TextsUnchanged, match="no such table of yours"):
        text_commands.type_text(actor=stranger, table=table, position=0, text="x")
    with pytest.raises(TextsUnchanged, match="longer than"):
        text_commands.type_text(actor=site.actor, table=table, position=0, text="x" * 801)
    with pytest.raises(NotPermitted):
        text_columns.start_for_table(
            actor=access.actor_for(make_user("nobody")), table=table, request=asked()
        )


def test_texts_stay_while_a_batch_has_jobs_to_make_of_them(
    site: Site, writer: type[RowWriter]
) -> None:
    table = started(site)
    driver.drive(seconds=20)
    version = make_template(
        body="A cup {{ scene }}",
        variables=[{"name": "scene", "kind": "text"}],
        width=64,
        height=64,
        image_model=site.model,
    )
    lifecycle.start(
        actor=site.actor,
        version=version,
        title="Cups",
        keys=["A1", "A2", "A3"],
        target=None,
        mapping={"scene": "scene"},
        key="spring",
        table=TableSource(table, "sku", ""),
    )

    for change in (
        lambda: text_commands.ask_again(actor=site.actor, table=table, position=0),
        lambda: text_commands.type_text(actor=site.actor, table=table, position=0, text="x"),
    ):
        with pytest.raises(TextsUnchanged, match="has not made the jobs"):
            change()
    while row_jobs.create_next_jobs():
        pass
    assert Job.objects.filter(prompt="A cup Mug at dawn.").count() == 1
    assert text_commands.ask_again(actor=site.actor, table=table, position=0) == 1
