"""Rows are found by indexes, whatever else is asked beside them; parts of words among the newest."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from imagegen_app.admin import list_search
from imagegen_app.models import Attempt, AuditEvent, Job, Verdict
from imagegen_app.services.foundation import row_search
from imagegen_app.testing.factories import make_job
from tests.plans import plan_of

pytestmark = pytest.mark.django_db
KEY = "01a221b7-0543-7fe7-b48b-3fb91bbea41a"


def found(conditions: list[Q]) -> set[Any]:
    return set(Job.objects.filter(row_search.any_of(Job, conditions)))


def test_few_rows_are_listed_and_many_stay_a_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = [make_job(error_code="quota", state="failed") for _ in range(3)]
    (row,) = [make_job(row_key="a-7")]
    monkeypatch.setattr(row_search, "FEW", 2)

    wanted = row_search.any_of(Job, [Q(error_code="quota"), Q(row_key="a-7")])

    assert set(Job.objects.filter(wanted)) == {*quota, row}
    assert "'error_code', 'quota'" in repr(wanted)
    assert "row_key" not in repr(wanted)


def test_nothing_is_found_without_a_condition_or_a_row() -> None:
    make_job()

    assert found([]) == set()
    assert found([Q(row_key="nobody")]) == set()


@pytest.mark.parametrize("word", [KEY, KEY.replace("-", ""), KEY[:8], KEY[:13], KEY.upper()])
def test_a_key_is_found_by_its_beginning(word: str) -> None:
    job = make_job(pk=KEY)
    make_job(pk="02" + KEY[2:])

    assert found(row_search.by_key("pk", word)) == {Job.objects.get(pk=job.pk)}


@pytest.mark.parametrize("word", ["01a22", "mug", "", "g" * 32, KEY + "0"])
def test_another_word_is_no_key(word: str) -> None:
    assert row_search.by_key("pk", word) == []


def test_values_that_hold_a_word_are_found_one_step_each() -> None:
    for code in ("quota", "auth", "auth_expired", ""):
        make_job(error_code=code, state="failed" if code else "succeeded")

    with CaptureQueriesContext(connection) as asked:
        (condition,) = row_search.by_value(Job, "error_code", "AUTH")

    assert condition == Q(error_code__in=["auth", "auth_expired"])
    assert len(asked) == 4
    assert row_search.by_value(Job, "error_code", "xylophone") == []


def test_parts_are_looked_for_among_the_newest_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (make_job(row_key=f"sku-{number}-red") for number in range(2))
    monkeypatch.setattr(row_search, "NEWEST", 1)

    assert found(row_search.by_part(Job, ["row_key"], "red", time="created_at")) == {new}
    assert found([Q(row_key=old.row_key)]) == {old}


@pytest.mark.parametrize(
    ("model", "conditions"),
    [
        (Job, list_search.of_job),
        (Attempt, list_search.of_attempt),
        (AuditEvent, list_search.of_event),
        (Verdict, list_search.of_verdict),
    ],
)
def test_each_condition_of_a_list_is_answered_by_an_index(model: Any, conditions: Any) -> None:
    make_job(error_code="deadbeef00", state="failed")

    for condition in conditions("deadbeef00"):
        plan = plan_of(model.objects.filter(condition).order_by().values_list("pk")[:9])
        if "icontains" in repr(condition):
            # Only of a table with more rows than are looked through, which this one has not.
            continue
        assert "Index Cond" in plan or ("SEARCH imagegen" in plan and "SCAN" not in plan), plan
