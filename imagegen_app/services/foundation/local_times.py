"""Write points in time as people read them: in the time zone of the site, or of the reader.

The database gives times in UTC, and `strftime` would show them so, hours off and on another day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import date_format

if TYPE_CHECKING:
    from datetime import datetime


def format_day(moment: datetime) -> str:
    """Return the day as the reader's language writes it: "Nov. 27, 2026", "27. November 2026"."""
    return date_format(timezone.localtime(moment), "DATE_FORMAT")


def format_in_text(moment: datetime) -> str:
    """Return day and time for a sentence, the day as the reader writes it: "11/27/2026 14:05".

    The time ends without a full stop, as that of English does not ("2:05 p.m."): the sentence has its own.
    """
    local = timezone.localtime(moment)
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M}"


def format_in_name(moment: datetime) -> str:
    """Return day and time for the name of something: "November 27, 14:05", with the year of other years."""
    local = timezone.localtime(moment)
    is_this_year = local.year == timezone.localtime().year
    day = date_format(local, "MONTH_DAY_FORMAT" if is_this_year else "DATE_FORMAT")
    return f"{day}, {local:%H:%M}"


def format_minute(moment: datetime) -> str:
    """Return day and time to the minute, such as "2026-11-27 14:05", as evidence writes them."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def format_second(moment: datetime) -> str:
    """Return day and time to the second, such as "2026-11-27 14:05:09"."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
