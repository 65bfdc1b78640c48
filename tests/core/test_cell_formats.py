"""Values of spreadsheet cells as the spreadsheet shows them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from imagegen_app.core.cell_formats import shown


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (42, "General", "42"),
        (42.0, "General", "42"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-7, "General", "0.0000001"),
        (42, "00000", "00042"),
        (12.5, "0.00", "12.50"),
        (2.675, "0.00", "2.68"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1234567, "#,##0", "1,234,567"),
        (0.19, "0%", "19%"),
        (0.125, "0.0 %", "12.5 %"),
        (12.5, '#,##0.00 "€"', "12.50 €"),
        (12.5, "#,##0.00\\ [$€-407]", "12.50 €"),
        (12.5, "[$$-409]#,##0.00", "$12.50"),
        (-12.5, "0.00", "-12.50"),
        (-12.5, "0.00;(0.00)", "(12.50)"),
        (-12.5, "#,##0.00;[Red]-#,##0.00", "-12.50"),
        (1500, "0,", "2"),
        (0.5, "# ?/?", "0.5"),
        (12345, "0.00E+00", "12345"),
        (1.50, "0.##", "1.5"),
        (7, '"SKU-"0000', "SKU-0007"),
        (True, "General", "TRUE"),
        (None, "General", ""),
        ("text", "@", "text"),
        (date(2026, 2, 1), "mm-dd-yy", "2026-02-01"),
        (datetime(2026, 2, 1), "General", "2026-02-01"),  # noqa: DTZ001 - as spreadsheets have them
        (date(2026, 2, 1), "dd.mm.yyyy", "01.02.2026"),
        (date(2026, 2, 1), "d/m/yy", "1/2/26"),
        (date(2026, 2, 1), "[$-407]d. mmmm yyyy;@", "1. February 2026"),
        (date(2026, 2, 1), 'mmm "of" yyyy', "Feb of 2026"),
        (datetime(2026, 2, 1, 9, 5), "yyyy-mm-dd hh:mm", "2026-02-01 09:05"),  # noqa: DTZ001 - as above
        (datetime(2026, 2, 1, 15, 5), "h:mm AM/PM", "3:05 PM"),  # noqa: DTZ001 - as above
        (time(9, 5), "hh:mm", "09:05"),
        (time(9, 5, 7), "mm:ss", "05:07"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05:00"),
    ],
)
def test_cells_read_as_they_are_shown(value: object, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text
