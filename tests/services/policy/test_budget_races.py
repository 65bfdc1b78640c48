"""A budget holds although its period changes between being read and being written."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import BudgetPeriod, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import _budget_counters
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from tests.services.conftest import Site

LIMIT = Decimal(10)


@use_case(audited=False)
def reserve_nearly_all() -> None:
    BudgetPeriod.objects.update(reserved=LIMIT - Decimal("0.001"))


def test_money_that_another_request_reserved_meanwhile_is_not_reserved_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _budget_counters.period_of

    def read_before_another_request(*args: Any) -> BudgetPeriod:
        period = read(*args)
        reserve_nearly_all()
        return period

    monkeypatch.setattr(_budget_counters, "period_of", read_before_another_request)

    with pytest.raises(ActionRefused, match="remaining budget"):
        site.request()

    assert not Job.objects.filter(state="queued").exists()
