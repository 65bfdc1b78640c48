"""Texts of rows stay out of batches that are under way, and are written from offered fields alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Batch, TextCall
from imagegen_app.services.batches import lifecycle, row_texts, text_columns, text_commands
from imagegen_app.services.batches.lifecycle import TableSource
from imagegen_app.services.batches.selections import Selection
from imagegen_app.services.batches.text_columns import InvalidTextRequest
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields, screening
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import text_calls
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template, make_user
from project.catalog.models import Category, Product
from tests.services.batches.test_lifecycle import VARIABLES
from tests.services.batches.test_row_texts import asked, column_of, started, writer

if TYPE_CHECKING:
    from tests.services.batches.test_row_texts import RowWriter
    from tests.services.conftest import Site

__all__ = ["writer"]


def test_no_batch_is_made_of_a_table_whose_texts_are_still_to_come(
    site: Site, writer: type[RowWriter]
) -> None:
    del writer
    table = started(site)
    version = make_template(body="{{ product }}", variables=VARIABLES, image_model=site.model)

    def batch_of(key: str) -> Batch:
        return lifecycle.start(
            actor=site.actor,
            version=version,
            title="Goods",
            keys=["A1", "A2", "A3"],
            target=None,
            mapping={"product": "scene"},
            table=TableSource(table, "sku"),
            key=key,
        )

    with pytest.raises(InvalidJobRequest, match="still writes texts"):
        batch_of("early")
    # Paused texts are still to come: who continues them would change what the batch makes.
    text_commands.pause(actor=site.actor, table=table)
    with pytest.raises(InvalidJobRequest, match="still writes texts"):
        batch_of("paused")

    text_commands.cancel(actor=site.actor, table=table)
    assert batch_of("cancelled").row_count == 3


def test_two_sweeps_at_once_count_a_lost_call_once(site: Site, writer: type[RowWriter]) -> None:
    del writer
    table = started(site)
    (taken,) = row_texts.take(limit=1)
    past = clock.now() - timedelta(seconds=1)
    use_case(audited=False)(TextCall.objects.filter(state="waiting").update)(lease_until=past)
    text_calls.end_lost(WORKER_ACTOR)

    # As both found the row before either of them ended it.
    assert [row_texts._end_lost(taken.text.pk), row_texts._end_lost(taken.text.pk)] == [1, 0]

    assert column_of(table).cost == taken.call.estimated_cost
    assert column_of(table).failures == 1


def test_only_fields_that_are_offered_are_read_of_objects(
    site: Site, writer: type[RowWriter]
) -> None:
    del site
    category = Category.objects.create(name="Table", slug="table")
    mug = Product.objects.create(category=category, name="Oat", slug="oat", sku="Oat", price="9.00")
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    person = access.actor_for(make_user("boss", is_superuser=True))

    for path in ("category.slug", "id", "_state", "nothing"):
        with pytest.raises(InvalidTextRequest, match="No column was chosen"):
            text_columns.start_for_objects(
                actor=person,
                selection=Selection(target, (str(mug.pk),)),
                request=asked(sources=[path]),
            )
    assert writer.asked == []


def test_a_call_that_cannot_be_begun_costs_nothing_and_holds_up_no_other_row(
    site: Site, writer: type[RowWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = started(site)
    begin = screening.screen_text
    seen: list[str] = []

    def failing(text: str, **options: Any) -> Any:
        seen.append(text)
        if len(seen) == 1:
            raise RuntimeError("a screener of the site")
        return begin(text, **options)

    monkeypatch.setattr(screening, "screen_text", failing)
    driver.drive(seconds=20)

    counts = row_texts.progress(column_of(table))
    assert (counts.failed, counts.written) == (1, 2)
    assert sorted(TextCall.objects.values_list("state", flat=True)) == [
        "failed",
        "succeeded",
        "succeeded",
    ]
    assert TextCall.objects.get(state="failed").cost == 0
    assert len(writer.asked) == 2
    assert doctor.violated_invariants() == {}
