"""Read long lists page by page from a place in their order, and count no more rows than people read.

A page is found by the row before it and not by its number: page 900 costs what page 1 does. Rows come
newest first, by a time and then by their key.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

#: Beyond it a list says "more than": nobody reads that far, and counting a million rows takes seconds.
MAX_COUNTED = 10_000
#: Rows of a table, newest first, that are looked through to count what a filter finds.
LOOKED_THROUGH = 2_000
_MAX_CURSOR_CHARS = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and where its neighbours begin."""

    rows: list[Any]
    #: The cursor of the first row, from which newer ones are read; empty without rows.
    first: str
    #: The cursor of the last row, from which older ones are read.
    last: str
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are, counted no further than `MAX_COUNTED`."""

    number: int
    is_more: bool


def read_page(
    rows: QuerySet[Any], *, size: int, after: str = "", before: str = "", time: str = "created_at"
) -> Page:
    """Return a page of rows that are older than the cursor `after`, or newer than `before`.

    A cursor that nobody made counts as none.
    """
    older, newer = read_cursor(rows.model, after), read_cursor(rows.model, before)
    if older is None and newer is not None:
        return _newer_page(rows, newer, size=size, time=time)
    found = rows.order_by(f"-{time}", "-pk")
    if older is not None:
        at, key = older
        # One range of the index, instead of two that would have to be sorted.
        found = found.filter(Q(**{f"{time}__lt": at}) | Q(pk__lt=key), **{f"{time}__lte": at})
    read = list(found[: size + 1])
    return _page(read[:size], time=time, has_newer=older is not None, has_older=len(read) > size)


def _newer_page(rows: QuerySet[Any], cursor: tuple[datetime, Any], *, size: int, time: str) -> Page:
    at, key = cursor
    found = rows.filter(Q(**{f"{time}__gt": at}) | Q(pk__gt=key), **{f"{time}__gte": at})
    read = list(found.order_by(time, "pk")[: size + 1])
    return _page(read[:size][::-1], time=time, has_newer=len(read) > size, has_older=True)


def _page(rows: list[Any], *, time: str, has_newer: bool, has_older: bool) -> Page:
    return Page(
        rows=rows,
        first=make_cursor(getattr(rows[0], time), rows[0].pk) if rows else "",
        last=make_cursor(getattr(rows[-1], time), rows[-1].pk) if rows else "",
        has_newer=has_newer,
        has_older=has_older,
    )


def make_cursor(at: datetime, key: object) -> str:
    """Return a place in a list as a short text for an address."""
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{key}".encode()).decode().rstrip("=")


def read_cursor(model: type[Model], text: str) -> tuple[datetime, Any] | None:
    """Return the time and the key of a cursor; None for any other text."""
    if not text or len(text) > _MAX_CURSOR_CHARS:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        at, _bar, key = base64.urlsafe_b64decode(padded).decode().partition("|")
        found = datetime.fromisoformat(at)
        if timezone.is_naive(found):
            return None
        return found, model._meta.pk.to_python(key)  # noqa: SLF001 - Django's documented API
    except (binascii.Error, ValueError, OverflowError, ValidationError):
        return None


def count_rows(rows: QuerySet[Any], *, most: int = MAX_COUNTED) -> Count:
    """Return how many rows there are, if not more than `most`."""
    number = rows.order_by()[: most + 1].count()
    return Count(min(number, most), is_more=number > most)


def count_newest(rows: QuerySet[Any], page: Page, *, time: str = "created_at") -> Count:
    """Return how many rows there are on a page's list, or at least: those among the table's newest.

    A filter that finds few of very many rows would be counted by reading all of them.
    """
    if not page.has_newer and not page.has_older:
        return Count(len(page.rows), is_more=False)
    moments = rows.model._default_manager.order_by(f"-{time}", "-pk")  # noqa: SLF001 - Django's documented API
    limit = moments.values_list(time, flat=True)[LOOKED_THROUGH : LOOKED_THROUGH + 1].first()
    if limit is None:
        return count_rows(rows)
    found = count_rows(rows.filter(**{f"{time}__gt": limit}))
    return Count(max(found.number, len(page.rows)), is_more=True)
