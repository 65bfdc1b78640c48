"""Rows that are inserted as they were recorded are those that an arrangement makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from project import seed
from project.catalog.models import Category, Product
from tests import recorded_rows
from tests.recorded_rows import arrange

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("rows are recorded from SQLite only")
    monkeypatch.setattr(recorded_rows, "_recordings", {})


@pytest.fixture
def make() -> Callable[[], None]:
    """Return an arrangement that counts in `calls` how often it was made."""

    def arrangement() -> None:
        calls.append(1)
        seed.create_catalog()

    calls: list[int] = []
    arrangement.calls = calls  # type: ignore[attr-defined]
    return arrangement


def rows() -> list[object]:
    return [*Category.objects.order_by("pk").values(), *Product.objects.order_by("pk").values()]


def undone(make: Callable[[], None]) -> list[object]:
    """Return the rows of an arrangement in a transaction that is taken back."""
    with transaction.atomic():
        arrange("shop", make)
        made = rows()
        transaction.set_rollback(True)
    return made


def test_the_second_time_the_same_rows_are_there_without_making_them(
    make: Callable[[], None],
) -> None:
    first = undone(make)

    arrange("shop", make)

    assert first
    assert rows() == first
    assert make.calls == [1]  # type: ignore[attr-defined]
    connection.check_constraints()


def test_where_its_tables_hold_other_rows_it_is_made(make: Callable[[], None]) -> None:
    undone(make)
    Category.objects.create(slug="other", name="Other", position=9)

    arrange("shop", make)

    assert len(make.calls) == 2  # type: ignore[attr-defined]


def test_an_arrangement_that_changes_what_was_there_is_refused() -> None:
    group = Group.objects.create(name="Before")

    with pytest.raises(AssertionError, match="changed rows"):
        arrange("renamed", lambda: Group.objects.filter(pk=group.pk).update(name="After"))
