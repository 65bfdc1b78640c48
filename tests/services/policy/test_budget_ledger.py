"""Every movement of money is a line of the ledger and an event, and the sums of a period agree."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Budget, BudgetPeriod, Job, LedgerEntry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import budget_refusals, budgets, model_catalog
from imagegen_app.testing.factories import make_attempt
from tests.services import arranged

if TYPE_CHECKING:
    from imagegen_app.models import Attempt
    from tests.services.conftest import Site

ACTOR = System("test")


def lines(job: Job) -> list[tuple[str, Decimal]]:
    """Return kinds and amounts of a job's lines, in the order in which they were booked."""
    found = LedgerEntry.objects.filter(job=job).order_by("pk")
    return [(line.kind, line.amount) for line in found]


def sums(budget: Budget) -> tuple[Decimal, ...]:
    """Return what is reserved, spent and over in a budget's only period."""
    period = BudgetPeriod.objects.get(budget=budget)
    return period.reserved, period.spent, period.overage


def money(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


def events(kind: str) -> list[dict[str, Any]]:
    rows = AuditEvent.objects.filter(type=kind).order_by("pk")
    return [json.loads(row.body)["data"] for row in rows]


@use_case()
def charge(job: Job, attempt: Attempt, amount: str) -> Decimal:
    return budgets.charge(actor=ACTOR, job=job, attempt=attempt, amount=Decimal(amount))


@use_case()
def charge_extra(job: Job, amount: str) -> None:
    budgets.charge_extra(actor=ACTOR, job=job, amount=Decimal(amount), purpose="screening")


@use_case()
def release(job: Job) -> None:
    budgets.release(actor=ACTOR, job=job)


@use_case()
def reserve_again(job: Job, amount: str) -> None:
    budgets.reserve_again(actor=ACTOR, job=job, amount=Decimal(amount))


def attempt_of(job: Job) -> Attempt:
    return make_attempt(job=job, state="accepted", reserved_cost=job.estimated_cost)


def test_a_request_reserves_its_estimate_and_releases_it_unused(site: Site) -> None:
    job = site.request()
    assert sums(site.budget) == money("0.02", "0", "0")

    release(job)
    release(job)

    assert lines(job) == [("reservation", Decimal("0.02")), ("release", Decimal("0.02"))]
    assert sums(site.budget) == money("0", "0", "0")
    assert [(one["amount"], one["currency"]) for one in events("money.released")] == [
        ("0.02", "USD")
    ]


def test_a_charge_replaces_the_reservation_of_its_call(site: Site) -> None:
    job = site.request()
    attempt = attempt_of(job)

    remaining = charge(job, attempt, "0.015")

    assert remaining == 0
    assert lines(job) == [
        ("reservation", Decimal("0.02")),
        ("release", Decimal("0.02")),
        ("charge", Decimal("0.015")),
    ]
    assert sums(site.budget) == money("0", "0.015", "0")
    charged = LedgerEntry.objects.get(kind="charge")
    assert (charged.job, charged.attempt) == (job, attempt)
    (event,) = events("money.charged")
    assert (event["amount"], event["currency"]) == ("0.015", "USD")
    assert str(event["attempt"]) == str(attempt.pk)


def test_a_charge_without_any_budget_is_recorded_and_leaves_nothing_reserved(site: Site) -> None:
    model_catalog.delete(actor=ACTOR, record=site.budget)
    job = site.request()

    assert charge(job, attempt_of(job), "0.02") == 0

    assert lines(job) == []
    assert len(events("money.charged")) == 1


def test_what_the_limit_does_not_cover_is_overage_and_told_of(site: Site) -> None:
    job = site.request()

    charge(job, attempt_of(job), "10.5")

    assert lines(job)[1:] == [
        ("release", Decimal("0.02")),
        ("charge", Decimal(10)),
        ("overage", Decimal("0.5")),
    ]
    assert sums(site.budget) == money("0", "10", "0.5")
    (event,) = events("money.overage")
    assert (event["amount"], event["currency"]) == ("0.5", "USD")
    assert str(event["budget"]) == str(site.budget.pk)


def test_another_call_reserves_only_what_is_missing(site: Site) -> None:
    job = site.request()

    reserve_again(job, "0.05")
    reserve_again(job, "0.05")

    assert lines(job) == [("reservation", Decimal("0.02")), ("reservation", Decimal("0.03"))]
    assert sums(site.budget) == money("0.05", "0", "0")


def test_a_check_is_paid_from_what_the_job_has_reserved(site: Site) -> None:
    job = site.request()

    charge_extra(job, "0.005")

    assert lines(job)[1:] == [("release", Decimal("0.005")), ("charge", Decimal("0.005"))]
    assert sums(site.budget) == money("0.015", "0.005", "0")
    (event,) = events("money.charged")
    assert event == {"amount": "0.005", "currency": "USD", "purpose": "screening"}
    assert set(AuditEvent.objects.filter(type="money.charged").values_list("actor_id")) == {
        (ACTOR.id,)
    }


def test_a_check_that_the_limit_does_not_cover_is_overage(site: Site) -> None:
    job = site.request()

    charge_extra(job, "10.5")

    assert sums(site.budget) == money("0", "10", "0.5")
    over = AuditEvent.objects.get(type="money.overage")
    assert (over.actor_id, over.job_id) == (ACTOR.id, job.pk)


def test_a_check_of_a_job_without_reservation_is_paid_by_budgets_of_its_currency(
    site: Site,
) -> None:
    job = site.request()
    use_case(audited=False)(LedgerEntry.objects.filter(job=job).delete)()
    euros = Budget(name="Euros", scope="site", period="month", limit=Decimal(5), currency="EUR")
    model_catalog.save(actor=ACTOR, record=euros)

    charge_extra(job, "0.005")

    assert lines(job) == [("charge", Decimal("0.005"))]
    assert not BudgetPeriod.objects.filter(budget=euros).exists()


def test_a_batch_reserves_for_all_of_its_jobs_in_one_event(site: Site) -> None:
    batch = arranged.batch(site, rows=2)

    (event,) = events("money.reserved")
    assert event == {"amount": "0.04", "currency": "USD", "count": 2}
    assert sums(site.budget)[0] == Decimal("0.04")
    reserved = LedgerEntry.objects.filter(kind="reservation", job__batch=batch)
    assert len(set(reserved.values_list("job", flat=True))) == 2


@pytest.mark.parametrize("most", ["0.02", "0.03"])
def test_a_spent_budget_has_room_again_after_a_release(site: Site, most: str) -> None:
    site.budget.limit = Decimal(most)
    model_catalog.save(actor=ACTOR, record=site.budget)
    job = site.request()
    with pytest.raises(budget_refusals.OverBudget):
        site.request(prompt="A second mug")

    release(job)

    assert site.request(prompt="A third mug").state == "queued"
