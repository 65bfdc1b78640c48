"""Read the cells of the uploaded table that a batch is made from, some rows at a time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.models import Batch, UploadedTableRow
from imagegen_app.services.batches import row_sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class TableCells:
    """The columns of a batch's table and its rows' cells; none without a table."""

    def __init__(self, batch: Batch, *, taken: Collection[str], is_shown: bool = True) -> None:
        self._batch = batch
        has_table = is_shown and row_sources.KEY_COLUMN in batch.mapping
        self._table = batch.table if has_table else None
        columns = [] if self._table is None else list(self._table.columns)
        #: What the columns are called beside others, whose names are taken.
        self.names: list[str] = _names_beside(columns, taken)

    def of_keys(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """Return the cells of the rows with these keys, by key."""
        if not self.names:
            return {}
        places = {key: self._places[key] for key in keys if key in self._places}
        found = self.at_places(list(places.values()))
        return {key: found[place] for key, place in places.items() if place in found}

    def at_places(self, places: Sequence[int]) -> dict[int, list[str]]:
        """Return the cells of the batch's rows at these places, counted from 0."""
        if not self.names or not places:
            return {}
        rows = UploadedTableRow.objects.filter(table=self._table, position__in=places)
        return {
            place: self._filled(values) for place, values in rows.values_list("position", "values")
        }

    @property
    def empty(self) -> list[str]:
        """The cells of a row that the table does not have."""
        return [""] * len(self.names)

    def _filled(self, values: Sequence[str]) -> list[str]:
        # A row that cannot be used may have more or fewer cells than the table has columns.
        wide = len(self.names)
        return [*map(str, values[:wide]), *[""] * (wide - len(values))]

    @cached_property
    def _places(self) -> dict[str, int]:
        rows: Any = Batch.objects.filter(pk=self._batch.pk).values_list("rows", flat=True).first()
        places: dict[str, int] = {}
        for place, key in enumerate(rows or []):
            if key:
                places.setdefault(str(key), place)
        return places


def _names_beside(columns: Iterable[str], taken: Collection[str]) -> list[str]:
    """Return the columns' names, those that are taken with the word for a table before them."""
    used = {name.casefold() for name in taken}
    names = []
    for column in columns:
        name = column
        while name.strip().casefold() in used:
            name = _("table: %(column)s") % {"column": name}
        used.add(name.strip().casefold())
        names.append(name)
    return names
