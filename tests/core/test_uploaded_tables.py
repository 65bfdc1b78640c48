"""Tables from uploaded files: what is wrong is said in one sentence, by row as people see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagegen_app.core.uploaded_tables import (
    MAX_CELL_CHARS,
    MAX_TABLE_CHARS,
    MAX_TABLE_COLUMNS,
    MAX_TABLE_ROWS,
    Line,
    TableError,
    build_table,
    column_letters,
)


def lines(*rows: list[str]) -> list[Line]:
    return [Line(number, cells) for number, cells in enumerate(rows, start=1)]


def test_the_first_filled_line_is_the_header_and_empty_lines_count_but_make_no_row() -> None:
    table = build_table(lines([], ["SKU", " Name "], ["1", "Cup"], ["", " "], ["2", "Bowl"]))

    assert table.columns == ("SKU", "Name")
    assert [(row.number, row.values) for row in table.rows] == [
        (3, ("1", "Cup")),
        (5, ("2", "Bowl")),
    ]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "The file is empty: it has neither a header nor rows."),
        ([["a", "b"]], "The table has a header, but no rows below it."),
        ([["a", "", "c"], ["1"]], "Column B has no name in the header (row 1)."),
        (
            [[], ["SKU", "b", "sku"], ["1"]],
            "The columns A and C have the same name, “sku” (row 2).",
        ),
        (
            [["a", "b"], ["1", "2"], ["1", "x" * 1_000_000]],
            f"Row 3, column B: a cell has more than {MAX_CELL_CHARS} characters.",
        ),
        (
            [[f"c{n}" for n in range(101)], ["1"]],
            f"The table has 101 columns; at most {MAX_TABLE_COLUMNS} are possible.",
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(
    rows: list[list[str]], sentence: str
) -> None:
    with pytest.raises(TableError) as refused:
        build_table(lines(*rows))
    assert str(refused.value) == sentence


def test_of_too_many_rows_no_more_is_read_than_needed() -> None:
    read = 0

    def endless() -> Iterator[Line]:
        nonlocal read
        while True:
            read += 1
            yield Line(read, ["a"])

    with pytest.raises(TableError, match="more than 10000 rows"):
        build_table(endless())
    assert read == MAX_TABLE_ROWS + 2


def test_one_long_text_in_every_cell_does_not_fill_the_memory() -> None:
    text = "x" * 30_000
    with pytest.raises(TableError, match="more than 20000000 characters together"):
        build_table(lines(["a"], *([text] for _ in range(MAX_TABLE_CHARS // len(text) + 1))))


def test_rows_of_another_length_are_told_by_row() -> None:
    table = build_table(lines(["a", "b"], ["1", "2", "3"], ["1"], ["1", "2", "", " "]))

    long, short, padded = table.rows
    assert long.problem is not None
    assert "Row %(row)s has %(count)s cells" in long.problem.message
    assert long.problem.values == {"row": 2, "count": 3, "columns": 2}
    assert (short.values, short.problem) == (("1", ""), None)
    assert padded.problem is None
    assert [note.values for note in table.notes] == [{"rows": "3"}]


def test_control_characters_that_no_database_takes_are_left_out() -> None:
    assert build_table(lines(["a"], ["x\0y\x1f"])).rows[0].values == ("xy",)


def test_columns_are_named_as_spreadsheets_name_them() -> None:
    assert [column_letters(n) for n in (1, 26, 27, 52, 703)] == ["A", "Z", "AA", "AZ", "AAA"]
