"""Build a checked table of rows from the lines of an uploaded file, whatever format it had.

What makes the whole file unusable is a `TableError`; what concerns one row is the row's problem, so
that the other rows can be used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core.i18n import gettext_noop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A table's file, in bytes.
MAX_TABLE_BYTES = 20 * 1024 * 1024
#: Rows below the header: as many as a batch may have.
MAX_TABLE_ROWS = 10_000
MAX_TABLE_COLUMNS = 100
#: One cell, in characters: as many as a cell of a spreadsheet program may have.
MAX_CELL_CHARS = 32_767
#: The name of a column, in characters.
MAX_HEADER_CHARS = 100
#: All cells together, in characters: a small XLSX file may repeat a long text in every cell.
MAX_TABLE_CHARS = 20_000_000
#: Notes of one kind that are listed; any beyond are only counted.
MAX_NOTES = 5

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence for people with its values; front ends translate the text, then fill them in."""

    message: str
    values: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the form in which it is stored."""
        return {"message": self.message, "values": self.values}


class TableError(ValueError):
    """The file cannot be used as a table; the message is for whoever uploaded it."""

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message % values)
        #: The text with placeholders, and their values; front ends translate the text first.
        self.message, self.values = message, values


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file as it was read."""

    #: The number of the row that a spreadsheet program shows beside it, from 1.
    number: int
    cells: Sequence[str]
    problem: Sentence | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row below the header: one value a column."""

    number: int
    values: tuple[str, ...]
    #: Why no image can be made of it; None if nothing is wrong with it.
    problem: Sentence | None = None


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A table that was read and checked."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    #: What was noticed on reading, and is worth knowing.
    notes: tuple[Sentence, ...] = ()


def build_table(lines: Iterable[Line], *, notes: Sequence[Sentence] = ()) -> ReadTable:
    """Return the table that the lines make: the first one with a cell in it is the header.

    Stops at the first line too many.

    :raises TableError: if there is no header or row, there are too many, or a cell is too long.
    """
    stream = iter(lines)
    header = next((line for line in stream if any(_is_filled(cell) for cell in line.cells)), None)
    if header is None:
        raise TableError(gettext_noop("The file is empty: it has neither a header nor rows."))
    columns = _columns(header)
    rows: list[TableRow] = []
    short: list[int] = []
    total = 0
    for line in stream:
        cells = _trimmed(line.cells)
        if not cells and line.problem is None:
            continue
        if len(rows) == MAX_TABLE_ROWS:
            raise TableError(
                gettext_noop(
                    "The table has more than %(most)s rows. Split it into several files, and upload "
                    "one after the other."
                ),
                most=MAX_TABLE_ROWS,
            )
        total += sum(map(len, cells))
        _require_fitting(line.number, cells, total=total)
        problem = line.problem
        if len(cells) > len(columns):
            problem = problem or Sentence(
                gettext_noop(
                    "Row %(row)s has %(count)s cells, but the header has %(columns)s: is there a "
                    "separator within a cell that is not in quotation marks?"
                ),
                {"row": line.number, "count": len(cells), "columns": len(columns)},
            )
        if len(line.cells) < len(columns):
            short.append(line.number)
        values = [_CONTROL.sub("", cell) for cell in cells[: len(columns)]]
        values += [""] * (len(columns) - len(values))
        rows.append(TableRow(line.number, tuple(values), problem))
    if not rows:
        raise TableError(gettext_noop("The table has a header, but no rows below it."))
    return ReadTable(columns, tuple(rows), (*notes, *_short_notes(short)))


def column_letters(number: int) -> str:
    """Return the letters by which a spreadsheet program names a column, counted from 1."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _columns(header: Line) -> tuple[str, ...]:
    names = [" ".join(_CONTROL.sub("", cell).split()) for cell in _trimmed(header.cells)]
    if len(names) > MAX_TABLE_COLUMNS:
        raise TableError(
            gettext_noop("The table has %(count)s columns; at most %(most)s are possible."),
            count=len(names),
            most=MAX_TABLE_COLUMNS,
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise TableError(
                gettext_noop("Column %(column)s has no name in the header (row %(row)s)."),
                column=column_letters(number),
                row=header.number,
            )
        if len(name) > MAX_HEADER_CHARS:
            raise TableError(
                gettext_noop(
                    "The name of column %(column)s in the header (row %(row)s) is longer than "
                    "%(most)s characters."
                ),
                column=column_letters(number),
                row=header.number,
                most=MAX_HEADER_CHARS,
            )
        first = seen.setdefault(name.casefold(), number)
        if first != number:
            raise TableError(
                gettext_noop(
                    "The columns %(first)s and %(second)s have the same name, “%(name)s” "
                    "(row %(row)s)."
                ),
                first=column_letters(first),
                second=column_letters(number),
                name=name,
                row=header.number,
            )
    return tuple(names)


def _require_fitting(number: int, cells: Sequence[str], *, total: int) -> None:
    for place, cell in enumerate(cells, start=1):
        if len(cell) > MAX_CELL_CHARS:
            raise cell_too_long(row=number, column=place)
    if total > MAX_TABLE_CHARS:
        raise TableError(
            gettext_noop(
                "Up to row %(row)s the cells hold more than %(most)s characters together. Leave "
                "out columns that no prompt needs."
            ),
            row=number,
            most=MAX_TABLE_CHARS,
        )


def cell_too_long(*, row: int, column: int) -> TableError:
    """Return the refusal of a cell, whose column is counted from 1."""
    return TableError(
        gettext_noop("Row %(row)s, column %(column)s: a cell has more than %(most)s characters."),
        row=row,
        column=column_letters(column),
        most=MAX_CELL_CHARS,
    )


def _short_notes(numbers: Sequence[int]) -> tuple[Sentence, ...]:
    if not numbers:
        return ()
    listed = ", ".join(str(number) for number in numbers[:MAX_NOTES])
    more = len(numbers) - MAX_NOTES
    return (
        Sentence(
            gettext_noop(
                "These rows have fewer cells than the header, and the missing ones count as empty: "
                "%(rows)s."
            ),
            {"rows": listed + (f" … (+{more})" if more > 0 else "")},
        ),
    )


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells without the empty ones at the end."""
    end = len(cells)
    while end and not _is_filled(cells[end - 1]):
        end -= 1
    return cells[:end]


def _is_filled(cell: str) -> bool:
    return bool(cell) and not cell.isspace()
