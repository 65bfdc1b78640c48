"""The rows of a batch: objects of the site or rows of an uploaded table, with their variables' values.

A preview and the worker read the same rows from here, so that what is made is what was shown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from django.db import router
from django.utils.translation import gettext as _

from imagegen_app.models import UploadedTableRow
from imagegen_app.services.batches import row_images
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import planned_places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import Model, QuerySet

    from imagegen_app.models import Batch, UploadedTable
    from imagegen_app.services.batches.row_images import RowImage
    from imagegen_app.services.gateways.content_fields import Target

#: A row's key, in characters: jobs, seeds and file names are made of it.
MAX_KEY_CHARS: Final = 64
#: Objects per query: databases limit how many values one may have.
_AT_ONCE: Final = 500
#: What a batch's mapping says of rows that come from an uploaded table.
KEY_COLUMN: Final = "key_column"
MATCH_FIELD: Final = "match"


@dataclass(frozen=True, slots=True)
class RowValues:
    """One row: its key and name, and the values of the template's variables."""

    key: str
    label: str
    values: Mapping[str, str] = field(default_factory=dict)
    #: Why no image can be made of it; empty if nothing is wrong with it.
    problem: str = ""
    images: tuple[RowImage, ...] = ()
    #: The short name of the shot that is made of it; empty for the template's first, or without any.
    shot: str = ""


