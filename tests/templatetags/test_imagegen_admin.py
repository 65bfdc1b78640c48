"""The filters of the admin's own pages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from imagegen_app.templatetags.imagegen_admin import imagegen_remaining


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("39.9598", "39.95"), ("40", "40.00"), ("1", "1.00"), ("0.0402", "0.0402")],
)
def test_what_remains_of_a_budget_is_never_more_than_it_is(amount: str, shown: str) -> None:
    assert imagegen_remaining(Decimal(amount)) == shown


def test_without_a_budget_nothing_is_shown() -> None:
    assert imagegen_remaining(None) == ""
