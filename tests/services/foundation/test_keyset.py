"""A list is read from a place in it, at the same cost everywhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from imagegen_app.models import Asset
from imagegen_app.services.foundation import keyset
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_asset

pytestmark = pytest.mark.django_db


@pytest.fixture
def newest_first() -> list[Asset]:
    """Return seven images, of which four were made at the same moment."""
    made = [make_asset(widths=()) for _ in range(7)]
    now = timezone.now()
    _date(made[:4], now)
    _date(made[4:], now - timedelta(hours=1))
    return list(Asset.objects.order_by("-created_at", "-pk"))


@use_case(audited=False)
def _date(assets: list[Asset], at: object) -> None:
    Asset.objects.filter(pk__in=[a.pk for a in assets]).update(created_at=at)


def test_pages_hold_each_row_once_in_both_directions(newest_first: list[Asset]) -> None:
    rows, after, seen = Asset.objects.all(), "", []
    while True:
        page = keyset.read_page(rows, size=3, after=after)
        seen += page.rows
        after = page.last
        if not page.has_older:
            break
    back = keyset.read_page(rows, size=3, before=page.first)

    assert seen == newest_first
    assert back.rows == newest_first[3:6]
    assert (back.has_newer, back.has_older) == (True, True)
    assert not keyset.read_page(rows, size=3, before=back.first).has_newer


def test_a_cursor_that_nobody_made_counts_as_none(newest_first: list[Asset]) -> None:
    for text in ("x", "é", "MjAyNg", "a" * 300, "MjAyNi0xMS0yOFQwMDowMDowMHx4"):
        page = keyset.read_page(Asset.objects.all(), size=7, after=text, before=text)
        assert page.rows == newest_first


def test_rows_are_counted_no_further_than_people_read(newest_first: list[Asset]) -> None:
    rows = Asset.objects.all()

    assert keyset.count_rows(rows, most=7) == keyset.Count(7, is_more=False)
    assert keyset.count_rows(rows, most=5) == keyset.Count(5, is_more=True)


def test_of_a_filter_the_newest_rows_are_counted(
    newest_first: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Asset.objects.all()
    whole, first = keyset.read_page(rows, size=7), keyset.read_page(rows, size=2)

    assert keyset.count_newest(rows, whole) == keyset.Count(7, is_more=False)
    assert keyset.count_newest(rows, first) == keyset.Count(7, is_more=False)
    monkeypatch.setattr(keyset, "LOOKED_THROUGH", 4)
    assert keyset.count_newest(rows, first) == keyset.Count(4, is_more=True)
    none = rows.filter(pk__in=[a.pk for a in newest_first[4:]])
    page = keyset.read_page(none, size=2)
    assert keyset.count_newest(none, page) == keyset.Count(2, is_more=True)
