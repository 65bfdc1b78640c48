"""Find texts in the text columns of any table, by the database or, for many texts, row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.db import models, router
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from imagegen_app.services.erasure.scopes import KEYS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

#: A database limits how many conditions a statement has; for more texts the rows are read.
MAX_CONDITIONS: Final = 50


class TextMatcher:
    """Finds any of many texts in a value; its time does not grow with their number."""

    def __init__(self, texts: Iterable[str]) -> None:
        spelt = {one for text in texts for one in spellings(text)}
        self._width = min((len(one) for one in spelt), default=1)
        self._by_start: dict[str, list[str]] = {}
        for one in spelt:
            self._by_start.setdefault(one[: self._width], []).append(one)

    def is_in(self, value: str) -> bool:
        """Return whether one of the texts is in the value."""
        width, by_start = self._width, self._by_start
        return any(
            value.startswith(text, at)
            for at in range(len(value) - width + 1)
            for text in by_start.get(value[at : at + width], ())
        )


def spellings(text: str) -> set[str]:
    """Return a text as it is, and as JSON spells it."""
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def text_fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """Return the columns of a table that can hold a text."""
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [f for f in model._meta.concrete_fields if isinstance(f, kinds)]  # noqa: SLF001 - Django's documented API


def database_of(model: type[models.Model]) -> str:
    """Return the alias of the database to search: a replica may still be without what is there."""
    return router.db_for_write(model)


def rows_with_text(
    model: type[models.Model], fields: Sequence[models.Field[Any, Any]], texts: Sequence[str]
) -> dict[str, set[Any]]:
    """Return the primary keys of the rows that hold one of the texts, by column.

    :raises DatabaseError: if the table cannot be read.
    """
    if not texts:
        return {}
    rows = model._base_manager.using(database_of(model))  # noqa: SLF001 - Django's documented API
    if len(texts) > MAX_CONDITIONS:
        return _read(rows, [field.name for field in fields], TextMatcher(texts))
    found = {}
    for field in fields:
        condition = Q()
        for text in texts:
            for one in spellings(text):
                condition |= Q(imagegen_text__contains=one)
        annotated = rows.annotate(imagegen_text=Cast(field.name, TextField()))
        found[field.name] = set(annotated.filter(condition).values_list("pk", flat=True))
    return found


def count_of_jobs(
    model: type[models.Model], hits: Iterable[Any], path: str, job_keys: Sequence[UUID]
) -> int:
    """Return how many of the rows belong to the jobs, by the path to their job."""
    rows, of_jobs = list(hits), set(job_keys)
    everything = model._base_manager.using(database_of(model))  # noqa: SLF001 - Django's documented API
    count = 0
    for start in range(0, len(rows), KEYS_AT_ONCE):
        chunk = everything.filter(pk__in=rows[start : start + KEYS_AT_ONCE])
        count += sum(key in of_jobs for key in chunk.values_list(path, flat=True))
    return count


def _read(
    rows: models.QuerySet[Any], names: Sequence[str], matcher: TextMatcher
) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = {name: set() for name in names}
    for key, *values in rows.values_list("pk", *names).iterator(chunk_size=2000):
        for name, value in zip(names, values, strict=True):
            if not value:
                continue
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            if matcher.is_in(text):
                found[name].add(key)
    return found
