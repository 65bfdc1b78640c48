"""Read tables from Excel workbooks (.xlsx), which are ZIP files that strangers have made.

openpyxl reads the cells. What it keeps silent about is looked for before: how large the parts are once
they are unpacked, merged cells, and formulas whose result the file does not hold.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core import cell_formats
from imagegen_app.core.csv_cells import unguarded
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.uploaded_tables import (
    MAX_NOTES,
    MAX_TABLE_COLUMNS,
    MAX_TABLE_ROWS,
    Line,
    ReadTable,
    Sentence,
    TableError,
    build_table,
    column_letters,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: All parts of a workbook unpacked, in bytes; a table of 20 MB packs and unpacks to less.
MAX_UNPACKED_BYTES: Final = 200 * 1024 * 1024
MAX_PARTS: Final = 2000
#: Cells that are looked at, the empty ones before a filled one included.
MAX_CELLS: Final = 2 * MAX_TABLE_COLUMNS * MAX_TABLE_ROWS
#: The last row that Excel knows.
MAX_ROW_NUMBER: Final = 1_048_576
_ZIP: Final = b"PK\x03\x04"
_OLD: Final = b"\xd0\xcf\x11\xe0"
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[ />]")
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z0-9:]+)"')
_DECLARATION: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_ENCODING: Final = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
#: Bytes that are decoded at once, so that a long part is not in memory twice.
_DECODED_AT_ONCE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WorkbookReading:
    """A table from a workbook, and from which sheet of it."""

    table: ReadTable
    sheet: str


def is_available() -> bool:
    """Return whether the optional package that reads workbooks is installed."""
    return find_spec("openpyxl") is not None


def is_workbook(data: bytes) -> bool:
    """Return whether a file is a workbook, also of a kind that is not read, by its first bytes."""
    return data.startswith((_ZIP, _OLD))


def read_workbook(data: bytes, *, sheet: str = "") -> WorkbookReading:
    """Return the table of a workbook's sheet: the named one, else the first one that is visible.

    :raises TableError: if it is not such a workbook, too large, or its sheet is not a table.
    """
    if data.startswith(_OLD):
        raise TableError(
            gettext_noop(
                "This workbook is protected with a password, or has the old format .xls. Save it "
                "without a password as .xlsx or CSV."
            )
        )
    if not is_available():
        raise TableError(
            gettext_noop(
                "This site cannot read Excel workbooks yet: install imagegen-app[xlsx], or save the "
                "table as CSV."
            )
        )
    parts = _checked_parts(data)
    try:
        return _read(data, parts, sheet=sheet)
    except TableError:
        raise
    except Exception as error:
        # A broken workbook makes openpyxl raise anything.
        raise _damaged() from error


def _damaged() -> TableError:
    return TableError(
        gettext_noop(
            "The workbook is damaged and cannot be read. Open it in a spreadsheet program and save "
            "it again, or save the table as CSV."
        )
    )


def _checked_parts(data: bytes) -> dict[str, bytes]:
    """Return the unpacked sheets by name, after all parts were found to be of a bearable size."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            # A part is unpacked up to the size that it states, never beyond it.
            total = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_PARTS or total > MAX_UNPACKED_BYTES:
                raise TableError(
                    gettext_noop(
                        "The workbook is too large once it is unpacked (%(size)s MB; at most "
                        "%(most)s MB). Save the table alone, or as CSV."
                    ),
                    size=total // 1024**2,
                    most=MAX_UNPACKED_BYTES // 1024**2,
                )
            names = {entry.filename for entry in entries}
            if "xl/workbook.xml" not in names and "[Content_Types].xml" not in names:
                raise TableError(
                    gettext_noop(
                        "This is not a table: upload a CSV file or an Excel workbook (.xlsx)."
                    )
                )
            found = {}
            for name in names:
                if not name.lower().endswith((".xml", ".rels")):
                    continue
                content = archive.read(name)
                # In another encoding, a declaration would not be found.
                if _DECLARATION.search(content) or not _is_utf8(content):
                    raise _damaged()
                if "/worksheets/" in name:
                    found[name.removeprefix("/")] = content
            return found
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
        raise _damaged() from error