class RowSource(Protocol):
    """Rows in a fixed order."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows; an empty one for a row that has none."""

    def rows(self, start: int, stop: int) -> list[RowValues]:
        """Return the rows from one place to another, counted from 0."""

    def names(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the names of objects by key, where they are not in the rows' labels."""

    def digest(self) -> str:
        """Return a hash of the keys and values of all rows: equal ones give the same prompts."""


class ObjectRows:
    """Rows of objects that a person selected, or that a batch was started for."""

    def __init__(
        self,
        target: Target | None,
        keys: Sequence[str],
        *,
        mapping: Mapping[str, str],
        fixed: Mapping[str, str],
        images: Mapping[str, str] | None = None,
    ) -> None:
        self._target = target
        self.keys = tuple(keys)
        self._mapping, self._fixed, self._images = mapping, fixed, images or {}
        self._found: dict[int, RowValues] = {}

    def rows(self, start: int, stop: int) -> list[RowValues]:
        places = range(start, min(stop, len(self.keys)))
        unread = [place for place in places if place not in self._found]
        for first in range(0, len(unread), _AT_ONCE):
            self._read(unread[first : first + _AT_ONCE])
        return [self._found[place] for place in places]

    def names(self, keys: Sequence[str]) -> dict[str, str]:  # noqa: ARG002 - its rows have them
        return {}

    def digest(self) -> str:
        return _digest(self.rows(0, len(self.keys)))

    def _read(self, places: Sequence[int]) -> None:
        objects, problem = {}, _("It no longer exists.")
        if self._target is None:
            problem = _("The field for the images is no longer allowed on this site.")
        elif gone := self._missing_field(self._target):
            problem = gone
        else:
            wanted = [self.keys[place] for place in places]
            related = content_fields.relations_in(self._target.model, self._paths)
            rows = _objects(self._target)
            rows = rows.select_related(*sorted(related)) if related else rows
            objects = {str(one.pk): one for one in rows.filter(pk__in=wanted)}
        images = row_images.images_of_objects(objects.values(), self._images)
        for place in places:
            key = self.keys[place]
            instance = objects.get(key)
            self._found[place] = (
                RowValues(key, key, problem=problem)
                if instance is None
                else RowValues(
                    key,
                    str(instance),
                    values_for(instance, mapping=self._mapping, fixed=self._fixed),
                    images=images[key],
                )
            )

    @property
    def _paths(self) -> list[str]:
        return [*self._mapping.values(), *self._images.values()]

    def _missing_field(self, target: Target) -> str:
        """Return that a field of the mapping no longer exists; empty if all do."""
        try:
            for path in self._paths:
                content_fields.require_field(target.model, path.partition(".")[0])
        except content_fields.FieldGone as error:
            return str(error)
        return ""


class TableRows:
    """Rows of an uploaded table; with a target, those of its objects that they are matched with."""

    def __init__(
        self,
        table: UploadedTable | None,
        *,
        key_column: str,
        mapping: Mapping[str, str],
        fixed: Mapping[str, str],
        target: Target | None = None,
        match: str = "",
        images: Mapping[str, str] | None = None,
    ) -> None:
        self._table, self._images = table, images or {}
        self._target, self._match = target, match
        self._columns = list(table.columns) if table is not None else []
        self._key_column = key_column
        self._mapping, self._fixed = mapping, fixed

    @cached_property
    def keys(self) -> tuple[str, ...]:
        # Without a key for a row that cannot be used, such as the second one of the same key: what
        # has none when a batch is started is made neither now nor later.
        return tuple("" if row.problem else row.key for row in self._all)

    def rows(self, start: int, stop: int) -> list[RowValues]:
        return self._all[start:stop]

    def digest(self) -> str:
        return _digest(self._all)

    def read_only(self, start: int, stop: int, keys: Sequence[str]) -> list[RowValues]:
        """Return rows of a started batch, whose keys are known, without reading the others."""
        stored = self._stored().filter(position__gte=start, position__lt=stop)
        by_place = {position: row for position, *row in stored}
        gone = _("The uploaded table was deleted.")
        rows = [
            self._row(*by_place[place])
            if place in by_place
            else RowValues(key, key or _("row %(row)s") % {"row": place + 1}, problem=gone)
            for place, key in zip(range(start, stop), keys, strict=True)
        ]
        return [
            _as_started(row, key) for row, key in zip(self._with_objects(rows), keys, strict=True)
        ]

    def _stored(self) -> Any:
        rows = UploadedTableRow.objects.filter(table=self._table).order_by("position")
        return rows.values_list("position", "number", "values", "problem")

    @cached_property
    def _all(self) -> list[RowValues]:
        rows, first = [], dict[str, int]()
        for _position, number, values, problem in self._stored():
            row = self._row(number, values, problem)
            before = first.setdefault(row.key, number) if row.key else number
            if before != number and not row.problem:
                text = _("Row %(row)s has the same key as row %(before)s.")
                row = _with_problem(row, text % {"row": number, "before": before})
            rows.append(row)
        return self._with_objects(rows)

    def _row(self, number: int, values: Sequence[str], problem: Mapping[str, Any]) -> RowValues:
        by_column = dict(zip(self._columns, values, strict=False))
        key = by_column.get(self._key_column, "").strip()
        text = ""
        if problem:
            text = _(str(problem["message"])) % problem.get("values", {})
        elif not key:
            text = _("Row %(row)s has no key in the column “%(column)s”.") % {
                "row": number,
                "column": self._key_column,
            }
        elif len(key) > MAX_KEY_CHARS:
            text = _("The key in row %(row)s has more than %(most)s characters.") % {
                "row": number,
                "most": MAX_KEY_CHARS,
            }
        mapped = {name: by_column.get(column, "") for name, column in self._mapping.items()}
        filled = {name: value for name, value in self._fixed.items() if value}
        label = _("row %(row)s") % {"row": number}
        return RowValues(
            key[:MAX_KEY_CHARS],
            f"{key[:MAX_KEY_CHARS]} ({label})",
            {**mapped, **filled},
            text,
            row_images.images_of_cells(self._images, by_column),
        )

    def _with_objects(self, rows: list[RowValues]) -> list[RowValues]:
        """Give the rows the keys of the objects that they are matched with, if they are."""
        if not self._match:
            return rows
        if self._target is None:
            text = _("The field for the images is no longer allowed on this site.")
            return [_with_problem(row, row.problem or text, key="") for row in rows]
        try:
            wanted = [row.key for row in rows if not row.problem]
            objects = self.find_keys(self._target, self._match, wanted)
        except content_fields.FieldGone as error:
            return [_with_problem(row, row.problem or str(error), key="") for row in rows]
        name = self._target.model._meta.verbose_name  # noqa: SLF001 - Django's documented API
        matched = []
        for row in rows:
            if row.problem:
                matched.append(_with_problem(row, row.problem, key=""))
                continue
            found = objects.get(row.key, [])
            values = {"label": row.label, "object": name, "value": row.key}
            if not found:
                text = _("%(label)s: no %(object)s has the value “%(value)s”.") % values
                matched.append(_with_problem(row, text, key=""))
            elif len(found) > 1:
                text = _("%(label)s: several objects have the value “%(value)s”.") % values
                matched.append(_with_problem(row, text, key=""))
            else:
                matched.append(replace(row, key=found[0]))
        return matched

    @staticmethod
    def find_keys(target: Target, match: str, wanted: Sequence[str]) -> dict[str, list[str]]:
        """Return the keys of the target's objects by the value of the field, for the wanted values.

        :raises FieldGone: if the objects no longer have the field.
        """
        content_fields.require_field(target.model, match)
        column: Any = target.model._meta.get_field(match)  # noqa: SLF001 - Django's documented API
        found: dict[str, list[str]] = {}
        typed = [value for value in wanted if _is_valid(column, value)]
        for start in range(0, len(typed), _AT_ONCE):
            rows = _objects(target).filter(**{f"{match}__in": typed[start : start + _AT_ONCE]})
            for key, value in rows.values_list("pk", match):
                found.setdefault(str(value), []).append(str(key))
        return found

    def names(self, keys: Sequence[str]) -> dict[str, str]:
        if not self._match or self._target is None:
            return {}
        rows = _objects(self._target).filter(pk__in=[key for key in keys if key])
        return {str(one.pk): str(one) for one in rows}


def rows_of_batch(batch: Batch, start: int, keys: Sequence[str]) -> list[RowValues]:
    """Return the rows of a started batch from a place on; `keys` are theirs."""
    target = planned_places.main_target(batch)
    mapping, fixed = batch.mapping.get("variables", {}), batch.mapping.get("fixed", {})
    images = batch.mapping.get(row_images.IMAGES, {})
    if KEY_COLUMN not in batch.mapping:
        rows = ObjectRows(target, keys, mapping=mapping, fixed=fixed, images=images)
        return rows.rows(0, len(keys))
    source = TableRows(
        batch.table,
        key_column=str(batch.mapping[KEY_COLUMN]),
        mapping=mapping,
        fixed=fixed,
        target=target,
        match=str(batch.mapping.get(MATCH_FIELD, "")),
        images=images,
    )
    return source.read_only(start, start + len(keys), keys)


def rows_with_shots(
    source: RowSource, start: int, stop: int, *, shots: Sequence[str]
) -> list[RowValues]:
    """Return what is made of rows from one place to another, where each row is made as each of `shots`.

    The shots of a row follow each other; without any, these are the rows themselves.
    """
    if not shots:
        return source.rows(start, stop)
    first, each = start // len(shots), len(shots)
    rows = source.rows(first, -(-stop // each))
    found = [replace(row, shot=shot) for row in rows for shot in shots]
    return found[start - first * each : stop - first * each]


def values_for(
    instance: Model, *, mapping: Mapping[str, str], fixed: Mapping[str, str]
) -> dict[str, str]:
    """Return the values of a template's variables for one object.

    `mapping` maps variables to attribute paths, `fixed` to values; values in `fixed` win.
    """
    values = {
        name: content_fields.value_at(instance, path) for name, path in mapping.items() if path
    }
    return values | {name: value for name, value in fixed.items() if value}


def _as_started(row: RowValues, key: str) -> RowValues:
    """Return a row of a started batch, of which jobs and seeds know the key that it had then."""
    if row.problem or row.key == key:
        return row
    if not key:
        return _with_problem(row, _("It could not be used when the batch was started."))
    return _with_problem(row, _("It no longer exists."), key=key)


def _with_problem(row: RowValues, problem: str, *, key: str | None = None) -> RowValues:
    return replace(row, key=row.key if key is None else key, problem=problem)


def _digest(rows: Sequence[RowValues]) -> str:
    facts = [
        (row.key, sorted(row.values.items()), row.problem, *(one.facts for one in row.images))
        for row in rows
    ]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


def _objects(target: Target) -> QuerySet[Any]:
    manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
    # In a replica, an object that was made a moment ago seems not to exist.
    return manager.using(router.db_for_write(target.model))


def objects_of(target: Target, keys: Sequence[str], *, related: set[str]) -> Iterator[Model]:
    """Yield the objects with these keys that exist, with what they are related to."""
    rows = _objects(target)
    rows = rows.select_related(*sorted(related)) if related else rows
    for start in range(0, len(keys), _AT_ONCE):
        yield from rows.filter(pk__in=keys[start : start + _AT_ONCE])


def _is_valid(column: Any, value: str) -> bool:
    try:
        return column.to_python(value) is not None
    except Exception:  # noqa: BLE001 - the edge: a field of the site's own may raise anything
        return False
