"""The periods of budgets are days and months of the site's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from imagegen_app.core.actors import System
from imagegen_app.models import Budget, BudgetPeriod
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access, budgets, model_catalog

if TYPE_CHECKING:
    from tests.services.conftest import Site

#: In Tokyo it is five in the morning of 1 December.
MOMENT = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)


@pytest.fixture
def tokyo(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    monkeypatch.setattr(clock, "now", lambda: MOMENT)


def period_of(budget: Budget) -> BudgetPeriod:
    return BudgetPeriod.objects.get(budget=budget)


def budget_of(site: Site, period: str) -> Budget:
    use_case(audited=False)(lambda: Budget.objects.update(period=period))()
    return Budget.objects.get(pk=site.budget.pk)


@pytest.mark.parametrize("period", ["month", "day"])
def test_a_period_begins_when_it_begins_in_the_sites_time_zone(
    site: Site, tokyo: None, period: str
) -> None:
    budget = budget_of(site, period)

    site.request()

    assert period_of(budget).starts_on == date(2026, 12, 1)


def test_the_time_zone_of_a_visitor_changes_no_period(site: Site, tokyo: None) -> None:
    with timezone.override("America/New_York"):
        site.request()

    assert period_of(site.budget).starts_on == date(2026, 12, 1)


def test_what_is_left_is_that_of_the_sites_period(site: Site, tokyo: None) -> None:
    def spent(starts_on: date, amount: str) -> None:
        BudgetPeriod.objects.create(
            budget=site.budget, starts_on=starts_on, limit=Decimal(10), spent=Decimal(amount)
        )

    use_case(audited=False)(lambda: spent(date(2026, 11, 1), "9"))()
    use_case(audited=False)(lambda: spent(date(2026, 12, 1), "2"))()

    left = budgets.allowance(site.actor, site.model)

    assert left is not None
    assert left.remaining == Decimal(8)


def test_a_budget_in_total_stays_one_when_the_time_zone_changes(
    site: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = budget_of(site, "total")
    use_case(audited=False)(lambda: Budget.objects.update(created_at=MOMENT))()
    site.request()
    assert period_of(budget).starts_on == date(2026, 11, 30)

    settings.TIME_ZONE = "Asia/Tokyo"
    site.request()

    assert period_of(budget).reserved == Decimal("0.04")
    left = budgets.allowance(site.actor, site.model)
    assert left is not None
    assert left.remaining == Decimal("9.96")


def test_a_model_retires_when_its_day_begins_in_the_sites_time_zone(
    site: Site, tokyo: None
) -> None:
    site.model.retires_on = date(2026, 12, 1)
    model_catalog.save(actor=System("test"), record=site.model)

    with pytest.raises(access.NotGranted):
        site.request()
