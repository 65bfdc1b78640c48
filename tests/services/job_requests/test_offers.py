"""An offer has the cost of a request and the reason of a refusal, without creating a job."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils.translation import override

import imagegen_app
from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, BudgetPeriod, Job
from imagegen_app.services.batches import planning
from imagegen_app.services.job_requests import creation, prices
from imagegen_app.services.policy import access, budget_refusals, budgets, model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template, make_user
from project.catalog.models import Product
from tests.services.batches.test_lifecycle import products

if TYPE_CHECKING:
    from tests.services.conftest import Site


def limit(site: Site, amount: str) -> None:
    site.budget.limit = Decimal(amount)
    model_catalog.save(actor=System("test"), record=site.budget)


def test_an_offer_has_price_and_allowance_and_writes_nothing(site: Site) -> None:
    events = AuditEvent.objects.count()

    offer = creation.offer(actor=site.actor, job_request=site.job_request(count=2))

    assert offer.is_possible
    assert (offer.cost.amount, offer.cost.currency) == (Decimal("0.04"), "USD")
    assert offer.allowance == budgets.Allowance(budget="All", remaining=Decimal(10), currency="USD")
    assert not offer.is_cached
    assert (Job.objects.count(), BudgetPeriod.objects.count()) == (0, 0)
    assert AuditEvent.objects.count() == events


def test_an_offer_without_a_grant_says_whom_to_ask(site: Site) -> None:
    stranger = access.actor_for(make_user("stan"))

    offer = creation.offer(actor=stranger, job_request=site.job_request())

    assert isinstance(offer.refusal, access.NotGranted)
    assert not offer.is_possible
    assert offer.refusal.remedy.startswith("Ask ")
    assert offer.cost.amount == Decimal("0.02")


@pytest.mark.parametrize(
    ("language", "reason"),
    [
        ("en", "It would cost 0.02 USD; 0.01 USD remain in the budget."),
        ("de", "Es würde 0,02 USD kosten; im Budget bleiben 0,01 USD."),
        ("fr", "Cela coûterait 0,02 USD ; il reste 0,01 USD dans le budget."),
    ],
)
def test_an_offer_over_the_budget_names_the_amounts_with_their_currency(
    site: Site, language: str, reason: str
) -> None:
    limit(site, "0.01")

    with override(language):
        offer = creation.offer(actor=site.actor, job_request=site.job_request())

    assert isinstance(offer.refusal, budget_refusals.OverBudget)
    assert offer.refusal.reason == reason


def test_an_offer_is_refused_for_a_budget_in_another_currency(site: Site) -> None:
    site.model.price_list = {**site.model.price_list, "currency": "EUR"}

    offer = creation.offer(actor=site.actor, job_request=site.job_request())

    assert isinstance(offer.refusal, budget_refusals.CurrencyMismatch)
    assert "is in USD, but the model is priced in EUR" in offer.refusal.reason


def test_a_cached_request_is_free_even_with_an_empty_budget(site: Site) -> None:
    site.request(seed=7)
    driver.drive(seconds=5)
    limit(site, "0.02")

    offer = creation.offer(actor=site.actor, job_request=site.job_request(seed=7))

    assert (offer.is_cached, offer.is_possible) == (True, True)
    assert not creation.offer(actor=site.actor, job_request=site.job_request(seed=8)).is_possible


def test_an_offer_needs_a_price(site: Site) -> None:
    site.model.price_list = {}

    with pytest.raises(prices.NoPrice):
        creation.offer(actor=site.actor, job_request=site.job_request())


def test_many_offers_share_their_queries(site: Site, django_assert_max_num_queries: Any) -> None:
    job_requests = [site.job_request(prompt=f"Mug {n}") for n in range(20)]
    creation.offers(actor=site.actor, job_requests=job_requests[:1])

    with django_assert_max_num_queries(5):
        offers = creation.offers(actor=site.actor, job_requests=job_requests)

    assert [offer.job_request for offer in offers] == job_requests


def test_the_public_function_estimate_returns_the_offer(site: Site) -> None:
    limit(site, "0.01")

    offer = imagegen_app.estimate(
        user=site.actor.user, prompt="A red mug", model=site.model, size="64x64"
    )

    assert isinstance(offer, creation.Offer)
    assert not offer.is_possible


def test_the_command_prints_the_price_and_the_refusal(site: Site) -> None:
    limit(site, "0.01")
    out = StringIO()
    common = ["--user", "edda", "--prompt", "A red mug", "--model", site.model.slug]

    call_command("imagegen_generate", *common, "--size", "64x64", "--estimate", stdout=out)
    assert "About 0.02 USD." in out.getvalue()
    assert "It would be refused: It would cost 0.02 USD; 0.01 USD remain" in out.getvalue()

    out = StringIO()
    call_command(
        "imagegen_generate", *common, "--size", "64x64", "--estimate", "--json", stdout=out
    )
    printed = json.loads(out.getvalue())
    assert (printed["cost"], printed["refused"]) == ("0.0200", "over_budget")


def plan(site: Site, number: int, **changes: Any) -> planning.BatchPlan:
    products(number)
    version = make_template(
        body="A {{ product }}",
        variables=[{"name": "product", "label": "Product"}],
        width=64,
        height=64,
        image_model=site.model,
    )
    return planning.plan(
        **{
            "actor": site.actor,
            "version": version,
            "objects": Product.objects.all(),
            "mapping": {"product": "name"},
            **changes,
        }
    )


def test_a_batch_is_refused_if_its_rows_together_exceed_the_budget(site: Site) -> None:
    limit(site, "0.04")

    found = plan(site, 3)

    assert all(row.offer is not None and row.offer.is_possible for row in found.valid_rows)
    assert found.refusal(2) is None
    refusal = found.refusal(3)
    assert isinstance(refusal, budget_refusals.OverBudget)
    assert "It would cost 0.06 USD" in refusal.reason


def test_a_batch_is_refused_without_a_grant(site: Site) -> None:
    stranger = access.actor_for(make_user("stan"))

    assert isinstance(plan(site, 2, actor=stranger).refusal(2), access.NotGranted)


def test_each_row_without_a_price_has_an_error(site: Site) -> None:
    site.model.price_list = {}

    found = plan(site, 2, image_model=site.model)

    assert found.valid_rows == ()
    assert all("has no price for it" in row.error for row in found.rows)
    assert found.refusal(2) is None
