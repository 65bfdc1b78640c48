"""Read from an answer's headers that the provider takes no further call for a while.

Three dialects: OpenAI's (`x-ratelimit-remaining-requests`, reset as `1.2s` or `6m0s` until the whole
allowance is back), the widespread one (`x-ratelimit-remaining`, reset in seconds or as a Unix time)
and the IETF's drafts (`ratelimit-remaining`, or one structured `ratelimit`). Only what is used up
counts: how much a further call would take of a count of tokens is not known here.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from imagegen_app.providers.retry_after import MAX_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,6})?")
_REMAINING = re.compile(r"(?:^|[;,\s])(?:r|remaining)\s*=\s*(\d{1,12})")
_RESET = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d{1,12})")
#: A reset beyond this is a moment, not a duration.
_UNIX_TIMES = 1_000_000_000


def rate_limited_for(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return the seconds until the provider takes another call, None where it takes one now.

    The headers are keyed in lower case; `now` is a Unix time.
    """
    now = time.time() if now is None else now
    waits = [
        _of_requests(headers),
        _of_window(headers, "x-ratelimit", now=now),
        _of_window(headers, "ratelimit", now=now),
        _of_structure(headers.get("ratelimit", "")),
    ]
    longest = max((wait for wait in waits if wait), default=0.0)
    return min(longest, MAX_SECONDS) if longest > 0 else None


def _of_requests(headers: Mapping[str, str]) -> float | None:
    """Read a bucket that refills steadily: its reset is that of the whole, one call comes sooner."""
    if _number(headers.get("x-ratelimit-remaining-requests", "")) != 0:
        return None
    whole = duration(headers.get("x-ratelimit-reset-requests", ""))
    limit = _number(headers.get("x-ratelimit-limit-requests", ""))
    return whole / limit if whole and limit else whole


def _of_window(headers: Mapping[str, str], prefix: str, *, now: float) -> float | None:
    if _number(headers.get(f"{prefix}-remaining", "")) != 0:
        return None
    reset = _number(headers.get(f"{prefix}-reset", ""))
    if reset is None:
        return None
    return reset - now if reset > _UNIX_TIMES else reset


def _of_structure(text: str) -> float | None:
    """Read `"default";r=0;t=30` and the older `limit=100, remaining=0, reset=30`."""
    remaining, reset = _REMAINING.search(text), _RESET.search(text)
    if remaining is None or reset is None or int(remaining[1]) != 0:
        return None
    return float(reset[1])


def duration(text: str) -> float | None:
    """Return the seconds of `1.2s`, `6m0s`, `10h17m5.7s` or a plain number; None for anything else."""
    number = _number(text)
    if number is not None:
        return number
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None
