"""Write points in time as people read them: in the time zone of the site, or of the reader.

The database gives times in UTC, and `strftime` would show them so, hours off and on another day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

if TYPE_CHECKING:
    from datetime import datetime


def format_day(moment: datetime) -> str:
    """Return the day, such as "2026-11-27"."""
    return f"{timezone.localtime(moment):%Y-%m-%d}"


def format_minute(moment: datetime) -> str:
    """Return day and time to the minute, such as "2026-11-27 14:05"."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def format_second(moment: datetime) -> str:
    """Return day and time to the second, such as "2026-11-27 14:05:09"."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
