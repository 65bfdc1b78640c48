"""A budget applies to whom and what its scope says, and a refusal says what is missing where."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import Budget, BudgetPeriod, Job
from imagegen_app.services.policy import access, budget_refusals, budgets, model_catalog
from imagegen_app.testing.factories import make_group, make_provider, make_user

if TYPE_CHECKING:
    from tests.services.conftest import Site

#: An image costs 0.02.
TOO_LITTLE = Decimal("0.01")


def make_budget(**fields: Any) -> Budget:
    values = {"name": "Tight", "period": "month", "limit": TOO_LITTLE}
    budget = Budget(**{**values, **fields})
    model_catalog.save(actor=System("test"), record=budget)
    return budget


def test_a_budget_of_another_provider_group_or_user_limits_nobody(site: Site) -> None:
    make_budget(name="Provider", scope="provider", provider=make_provider())
    make_budget(name="Group", scope="group", group=make_group("Compliance"))
    make_budget(name="User", scope="user", user=make_user())

    site.request()

    assert list(BudgetPeriod.objects.values_list("budget__name", flat=True)) == ["All"]


@pytest.mark.parametrize("scope", ["provider", "group", "user", "site"])
def test_a_budget_of_the_scope_of_a_request_limits_it(site: Site, scope: str) -> None:
    owners: dict[str, dict[str, Any]] = {
        "provider": {"provider": site.model.provider},
        "group": {"group": make_group("Image editors")},
        "user": {"user": site.actor.user},
        "site": {},
    }
    make_budget(scope=scope, **owners[scope])

    with pytest.raises(budget_refusals.OverBudget) as refused:
        site.request()

    assert not Job.objects.exists()
    assert "0.02 USD" in refused.value.reason
    assert "0.01 USD remain in “Tight”" in refused.value.reason


def test_a_budget_that_is_disabled_limits_nobody(site: Site) -> None:
    make_budget(scope="site", is_enabled=False)

    assert site.request().state == "queued"


def test_the_budget_with_the_least_left_is_named(site: Site) -> None:
    make_budget(scope="user", user=site.actor.user, name="Own", limit=Decimal(3))

    left = budgets.allowance(site.actor, site.model)

    assert left == budgets.Allowance(budget="Own", remaining=Decimal(3), currency="USD")


def test_nothing_limits_a_request_without_any_budget(site: Site) -> None:
    model_catalog.delete(actor=System("test"), record=site.budget)

    assert budgets.allowance(site.actor, site.model) is None
    budgets.require_budget(site.actor, site.model, amount=Decimal(1000))


def test_an_amount_that_uses_up_a_budget_fits_and_no_cent_more(site: Site) -> None:
    budgets.require_budget(site.actor, site.model, amount=Decimal(10))

    with pytest.raises(
        budget_refusals.OverBudget, match=r"10\.01 USD; 10(\.00)? USD remain in “All”"
    ):
        budgets.require_budget(site.actor, site.model, amount=Decimal("10.01"))


def test_a_budget_in_another_currency_refuses_and_names_both(site: Site) -> None:
    make_budget(scope="user", user=site.actor.user, currency="EUR", limit=Decimal(5))

    with pytest.raises(budget_refusals.CurrencyMismatch) as refused:
        site.request()

    assert "“Tight” is in EUR" in refused.value.reason
    assert "priced in USD" in refused.value.reason
    assert access.contact_sentence() in refused.value.remedy
