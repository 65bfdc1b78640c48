"""Create identifiers that sort by time (UUID version 7, RFC 9562)."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_RANDOM_BITS = 74
#: Of the step from an identifier to the next one of the same millisecond.
_STEP_BITS = 40
_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of Unix time in milliseconds, then random bits.

    Those of one process increase: of rows that are made together, the keys have the rows' order
    (RFC 9562, section 6.2, method 2).
    """
    global _last  # noqa: PLW0603 - what the next one has to exceed
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    with _lock:
        if value <= _last or value >> _RANDOM_BITS == _last >> _RANDOM_BITS:
            value = _last + 1 + secrets.randbits(_STEP_BITS)
        _last = value
    time_and_high, low = divmod(value, 1 << 62)
    moment, high = divmod(time_and_high, 1 << 12)
    moment &= (1 << 48) - 1
    return uuid.UUID(int=moment << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low)
