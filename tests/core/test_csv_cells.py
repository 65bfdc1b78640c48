from __future__ import annotations

import csv
import io
import random
import re
from pathlib import Path

import pytest

import imagegen_app
from imagegen_app.core.csv_cells import CsvTable, guarded, read_rows, unguarded

DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\0=1",
    "\tplain",
    "＝1",  # noqa: RUF001 - on purpose
    "＋1",  # noqa: RUF001 - on purpose
    "－1",  # noqa: RUF001 - on purpose
    "＠x",  # noqa: RUF001 - on purpose
    "  =1",
    "\u00a0\u3000=1",
    "'=1",
    '"=1',
    "“=1",
    "\u200b=1",
    "\ufeff=1",
    "\u202e=1",
    "a;=1+1",
    "a|=1",
    "a\t@x",
    "a\n-1",
    "a; '=1",
]
HARMLESS = [
    "",
    "'",
    "''",
    "'quoted'",
    "a red mug",
    "a=b",
    "mail@example.com",
    "1-2",
    "a;b|c",
    "x, =y",
]


def written(rows: list[list[object]]) -> str:
    out = io.StringIO(newline="")
    table = CsvTable(out)
    for row in rows:
        table.write_row(row)
    return out.getvalue()


def runs(cell: str) -> bool:
    return re.match(r"[\s\"'`“\u200b\ufeff\u202e]*[=+\-@＝＋－＠\0]", cell) is not None  # noqa: RUF001 - on purpose


@pytest.mark.parametrize("text", DANGEROUS)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_runs_whatever_separates_the_cells_of_the_reader(text: str, separator: str) -> None:
    file = written([["first", text, text]])

    cells = [
        c for row in csv.reader(io.StringIO(file, newline=""), delimiter=separator) for c in row
    ]

    assert not any(runs(cell) and not cell.startswith("'") for cell in cells), cells


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_not_touched(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


def test_reading_strips_exactly_what_writing_added() -> None:
    dice = random.Random(7)  # noqa: S311 - the same texts in every run
    alphabet = "a1 '\"=+-@;|\t\r\n\0\u200b＝,“"  # noqa: RUF001 - on purpose
    texts = ["".join(dice.choices(alphabet, k=dice.randrange(9))) for _ in range(5000)]

    assert [unguarded(guarded(text)) for text in texts + DANGEROUS] == texts + DANGEROUS


def test_a_table_is_read_back_as_it_was_written() -> None:
    rows: list[list[object]] = [
        ["name, first", "note"],
        ["=x", 'a "b"\r\n;=c'],
        ["", None],
        [-3, "'d"],
    ]

    read = list(read_rows(io.StringIO(written(rows), newline="")))

    assert read == [["name, first", "note"], ["=x", 'a "b"\r\n;=c'], ["", ""], ["-3", "'d"]]


def test_every_cell_is_in_quotation_marks() -> None:
    assert written([["a", 1]]) == '\ufeff"a","1"\r\n'


def test_no_other_module_writes_csv_by_itself() -> None:
    folder = Path(imagegen_app.__path__[0])
    texts = {
        str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.py")
    }
    users = {
        name
        for name, text in texts.items()
        if re.search(r"^\s*(import csv|from csv)\b", text, re.MULTILINE)
    }

    # The second one reads the files of people, and writes none.
    assert users == {"core/csv_cells.py", "core/csv_tables.py"}
    assert not re.search(r"writer", texts["core/csv_tables.py"], re.IGNORECASE)
