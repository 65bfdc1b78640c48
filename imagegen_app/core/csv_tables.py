"""Read CSV files of people: find out their encoding and their separator, and say where one is broken."""

from __future__ import annotations

import csv
import io
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from imagegen_app.core.csv_cells import unguarded
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.uploaded_tables import (
    MAX_CELL_CHARS,
    Line,
    ReadTable,
    Sentence,
    TableError,
    build_table,
    cell_too_long,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The encodings that can be chosen, as Python names them.
ENCODINGS: Final = ("utf-8", "utf-16", "cp1252", "iso-8859-1")
#: The separators that can be chosen, the likeliest first.
DELIMITERS: Final = (",", ";", "\t", "|")
#: Separators that some programs write and that are not read here.
_FOREIGN_DELIMITERS: Final = "~^¦§¬*:/#\x1f\x1e"
#: Of the first records, the share that has as many cells as the header where one is the separator.
_ENOUGH_EQUAL: Final = 0.9
#: Records that are looked at to find the separator.
_SAMPLE_RECORDS: Final = 30
_SAMPLE_CHARS: Final = 200_000
#: First lines by which spreadsheet programs state the separator.
_STATED: Final = "sep="


@dataclass(frozen=True, slots=True)
class CsvReading:
    """A table from a CSV file, and how the file was read."""

    table: ReadTable
    encoding: str
    delimiter: str


def read_csv(data: bytes, *, encoding: str = "", delimiter: str = "") -> CsvReading:
    """Return the table in a CSV file; what is not given is found out by its content.

    Apostrophes by which our own exports guard cells are taken away.

    :raises TableError: if it is no text of that encoding, or not a table.
    """
    text, found = decode(data, encoding=encoding)
    if "\0" in text:
        raise TableError(
            gettext_noop("This is not a table: upload a CSV file or an Excel workbook (.xlsx).")
        )
    text, stated = _without_stated(text)
    separator = delimiter or stated or find_delimiter(text)
    table = build_table(_lines(text, separator))
    if len(table.columns) == 1:
        table = replace(table, notes=(_one_column(text), *table.notes))
    return CsvReading(table, found, separator)


def decode(data: bytes, *, encoding: str = "") -> tuple[str, str]:
    """Return the text of a file and the encoding that it has; a byte order mark is left out.

    :raises TableError: if it has not the given encoding.
    """
    for name in (encoding,) if encoding else _likely(data):
        try:
            return data.decode(name).removeprefix("\ufeff"), name
        except UnicodeDecodeError as error:
            if encoding:
                raise TableError(
                    gettext_noop(
                        "The file cannot be read as %(encoding)s: row %(row)s has a character that "
                        "is none. Choose another encoding."
                    ),
                    encoding=encoding.upper(),
                    row=data.count(b"\n", 0, error.start) + 1,
                ) from None
    # Every byte is a character of it.
    return data.decode("iso-8859-1"), "iso-8859-1"


def find_delimiter(text: str) -> str:
    """Return the separator by which the first records have the most columns of equal number."""
    best, best_score = DELIMITERS[0], (0.0, 0)
    for delimiter in DELIMITERS:
        widths = _widths(text[:_SAMPLE_CHARS], delimiter)
        if not widths or widths[0] < 2:  # noqa: PLR2004 - a table of one column has no separator
            continue
        equal = Counter(widths)[widths[0]] / len(widths)
        score = (equal, widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _one_column(text: str) -> Sentence:
    """Return that the file has one column, and which sign may have been meant to separate its cells."""
    for sign in _FOREIGN_DELIMITERS:
        widths = _widths(text[:_SAMPLE_CHARS], sign)
        if widths and widths[0] > 1 and widths.count(widths[0]) >= _ENOUGH_EQUAL * len(widths):
            return Sentence(
                gettext_noop(
                    "The file has one column only. Its cells seem to be separated by “%(sign)s”: save it "
                    "with commas, semicolons, tabs or “|” between them, and upload it again."
                ),
                {"sign": sign if sign.isprintable() else f"U+{ord(sign):04X}"},
            )
    return Sentence(
        gettext_noop(
            "The file has one column only. If it should have several, choose the sign that separates them."
        ),
        {},
    )


def _likely(data: bytes) -> tuple[str, ...]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    sample = data[:4000]
    # Text of European languages in UTF-16 has a zero in every other byte.
    if sample and sample[1::2].count(0) > len(sample) // 3:
        return ("utf-16-le",)
    if sample and sample[::2].count(0) > len(sample) // 3:
        return ("utf-16-be",)
    return ("utf-8", "cp1252")


def _without_stated(text: str) -> tuple[str, str]:
    """Return the text without a first line such as `sep=;`, and the separator that it states."""
    first, _end, rest = text[:20].partition("\n")
    line = first.rstrip("\r")
    if line.lower().startswith(_STATED) and line[len(_STATED) :] in DELIMITERS:
        return rest + text[20:], line[len(_STATED) :]
    return text, ""


def _widths(text: str, delimiter: str) -> list[int]:
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    widths: list[int] = []
    # A sample that ends within a cell, or a broken record: what was read before it counts.
    with suppress(csv.Error):
        widths.extend(len(record) for record in islice(records, _SAMPLE_RECORDS) if record)
    return widths


def _lines(text: str, delimiter: str) -> Iterator[Line]:
    source = _Recorded(text)
    records = csv.reader(source, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        source.record.clear()
        try:
            record = next(records, None)
        except csv.Error:
            column = _long_column("".join(source.record), delimiter)
            if column:
                raise cell_too_long(row=number, column=column) from None
            raise TableError(
                gettext_noop(
                    "Row %(row)s: a quotation mark is opened and not closed, or stands in the middle "
                    "of a cell. Within a cell it is written twice."
                ),
                row=number,
            ) from None
        if record is None:
            return
        yield Line(number, [unguarded(cell) for cell in record])


class _Recorded:
    """Yields the lines of a text, and keeps those of the present record."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.record: list[str] = []

    def __iter__(self) -> _Recorded:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.record.append(line)
        return line


def _long_column(record: str, delimiter: str) -> int:
    """Return the number of the cell that is longer than a cell may be, from 1; 0 if none is."""
    column, length, is_quoted = 1, 0, False
    for character in record:
        if character == '"':
            is_quoted = not is_quoted
        elif character == delimiter and not is_quoted:
            column, length = column + 1, 0
            continue
        length += 1
        if length > MAX_CELL_CHARS:
            return column
    return 0
