"""Where the rows of a new batch come from: objects that a person selected, or an uploaded table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin.pages.batch_form import BatchForm, TableBatchForm
from imagegen_app.core import column_guesses, prompts
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.batches import (
    earlier_results,
    object_matching,
    row_texts,
    table_uploads,
)
from imagegen_app.services.batches.lifecycle import TableSource
from imagegen_app.services.batches.row_sources import ObjectRows, TableRows
from imagegen_app.services.gateways import content_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Batch, TemplateVersion, UploadedTable
    from imagegen_app.services.batches.earlier_results import EarlierResults
    from imagegen_app.services.batches.row_sources import RowSource
    from imagegen_app.services.batches.selections import Selection

#: What people call the separators of CSV files.
DELIMITER_NAMES = {
    ",": gettext_lazy("comma"),
    ";": gettext_lazy("semicolon"),
    "\t": gettext_lazy("tab"),
    "|": gettext_lazy("vertical bar"),
}
#: What people call encodings.
ENCODING_NAMES = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "cp1252": "Windows-1252",
    "iso-8859-1": "Latin-1 (ISO 8859-1)",
}
#: Rows that are read to guess what the columns of a table hold.
_SAMPLE_ROWS = 20


class BatchRows(ABC):
    """The rows of a batch that is planned on a page."""

    #: What the page calls a row, as the template knows it.
    kind = ""

    def __init__(self, actor: Person) -> None:
        self.actor = actor

    @property
    @abstractmethod
    def row_count(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def subtitle(self) -> str:
        """Say what and how many the rows are."""

    @property
    def template(self) -> str:
        """The slug of the template that is preselected; empty for none."""
        return ""

    @abstractmethod
    def form(self, data: Any, version: TemplateVersion | None) -> BatchForm:
        """Return the page's form, with guesses of where the variables' values are."""

    @abstractmethod
    def source(self, form: BatchForm) -> RowSource:
        """Return the rows with the values that the form maps."""

    @abstractmethod
    def start_arguments(self, form: BatchForm) -> dict[str, Any]:
        """Return what `lifecycle.start` needs to know of the rows, beside their keys."""

    @abstractmethod
    def earlier(self, form: BatchForm, source: RowSource) -> list[EarlierResults]:
        """Return the earlier batches in which images of these rows wait for a decision."""

    def context(self, form: BatchForm) -> dict[str, Any]:
        """Return what else the template shows of the rows."""
        return {}

    def texts_url(self) -> str:
        """Return the address of the page that has texts written for these rows; empty for none."""
        return ""


class SelectedRows(BatchRows):
    """Objects that a person selected in a list."""

    kind = "objects"

    def __init__(self, actor: Person, selection: Selection) -> None:
        super().__init__(actor)
        self._selection = selection

    @property
    def row_count(self) -> int:
        return len(self._selection.keys)

    @property
    def subtitle(self) -> str:
        meta = self._selection.target.model._meta  # noqa: SLF001 - Django's documented API
        name = meta.verbose_name if self.row_count == 1 else meta.verbose_name_plural
        return f"{self.row_count} {name}"

    @property
    def template(self) -> str:
        return self._selection.target.template

    def form(self, data: Any, version: TemplateVersion | None) -> BatchForm:
        target = self._selection.target
        return BatchForm(
            data,
            actor=self.actor,
            version=version,
            row_count=self.row_count,
            places=content_fields.mappable_fields(target.model),
            guesses=content_fields.guess_mapping(target, prompts.variables_from(version.variables))
            if version
            else {},
            image_places=self._image_places,
            image_guess=self._image_guess,
            target=target,
        )

    @cached_property
    def _image_places(self) -> list[tuple[str, str]]:
        return content_fields.image_fields(self._selection.target.model)

    @property
    def _image_guess(self) -> str:
        """The field that the images are for, which shows the object now; else the only one."""
        names, own = [name for name, _label in self._image_places], self._selection.target.field
        return own if own in names else names[0] if len(names) == 1 else ""

    def source(self, form: BatchForm) -> RowSource:
        mapping, fixed = form.mapping()
        selection = self._selection
        return ObjectRows(
            selection.target, selection.keys, mapping=mapping, fixed=fixed, images=form.images()
        )

    def start_arguments(self, form: BatchForm) -> dict[str, Any]:
        return {"target": self._selection.target}

    def texts_url(self) -> str:
        query = urlencode({"target": self._selection.target.path})
        return f"{admin_url('imagegen_object_texts')}?{query}"

    def earlier(self, form: BatchForm, source: RowSource) -> list[EarlierResults]:
        return earlier_results.earlier_results(
            actor=self.actor, keys=source.keys, target=self._selection.target
        )


class UploadedRows(BatchRows):
    """Rows of a table that somebody uploaded."""

    kind = "table"

    def __init__(self, actor: Person, table: UploadedTable) -> None:
        super().__init__(actor)
        self.table = table

    @property
    def row_count(self) -> int:
        return self.table.row_count

    @property
    def subtitle(self) -> str:
        number = self.table.row_count
        text = ngettext("%(name)s, %(number)s row", "%(name)s, %(number)s rows", number)
        return text % {"name": self.table.name, "number": number}

    @cached_property
    def template(self) -> str:
        """The template of the last batch of this table, else that of the objects that it is about."""
        if self._batches:
            return str(self._batches[0].template_version.template.slug)
        if self.table.reading.get("template"):
            return str(self.table.reading["template"])
        target = content_fields.target_by_path(self._objects_guess.partition("|")[0])
        return target.template if target is not None else ""

    @cached_property
    def _batches(self) -> list[Batch]:
        return table_uploads.batches_of(self.actor, self.table)

    @cached_property
    def _objects(self) -> list[tuple[str, str]]:
        return object_matching.match_choices(self.actor)

    @cached_property
    def _objects_guess(self) -> str:
        choices = [value for value, _label in self._objects]
        if self.table.reading.get("objects") in choices:
            return str(self.table.reading["objects"])
        return object_matching.guess_match(choices, self._sample_keys())

    @cached_property
    def _sample(self) -> list[list[str]]:
        rows = self.table.rows.order_by("position")[:_SAMPLE_ROWS]
        width = len(self.table.columns)
        values = (row.values for row in rows)
        return [list(one) for one in values if len(one) == width]

    @cached_property
    def _key_guess(self) -> str:
        if self.table.reading.get("key") in self.table.columns:
            return str(self.table.reading["key"])
        return column_guesses.guess_key(self.table.columns, self._sample)

    def form(self, data: Any, version: TemplateVersion | None) -> TableBatchForm:
        columns = [str(column) for column in self.table.columns]
        return TableBatchForm(
            data,
            actor=self.actor,
            version=version,
            row_count=self.row_count,
            places=[(column, column) for column in columns],
            guesses=self._guesses(version),
            columns=columns,
            key_guess=self._key_guess,
            objects=self._objects,
            objects_guess=self._objects_guess,
            image_places=[(column, column) for column in columns],
            image_guess=column_guesses.guess_image(columns, self._sample),
            target=content_fields.target_by_path(
                str(self._objects_guess if data is None else data.get("objects", "")).partition(
                    "|"
                )[0]
            ),
        )

    def texts_url(self) -> str:
        return admin_url("imagegen_table_texts", self.table.pk)

    def _guesses(self, version: TemplateVersion | None) -> Mapping[str, str]:
        if version is None:
            return {}
        variables = prompts.variables_from(version.variables)
        return column_guesses.guess_columns(variables, self.table.columns)

    def _sample_keys(self) -> list[str]:
        place = self.table.columns.index(self._key_guess) if self.table.columns else 0
        return [row[place].strip() for row in self._sample if row[place].strip()]

    def source(self, form: BatchForm) -> TableRows:
        chosen = cast("TableBatchForm", form)
        mapping, fixed = chosen.mapping()
        path, match = chosen.chosen_objects()
        return TableRows(
            self.table,
            key_column=chosen.chosen_key_column(),
            mapping=mapping,
            fixed=fixed,
            target=content_fields.target_by_path(path),
            match=match,
            images=chosen.images(),
        )

    def start_arguments(self, form: BatchForm) -> dict[str, Any]:
        chosen = cast("TableBatchForm", form)
        path, match = chosen.chosen_objects()
        return {
            "target": content_fields.target_by_path(path),
            "table": TableSource(self.table, chosen.chosen_key_column(), match),
        }

    def earlier(self, form: BatchForm, source: RowSource) -> list[EarlierResults]:
        chosen = cast("TableBatchForm", form)
        return earlier_results.earlier_results(
            actor=self.actor,
            keys=source.keys,
            target=content_fields.target_by_path(chosen.chosen_objects()[0]),
            table=self.table,
        )

    def context(self, form: BatchForm) -> dict[str, Any]:
        chosen = cast("TableBatchForm", form)
        used = {
            *chosen.mapping()[0].values(),
            chosen.chosen_key_column(),
            *chosen.images().values(),
        }
        unused = [column for column in self.table.columns if column not in used]
        images = column_guesses.image_columns(self.table.columns, self._sample)
        return {
            "table": self.table,
            "sheet": self.table.reading.get("sheet", ""),
            "encoding_name": _encoding_name(self.table.reading.get("encoding", "")),
            "delimiter_name": DELIMITER_NAMES.get(self.table.reading.get("delimiter", ""), ""),
            "table_notes": [_(note["message"]) % note["values"] for note in self.table.notes],
            "image_columns": [column for column in unused if column in images],
            "unused_columns": [column for column in unused if column not in images],
            "table_batches": self._batches,
            "written": row_texts.column_of(self.table),
            "is_own_table": self.table.owner_id == self.actor.user.pk,
        }


def _encoding_name(encoding: str) -> str:
    # Found out, it may be one of the two orders of bytes.
    return ENCODING_NAMES.get(encoding, encoding.upper())
