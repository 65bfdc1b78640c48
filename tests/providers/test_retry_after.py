from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imagegen_app.providers.retry_after import MAX_SECONDS, retry_after

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:42 GMT"}, 42.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:42"}, 42.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after": "86400"}, MAX_SECONDS),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "x", "retry-after": "4"}, 4.0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        # The server's clock counts, not ours: it is two minutes ahead here.
        (
            {
                "retry-after": "Fri, 20 Nov 2026 12:02:30 GMT",
                "date": "Fri, 20 Nov 2026 12:02:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:42 GMT", "date": "today"}, 42.0),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds
