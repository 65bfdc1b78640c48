"""Read how long a provider asks us to wait."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longer waits are cut to this; the job's own deadline decides whether it waits at all.
MAX_SECONDS = 15 * 60.0


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, or None where the headers ask for nothing sensible.

    The headers are keyed in lower case. `retry-after-ms` (OpenAI, and Azure's with `x-ms-`) wins over
    `retry-after`, which holds seconds or an HTTP date; a date counts by the server's own clock where
    it tells it.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return _capped(seconds / 1000)
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None:
        their_now = _moment(headers.get("date", ""))
        until = _moment(text)
        seconds = (
            None
            if until is None
            else (until - (their_now or now or datetime.now(UTC))).total_seconds()
        )
    return None if seconds is None else _capped(seconds)


def _number(text: str) -> float | None:
    try:
        value = float(text.strip())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _capped(seconds: float) -> float | None:
    return min(seconds, MAX_SECONDS) if seconds > 0 else None
