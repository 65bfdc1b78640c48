"""Write tables as CSV in which no spreadsheet finds a formula, and read them back unchanged.

A spreadsheet splits a file at the separator of its own language: where that is a semicolon, the text
`a;=1+1` in a file with commas becomes a cell that begins with `=`. So each part between separators is
guarded, not only the cell. The guard is one apostrophe, which `unguarded` takes away again.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

#: So that spreadsheets read the file as UTF-8.
BYTE_ORDER_MARK = "\ufeff"
_GUARD = "'"
#: What some language's spreadsheets take for the end of a cell; quotation marks keep a comma together.
_SEPARATOR = re.compile(r"([;|\t\r\n])")
#: What makes a formula at the start of a cell, in its wide and small forms too.
_FORMULA = frozenset("=+-@＝＋－＠﹦﹢﹣﹫\t\r\n\0")  # noqa: RUF001 - on purpose
_QUOTES = frozenset("\"'`´‘’“”„«»")  # noqa: RUF001 - on purpose


class CsvTable:
    """A table that is written row by row, every cell in quotation marks and guarded."""

    def __init__(self, out: TextIO) -> None:
        out.write(BYTE_ORDER_MARK)
        self._writer = csv.writer(out, quoting=csv.QUOTE_ALL)

    def write_row(self, cells: Iterable[object]) -> None:
        """Write one row; None is an empty cell."""
        self._writer.writerow([guarded("" if cell is None else str(cell)) for cell in cells])


def read_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the rows of a table of ours, each cell as it was before it was guarded."""
    for row in csv.reader(_without_mark(lines)):
        yield [unguarded(cell) for cell in row]


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.removeprefix(BYTE_ORDER_MARK) if number == 0 else line


def guarded(text: str) -> str:
    """Return the text with an apostrophe before each part that a spreadsheet could run."""
    return _each_part(text, lambda part, rest: _GUARD + part if _is_formula(part + rest) else part)


def unguarded(text: str) -> str:
    """Return the text without the apostrophes that `guarded` added; others stay."""

    def bare(part: str, rest: str) -> str:
        is_guarded = part.startswith(_GUARD) and _is_formula(part[1:] + rest)
        return part[1:] if is_guarded else part

    return _each_part(text, bare)


def _each_part(text: str, change: Callable[[str, str], str]) -> str:
    """Change each part between separators; the first one is told the separator behind it, too."""
    parts = _SEPARATOR.split(text)
    first = change(parts[0], parts[1] if len(parts) > 1 else "")
    return first + "".join(
        part if number % 2 == 0 else change(part, "") for number, part in enumerate(parts[1:])
    )


def _is_formula(text: str) -> bool:
    for character in text:
        if character in _FORMULA:
            return True
        if not _is_skipped(character):
            return False
    return False


def _is_skipped(character: str) -> bool:
    """Tell whether a spreadsheet may look past this character: spaces, quotes, what is not seen."""
    return (
        character.isspace()
        or character in _QUOTES
        or unicodedata.category(character) in {"Cc", "Cf"}
    )
