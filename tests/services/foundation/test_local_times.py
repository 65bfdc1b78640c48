"""A time in a sentence ends without a full stop: the sentence has its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import translation

from imagegen_app.services.foundation.local_times import format_in_text

EVENING = datetime(2026, 11, 27, 21, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "11/27/2026 21:05"), ("de", "27.11.2026 21:05"), ("fr", "27/11/2026 21:05")],
)
def test_a_time_in_a_sentence_ends_without_a_full_stop(
    language: str, expected: str, settings: object
) -> None:
    settings.TIME_ZONE = "UTC"  # type: ignore[attr-defined]  # the settings of this test

    with translation.override(language):
        assert format_in_text(EVENING) == expected
