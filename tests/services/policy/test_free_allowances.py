"""What a provider gives for nothing in a month is charged as nothing, once, and never twice."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction

from imagegen_app.core.pricing import CostOrigin, CostSource
from imagegen_app.models import Attempt, LedgerEntry
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import free_allowances
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.at_once import at_once
from tests.services.conftest import governed

if TYPE_CHECKING:
    from tests.services.conftest import Site

PRICES: dict[str, Any] = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "free_per_month": {"image": "3"},
    "checked_on": "2026-11-26",
}


@pytest.fixture
def site(db: None, small: Any) -> Site:
    provider = make_provider(adapter="sandbox")
    return governed(make_image_model(provider=provider, price_list=PRICES))


def made(site: Site, *, count: int = 1) -> Attempt:
    job = site.request(count=count)
    driver.drive(seconds=10)
    return job.attempts.get()


@use_case(audited=False)
def change_attempts(*, pk: Any, **values: Any) -> None:
    Attempt.objects.filter(pk=pk).update(**values)


def facts(attempt: Attempt) -> tuple[Decimal, str, Decimal]:
    assert attempt.actual_cost is not None
    return attempt.actual_cost, attempt.cost_source, attempt.free_unit_count


def test_the_charge_is_nothing_while_the_allowance_lasts(site: Site) -> None:
    whole, part, beyond = made(site, count=2), made(site, count=2), made(site)

    assert facts(whole) == (Decimal(0), "free", Decimal(2))
    assert facts(part) == (Decimal("0.02"), "computed", Decimal(1))
    assert facts(beyond) == (Decimal("0.02"), "computed", Decimal(0))
    # The whole price was reserved, and what was not needed of it is released.
    assert whole.reserved_cost == Decimal("0.04")
    booked = LedgerEntry.objects.filter(job=whole.job).values_list("kind", "amount")
    assert sorted(booked) == [
        ("charge", Decimal(0)),
        ("release", Decimal("0.04")),
        ("reservation", Decimal("0.04")),
    ]


def test_the_allowance_begins_anew_with_each_month(site: Site) -> None:
    first = made(site, count=2)
    change_attempts(pk=first.pk, ended_at=clock.now() - timedelta(days=32))

    remaining = free_allowances.remaining_allowance(site.model)

    assert remaining is not None
    assert remaining.remaining == 3
    assert facts(made(site, count=2)) == (Decimal(0), "free", Decimal(2))


def test_people_are_told_what_is_left(site: Site) -> None:
    before = free_allowances.allowance_sentence(site.model, images=2)
    made(site, count=2)
    between = free_allowances.allowance_sentence(site.model, images=2)
    made(site, count=2)
    after = free_allowances.allowance_sentence(site.model, images=2)

    assert before.startswith("Within the free allowance: 3 of 3 images are left this month.")
    assert between.startswith("1 of 3 images are left of this month's free allowance")
    assert after == "This month's free allowance is used up (3 images)."
    site.model.price_list = {k: v for k, v in PRICES.items() if k != "free_per_month"}
    assert free_allowances.allowance_sentence(site.model, images=2) == ""
    site.model.price_list = {}
    assert free_allowances.allowance_sentence(site.model, images=2) == ""


@pytest.mark.django_db(transaction=True)
def test_two_charges_at_the_same_moment_do_not_both_get_the_last_free_image(small: Any) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite writes one transaction after the other")
    provider = make_provider(adapter="sandbox")
    prices = PRICES | {"free_per_month": {"image": "1"}}
    site = governed(make_image_model(provider=provider, price_list=prices))
    attempts = [made(site), made(site)]
    for one in attempts:
        change_attempts(pk=one.pk, free_unit_count=0)
    found: list[Decimal] = []

    def charge(attempt: Attempt) -> None:
        origin = CostOrigin(CostSource.COMPUTED, None, Decimal(1))
        with transaction.atomic():
            amount, used = free_allowances.use_allowance(attempt, Decimal("0.02"), origin)
            # Long enough for the other one to look meanwhile.
            time.sleep(0.3)
            change_attempts(pk=attempt.pk, free_unit_count=used.free_unit_count)
        found.append(amount)

    errors = at_once(*[partial(charge, one) for one in attempts])

    assert errors == []
    assert sorted(found) == [Decimal(0), Decimal("0.02")]
