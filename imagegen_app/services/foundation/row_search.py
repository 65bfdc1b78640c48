"""Find the rows of a long table by what people type, each condition by an index of its own.

Conditions joined by OR would have a database read the whole table. So each is asked for by itself: the
rows that few meet are listed by their keys, and a condition that many meet stays one, since such rows
soon fill a page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Q

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

#: Rows that are listed by their keys.
FEW: Final = 1_000
#: Among so many of the newest rows, parts of a text are looked for; no index knows them.
NEWEST: Final = 5_000
_MOST_VALUES: Final = 200
_UUID_CHARS: Final = 32
#: The beginning of a key, as long as one that lists and logs show.
_KEY_BEGINNING = re.compile(r"[0-9a-f]{6,32}", re.IGNORECASE | re.ASCII)


def any_of(model: type[Model], conditions: Iterable[Q]) -> Q:
    """Return the condition that a row meets one of several; one that no row meets without any."""
    keys: list[Any] = []
    common = Q()
    for condition in conditions:
        rows = model._default_manager.filter(condition).order_by()  # noqa: SLF001 - Django's documented API
        found = list(rows.values_list("pk", flat=True)[: FEW + 1])
        if len(found) > FEW:
            common |= condition
        else:
            keys += found
    if keys or not common:
        common |= Q(pk__in=list(dict.fromkeys(keys)))
    return common


def by_key(column: str, word: str) -> list[Q]:
    """Return the condition that a key of 32 digits is, or begins with, a word; none for another word."""
    digits = word.replace("-", "")
    if _KEY_BEGINNING.fullmatch(digits) is None:
        return []
    first, last = (UUID(digits.ljust(_UUID_CHARS, digit)) for digit in "0f")
    return [Q(**{f"{column}__gte": first, f"{column}__lte": last})]


def by_value(model: type[Model], column: str, word: str) -> list[Q]:
    """Return the condition that a column of few different values holds a word; none if no value does.

    The column is the first of an index, in which each value is one step.
    """
    found = [text for text in _values(model, column) if word.casefold() in text.casefold()]
    return [Q(**{f"{column}__in": found})] if found else []


def by_part(model: type[Model], columns: Iterable[str], word: str, *, time: str) -> list[Q]:
    """Return the condition that one of the newest rows holds a word in one of these columns."""
    rows = model._default_manager.order_by(f"-{time}", "-pk")  # noqa: SLF001 - Django's documented API
    limit = rows.values_list(time, flat=True)[NEWEST : NEWEST + 1].first()
    held = Q()
    for column in columns:
        held |= Q(**{f"{column}__icontains": word})
    return [held if limit is None else Q(**{f"{time}__gt": limit}) & held]


def _values(model: type[Model], column: str) -> list[str]:
    rows = model._default_manager.order_by(column).values_list(column, flat=True)  # noqa: SLF001 - Django's documented API
    found: list[str] = []
    last = ""
    while len(found) < _MOST_VALUES:
        following = rows.filter(**{f"{column}__gt": last})[:1].first()
        if following is None:
            break
        last = str(following)
        found.append(last)
    return found
