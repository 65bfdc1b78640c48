"""Give up answers that come too slowly, however steadily they drip."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imagegen_app.providers.http.values import HttpLimits


class AnswerTooSlow(TimeoutError):
    """Less than the least rate came for a whole window."""


async def paced(chunks: AsyncIterator[bytes], *, limits: HttpLimits) -> AsyncIterator[bytes]:
    """Yield the chunks while enough of them come; only the time spent waiting for them counts.

    In the first `slow_grace` seconds any rate will do: some gateways send a blank now and then while
    the image is generated.

    :raises AnswerTooSlow: if a window of `slow_window` seconds brings less than `least_rate`.
    """
    waited, size, check_at = 0.0, 0, limits.slow_grace
    is_counting = False
    while True:
        asked_at = time.monotonic()
        chunk = await anext(chunks, None)
        if chunk is None:
            return
        waited += time.monotonic() - asked_at
        size += len(chunk)
        if waited >= check_at:
            if is_counting and size < limits.least_rate * limits.slow_window:
                raise AnswerTooSlow
            is_counting, size, check_at = True, 0, waited + limits.slow_window
        yield chunk
