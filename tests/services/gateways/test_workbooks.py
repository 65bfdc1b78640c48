"""Tables from Excel workbooks: what a spreadsheet shows is read, and what it hides is told."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from typing import Any

import pytest

from imagegen_app.core.uploaded_tables import TableError
from imagegen_app.services.gateways import workbooks
from imagegen_app.services.gateways.workbooks import read_workbook

openpyxl = pytest.importorskip("openpyxl")


def workbook(*rows: list[Any], change: Any = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Products"
    for row in rows:
        sheet.append(row)
    if change is not None:
        change(book, sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(data: bytes, **parts: bytes) -> bytes:
    """Return the workbook with parts whose names end so replaced or added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        left = dict(parts)
        for name in old.namelist():
            found = next((key for key in left if name.endswith(f"{key}.xml")), None)
            new.writestr(name, left.pop(found) if found else old.read(name))
        for name, content in left.items():
            new.writestr(f"xl/{name}.xml", content)
    return out.getvalue()


def test_numbers_and_dates_are_read_as_they_are_shown() -> None:
    def formats(_book: Any, sheet: Any) -> None:
        sheet["A2"].number_format = "00000"
        sheet["B2"].number_format = "0.00"
        sheet["C2"].number_format = "dd.mm.yyyy"

    data = workbook(["no", "price", "from"], [42, 12.5, date(2026, 2, 1)], change=formats)
    assert read_workbook(data).table.rows[0].values == ("00042", "12.50", "01.02.2026")


def test_the_first_visible_sheet_is_read_and_the_others_are_named() -> None:
    def more(book: Any, sheet: Any) -> None:
        sheet.sheet_state = "hidden"
        second = book.create_sheet("Second")
        second.append(["a"])
        second.append(["b"])
        book.active = 1

    data = workbook(["x"], ["y"], change=more)
    reading = read_workbook(data)
    assert (reading.sheet, reading.table.columns) == ("Second", ("a",))
    assert reading.table.notes[0].values == {"name": "Second", "others": "Products"}
    assert read_workbook(data, sheet="products").table.columns == ("x",)
    with pytest.raises(TableError, match="has no sheet “Third”; it has: Products, Second"):
        read_workbook(data, sheet="Third")


def test_merged_cells_are_told() -> None:
    data = workbook(
        ["a", "b"], ["1", "x"], ["2", None], change=lambda _b, s: s.merge_cells("B2:B3")
    )
    table = read_workbook(data).table
    assert table.notes[0].values == {"ranges": "B2:B3"}
    assert table.rows[1].values == ("2", "")


def test_a_formula_without_a_result_is_told_by_row() -> None:
    first, second = read_workbook(workbook(["a", "b"], ["1", "=1+1"], ["2", "x"])).table.rows
    assert first.problem is not None
    assert first.problem.values == {"row": 2, "column": "B"}
    assert second.problem is None


def test_the_stored_result_of_a_formula_is_its_value() -> None:
    data = workbook(["a", "b"], ["1", "=1+1"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    cached = sheet.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")
    assert cached != sheet
    row = read_workbook(repacked(data, sheet1=cached)).table.rows[0]
    assert (row.values, row.problem) == (("1", "2"), None)


def test_an_error_in_a_cell_is_told_by_row() -> None:
    def error(_book: Any, sheet: Any) -> None:
        sheet["B2"].value = "#N/A"
        sheet["B2"].data_type = "e"

    problem = read_workbook(workbook(["a", "b"], ["1", "x"], change=error)).table.rows[0].problem
    assert problem is not None
    assert problem.values == {"row": 2, "column": "B", "error": "#N/A"}


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = repacked(workbook(["a"], ["b"]), bomb=b"\0" * (workbooks.MAX_UNPACKED_BYTES + 1))
    assert len(data) < 1_000_000
    with pytest.raises(TableError, match="too large once it is unpacked"):
        read_workbook(data)


def test_entities_are_never_expanded() -> None:
    hostile = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><sst>&a;</sst>'
    with pytest.raises(TableError, match="damaged"):
        read_workbook(repacked(workbook(["a"], ["b"]), sharedStrings=hostile))


def test_entities_are_found_behind_long_white_space_and_in_other_encodings() -> None:
    declared = '<!DOCTYPE x [<!ENTITY a "aaaa">]><sst>&a;</sst>'
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?><sst/>'
    for hostile in (
        f'<?xml version="1.0"?>{" " * 2100}{declared}'.encode(),
        f'<?xml version="1.0" encoding="UTF-16"?>{declared}'.encode("utf-16"),
        declared.encode("utf-16-le"),
        latin.encode(),
        b"<sst>\xe4</sst>",
    ):
        with pytest.raises(TableError, match="damaged"):
            read_workbook(repacked(workbook(["a"], ["b"]), sharedStrings=hostile))


def test_a_row_far_below_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    data = workbook(["a"], ["b"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    monkeypatch.setattr(workbooks, "MAX_ROW_NUMBER", 3000)
    far = repacked(data, sheet1=sheet.replace(b'<row r="2"', b'<row r="100000"'))
    with pytest.raises(TableError, match="a number above 3000, the last one that Excel knows"):
        read_workbook(far)
    monkeypatch.setattr(workbooks, "MAX_CELLS", 2000)
    with pytest.raises(TableError, match="more than 2000 cells up to row 2001"):
        read_workbook(far)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "protected with a password, or has the old format"),
        (b"PK\x03\x04 nothing", "damaged"),
        (workbook(["a"], ["b"])[:-100], "damaged"),
        (workbook(), "neither a header nor rows"),
    ],
)
def test_other_files_are_refused_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(TableError, match=sentence):
        read_workbook(data)


def test_a_sheet_of_far_apart_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_CELLS", 5000)
    data = workbook(["a"], ["b"], change=lambda _b, s: s.cell(3, 16_384, "x"))
    with pytest.raises(TableError, match="more than 5000 cells up to row 3"):
        read_workbook(data)


def test_another_zip_file_is_not_a_table() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(TableError, match="This is not a table"):
        read_workbook(out.getvalue())


def test_too_many_rows_are_refused_without_reading_all() -> None:
    data = workbook(["a"], *([n] for n in range(10_050)))
    with pytest.raises(TableError, match="more than 10000 rows"):
        read_workbook(data)


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "is_available", lambda: False)
    with pytest.raises(TableError, match=r"install imagegen-app\[xlsx\], or save the table as CSV"):
        read_workbook(workbook(["a"], ["b"]))
