from __future__ import annotations

import pytest

from imagegen_app.providers.rate_headers import rate_limited_for
from imagegen_app.providers.retry_after import MAX_SECONDS

NOW = 1_795_000_000.0


def openai(remaining: str, reset: str, limit: str = "") -> dict[str, str]:
    found = {
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": reset,
        "x-ratelimit-limit-requests": limit,
    }
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (openai("0", "1m0s", "50"), 1.2),
        (openai("0", "6m0s"), 360.0),
        (openai("0", "20ms"), 0.02),
        (openai("0", "1h0m0s"), MAX_SECONDS),
        (openai("0", "1.5s"), 1.5),
        (openai("0", "7"), 7.0),
        (openai("1", "1m0s", "50"), None),
        (openai("0", "0s"), None),
        (openai("0", ""), None),
        (openai("0", "soon"), None),
        (openai("", "6m0s"), None),
        (openai("0", "1m0s", "0"), 60.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795000012"}, 12.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1794999990"}, None),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "30"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "8"}, 8.0),
        ({"ratelimit": '"default";r=0;t=9'}, 9.0),
        ({"ratelimit": '"default";r=5;t=9'}, None),
        ({"ratelimit": "limit=100, remaining=0, reset=11"}, 11.0),
        ({"ratelimit": '"burst";r=0'}, None),
        ({"ratelimit": "0" * 5000}, None),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-reset": "30"}, None),
        ({"x-ratelimit-remaining": "nan", "x-ratelimit-reset": "inf"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400}, None),
        ({}, None),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "4",
                "ratelimit": '"default";r=0;t=9',
            },
            9.0,
        ),
    ],
)
def test_the_wait_is_read_in_every_dialect(headers: dict[str, str], seconds: float | None) -> None:
    found = rate_limited_for(headers, now=NOW)

    assert found == (None if seconds is None else pytest.approx(seconds))
