"""CSV files as people have them: any separator and encoding, and what is broken is told by row."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core.csv_cells import CsvTable
from imagegen_app.core.csv_tables import DELIMITERS, find_delimiter, read_csv
from imagegen_app.core.uploaded_tables import TableError

SHOP = "sku;name\nA1;Café-Tasse, groß\nA2;Schüssel\n"


def values(data: bytes, **choices: Any) -> list[tuple[str, ...]]:
    return [row.values for row in read_csv(data, **choices).table.rows]


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_separator_is_found_by_the_content(delimiter: str) -> None:
    text = SHOP.replace(",", "").replace(";", delimiter)
    reading = read_csv(text.encode())
    assert reading.delimiter == delimiter
    assert reading.table.columns == ("sku", "name")


def test_a_comma_in_a_text_does_not_count_as_the_separator() -> None:
    assert find_delimiter("a;b\n1,5;2,5\n1,5;2,5\n") == ";"
    assert find_delimiter("name\nA cup, a bowl\n") == ","


@pytest.mark.parametrize(
    ("text", "sign"),
    [("SKU~Name\nA-1~Cup\nA-2~Mug\n", "~"), ("SKU\x1fName\nA-1\x1fCup\n", "U+001F")],
)
def test_a_separator_that_is_not_read_is_named(text: str, sign: str) -> None:
    table = read_csv(text.encode()).table

    assert len(table.columns) == 1
    assert "seem to be separated by" in table.notes[0].message
    assert table.notes[0].values == {"sign": sign}


def test_a_single_column_is_told() -> None:
    table = read_csv(b"SKU\nA-1\nhttps://shop.example/a\n").table

    assert [note.message.partition(".")[0] for note in table.notes] == [
        "The file has one column only"
    ]
    assert not read_csv(b"SKU,Name\nA-1,Cup\n").table.notes


def test_the_separator_can_be_chosen_or_stated_in_the_file() -> None:
    assert read_csv(b"a,b;c\n1,2;3\n", delimiter=";").table.columns == ("a,b", "c")
    stated = read_csv(b"sep=|\r\na,b|c\r\n1,2|3\r\n").table
    # A spreadsheet hides that line, and counts without it.
    assert (stated.columns, stated.rows[0].number) == (("a,b", "c"), 2)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (SHOP.encode(), "utf-8"),
        (SHOP.encode("utf-8-sig"), "utf-8"),
        (SHOP.encode("utf-16"), "utf-16"),
        (SHOP.encode("utf-16-le"), "utf-16-le"),
        (SHOP.encode("utf-16-be"), "utf-16-be"),
        (SHOP.encode("cp1252"), "cp1252"),
        (SHOP.encode("iso-8859-1") + b"A3;\x81\n", "iso-8859-1"),
    ],
)
def test_the_encoding_is_found_and_said(data: bytes, encoding: str) -> None:
    reading = read_csv(data)
    assert reading.encoding == encoding
    assert reading.table.columns == ("sku", "name")
    assert reading.table.rows[0].values == ("A1", "Café-Tasse, groß")


def test_a_chosen_encoding_that_does_not_fit_is_refused_with_the_row() -> None:
    with pytest.raises(TableError, match="cannot be read as UTF-8: row 2 has a character"):
        read_csv(SHOP.encode("cp1252"), encoding="utf-8")
    assert values(SHOP.encode(), encoding="cp1252")[0] == ("A1", "CafÃ©-Tasse, groÃŸ")


def test_our_own_exports_are_read_without_their_guards() -> None:
    out = io.StringIO()
    table = CsvTable(out)
    table.write_row(["sku", "name"])
    table.write_row(["=1+1", "'quoted"])
    assert values(out.getvalue().encode()) == [("=1+1", "'quoted")]


def test_formulas_and_prompt_markup_are_values() -> None:
    assert values(b"a,b\n=SUM(A1),{{ product }} {% if %}\n") == [
        ("=SUM(A1)", "{{ product }} {% if %}")
    ]


def test_line_breaks_in_cells_do_not_move_the_numbers_of_rows() -> None:
    table = read_csv(b'a,b\n1,"x\ny"\n\n2,z\n').table
    assert [row.number for row in table.rows] == [2, 4]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0", "This is not a table"),
        (b'a,b\n1,2\n3,"open\n4,5\n', "Row 3: a quotation mark is opened and not closed"),
        (b'a,b\n"1"x,2\n', "Row 2: a quotation mark"),
        (b"a,b\n1,2\n3," + b"x" * 1_000_000, "Row 3, column B: a cell has more than 32767"),
        (b'a,b\n1,"' + b"x\n" * 500_000 + b'"', "Row 2, column B: a cell has more than 32767"),
        (b"a\n" + b"1\n" * 100_000, "more than 10000 rows"),
        (b"", "The file is empty"),
    ],
)
def test_what_is_broken_is_told_by_row(data: bytes, sentence: str) -> None:
    with pytest.raises(TableError, match=sentence):
        read_csv(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    try:
        table = read_csv(data).table
    except TableError:
        return
    assert all(len(row.values) == len(table.columns) for row in table.rows)


@given(
    rows=st.lists(
        st.tuples(
            *[st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)] * 2
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_our_writer_writes_is_read_again(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    table = CsvTable(out)
    table.write_row(["sku", "name"])
    for number, row in enumerate(rows):
        table.write_row([str(number), "".join(row)])
    read = values(out.getvalue().encode(), delimiter=",")
    # A cell of blanks at the end of a row counts as none.
    texts = ["".join(row) if "".join(row).strip() else "" for row in rows]
    assert read == [(str(number), text) for number, text in enumerate(texts)]
