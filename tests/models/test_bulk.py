"""Many rows are inserted into PostgreSQL by COPY, with the same result as by INSERT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from django.db import IntegrityError, connection, router, transaction
from django.db.models import Model, Value
from django.db.models.functions import Upper
from django.utils import timezone

from imagegen_app.core.ids import uuid7
from imagegen_app.models import (
    AuditEvent,
    AuditPending,
    AuditPersonalText,
    Verdict,
    bulk,
)
from imagegen_app.models.guard import WriteOutsideUseCase
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
Row = TypeVar("Row", bound=Model)
MANY = bulk.MIN_ROWS + 10
#: Characters with a special meaning in PostgreSQL's text formats.
SPECIAL_CHARACTERS = 'tab\there, line\nthere, \\N, \\., "quotes", {braces}, NULL, 🫖'


def events(number: int) -> list[AuditEvent]:
    return [
        AuditEvent(
            uid=uuid7(),
            at=timezone.now(),
            type="job.requested",
            actor_kind="system",
            actor_id="test",
            body=f"{SPECIAL_CHARACTERS} {n}",
        )
        for n in range(number)
    ]


@use_case(audited=False)
def insert(model: type[Row], rows: list[Row]) -> list[Row]:
    inserted: list[Row] = model._default_manager.bulk_create(rows, batch_size=1000)
    return inserted


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the name of each table is added that rows are copied into."""
    tables: list[str] = []
    copy = bulk.copy_rows

    def recording_copy(model: type[Model], rows: list[Any], *, using: str) -> None:
        tables.append(model._meta.db_table)
        copy(model, rows, using=using)

    monkeypatch.setattr(bulk, "copy_rows", recording_copy)
    return tables


def test_copied_values_are_read_back_unchanged(copied: list[str]) -> None:
    rows = insert(AuditEvent, events(MANY))
    texts = insert(
        AuditPersonalText,
        [
            AuditPersonalText(
                event_id=r.pk, field="prompt", salt=bytes(range(256)), value=SPECIAL_CHARACTERS
            )
            for r in rows
        ],
    )

    stored = AuditEvent.objects.in_bulk([row.pk for row in rows])
    assert len(stored) == MANY
    for row in rows:
        assert not row._state.adding
        assert (stored[row.pk].uid, stored[row.pk].at) == (row.uid, row.at)
        assert stored[row.pk].body == row.body
    text = AuditPersonalText.objects.get(pk=texts[0].pk)
    assert bytes(text.salt) == bytes(range(256))
    assert text.value == SPECIAL_CHARACTERS
    if connection.vendor == "postgresql":
        assert copied == ["imagegen_auditevent", "imagegen_auditpersonaltext"]
    else:
        assert copied == []


def test_copied_json_money_and_times_are_read_back_unchanged(site: Site, copied: list[str]) -> None:
    job = site.request()
    rows = insert(
        Verdict,
        [
            Verdict(
                job=job,
                stage="prompt",
                screener="x",
                outcome="passed",
                categories=["a", SPECIAL_CHARACTERS],
                scores={"a": "0.5"},
                cost="0.0015",
            )
            for _ in range(MANY)
        ],
    )

    stored = Verdict.objects.get(pk=rows[-1].pk)
    assert stored.categories == ["a", SPECIAL_CHARACTERS]
    assert stored.scores == {"a": "0.5"}
    assert str(stored.cost) == "0.0015"
    assert stored.created_at is not None
    assert bool(copied) == (connection.vendor == "postgresql")


def test_generated_keys_continue_after_a_copy() -> None:
    before = insert(AuditEvent, events(MANY))
    after = insert(AuditEvent, events(1))

    keys = [row.pk for row in (*before, *after)]
    assert keys == sorted(set(keys))
    assert None not in keys


@pytest.mark.parametrize("number", [1, MANY])
def test_a_duplicate_row_is_refused_and_no_row_is_inserted(number: int) -> None:
    rows = events(number)
    rows[-1].uid = insert(AuditEvent, events(1))[0].uid

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(AuditEvent, rows)

    assert AuditEvent.objects.count() == 1


def test_rows_with_expressions_are_inserted_by_django(copied: list[str]) -> None:
    rows = events(MANY)
    rows[0].body = Upper(Value("loud"))

    insert(AuditEvent, rows)

    assert AuditEvent.objects.filter(body="LOUD").count() == 1
    assert copied == []


def test_few_rows_and_rows_with_ignored_conflicts_are_inserted_by_django(copied: list[str]) -> None:
    rows = insert(AuditEvent, events(bulk.MIN_ROWS - 1))

    @use_case(audited=False)
    def again() -> None:
        AuditPending.objects.bulk_create(
            [AuditPending(event_id=row.pk) for row in rows * 2], ignore_conflicts=True
        )

    again()
    assert AuditPending.objects.count() == len(rows)
    assert copied == []


def test_a_copy_outside_of_a_use_case_is_refused() -> None:
    with pytest.raises(WriteOutsideUseCase):
        AuditEvent.objects.bulk_create(events(MANY))

    assert not AuditEvent.objects.exists()


def test_a_related_row_saved_after_its_assignment_is_used() -> None:
    rows = events(MANY)
    texts = [AuditPersonalText(event=row, field="prompt", salt=b"x", value="y") for row in rows]

    insert(AuditEvent, rows)
    insert(AuditPersonalText, texts)

    stored = AuditPersonalText.objects.values_list("event_id", flat=True).order_by("pk")
    assert list(stored) == [row.pk for row in rows]


def test_rows_are_copied_to_the_database_that_the_router_names_for_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Replicas:
        def db_for_read(self, *_args: object, **_hints: object) -> str:
            return "a replica"

        def db_for_write(self, *_args: object, **_hints: object) -> str:
            return "default"

    monkeypatch.setattr(router, "routers", [Replicas()])

    insert(AuditEvent, events(MANY))

    assert AuditEvent.objects.using("default").count() == MANY