def _is_utf8(content: bytes) -> bool:
    """Return whether an XML part is UTF-8, by its bytes and by what it says of itself."""
    declared = _ENCODING.search(content.removeprefix(codecs.BOM_UTF8)[:1000])
    if declared is not None and declared[1].upper() not in {b"UTF-8", b"UTF8", b"US-ASCII"}:
        return False
    # UTF-16 and UTF-32 without a mark at their start are valid UTF-8, with zeros in it.
    if b"\0" in content:
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(content)
    try:
        for start in range(0, len(view), _DECODED_AT_ONCE):
            decoder.decode(view[start : start + _DECODED_AT_ONCE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _read(data: bytes, parts: dict[str, bytes], *, sheet: str) -> WorkbookReading:
    openpyxl = import_module("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    worksheet = _sheet(book, sheet)
    content = parts.get(_part_of(worksheet), b"")
    # Some programs state a size of one cell; then openpyxl would read no more than that.
    worksheet.reset_dimensions()
    formulas = None
    if _FORMULA.search(content):
        formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True)[worksheet.title]
        formulas.reset_dimensions()
    notes = [*_sheet_notes(book, worksheet), *_merge_notes(content)]
    return WorkbookReading(
        build_table(_lines(worksheet, formulas), notes=notes), str(worksheet.title)
    )


def _sheet(book: Any, name: str) -> Any:
    sheets = list(book.worksheets)
    if name:
        for one in sheets:
            if one.title.casefold() == name.casefold().strip():
                return one
        raise TableError(
            gettext_noop("The workbook has no sheet “%(name)s”; it has: %(known)s."),
            name=name[:60],
            known=", ".join(str(one.title) for one in sheets[:10]),
        )
    for one in sheets:
        if one.sheet_state == "visible":
            return one
    raise TableError(gettext_noop("The workbook has no sheet with a table."))


def _part_of(worksheet: Any) -> str:
    path = worksheet._worksheet_path  # noqa: SLF001 - the sheet's part has no public name
    return str(path).removeprefix("/")


def _sheet_notes(book: Any, worksheet: Any) -> list[Sentence]:
    others = [str(one.title) for one in book.worksheets if one.title != worksheet.title]
    if not others:
        return []
    text = gettext_noop("The sheet “%(name)s” was read; the other sheets were not: %(others)s.")
    listed = ", ".join(others[:MAX_NOTES]) + (" …" if len(others) > MAX_NOTES else "")
    return [Sentence(text, {"name": str(worksheet.title), "others": listed})]


def _merge_notes(content: bytes) -> list[Sentence]:
    ranges = [found.decode() for found in _MERGED.findall(content)]
    if not ranges:
        return []
    text = gettext_noop(
        "Cells are merged (%(ranges)s): their value counts for the first cell alone, the others are "
        "empty."
    )
    listed = ", ".join(ranges[:MAX_NOTES]) + (" …" if len(ranges) > MAX_NOTES else "")
    return [Sentence(text, {"ranges": listed})]


def _lines(worksheet: Any, formulas: Any) -> Iterator[Line]:
    written = iter(()) if formulas is None else formulas.iter_rows()
    total = 0
    for number, cells in enumerate(worksheet.iter_rows(), start=1):
        if number > MAX_ROW_NUMBER:
            raise TableError(
                gettext_noop(
                    "The sheet has a row with a number above %(most)s, the last one that Excel knows. "
                    "Save the table alone, or as CSV."
                ),
                most=MAX_ROW_NUMBER,
            )
        # For each row number that is missing, openpyxl yields a row without cells.
        total += max(len(cells), 1)
        if total > MAX_CELLS:
            raise TableError(
                gettext_noop(
                    "The sheet has more than %(most)s cells up to row %(row)s. Save the table alone, "
                    "without empty columns before it."
                ),
                most=MAX_CELLS,
                row=number,
            )
        yield _line(number, cells, next(written, ()))


def _line(number: int, cells: Any, formulas: Any) -> Line:
    values, problem = [], None
    for place, cell in enumerate(cells):
        value = cell.value
        if value is None:
            values.append("")
            is_formula = place < len(formulas) and formulas[place].data_type == "f"
            if is_formula and problem is None:
                problem = Sentence(
                    gettext_noop(
                        "Row %(row)s, column %(column)s: the file holds a formula without its "
                        "result. Open it in a spreadsheet program and save it again."
                    ),
                    {"row": number, "column": column_letters(place + 1)},
                )
            continue
        if cell.data_type == "e" and problem is None:
            problem = Sentence(
                gettext_noop("Row %(row)s, column %(column)s: the cell shows the error %(error)s."),
                {"row": number, "column": column_letters(place + 1), "error": str(value)[:20]},
            )
        text = value if isinstance(value, str) else cell_formats.shown(value, cell.number_format)
        values.append(unguarded(text))
    return Line(number, values, problem)
