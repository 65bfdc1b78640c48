"""Several jobs of one request: planned within limits, priced together, made together or not at all."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import AuditEvent, BudgetPeriod, Job, LedgerEntry
from imagegen_app.services.job_requests import composition
from imagegen_app.services.job_requests.request_sets import (
    Axis,
    offer_set,
    plan_set,
    request_set,
    with_form_keys,
)
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import budget_refusals
from imagegen_app.services.policy.access import NotGranted
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_provider
from tests.changed_rows import change
from tests.services.conftest import Site

if TYPE_CHECKING:
    from imagegen_app.services.job_requests.values import JobRequest

SEEDS = Axis("seed", (1, 2, 3))


def asked(site: Site, prompt: str = "A mug", **values: Any) -> JobRequest:
    return composition.compose(
        actor=site.actor, prompt=prompt, model=site.model, count=1, size="1024x1024", **values
    )


def test_a_grid_has_a_job_for_each_cell_row_by_row(site: Site) -> None:
    planned = plan_set([asked(site)], [SEEDS, Axis("strength", (0.2, 0.8))])

    jobs = request_set(actor=site.actor, planned=planned)

    made = list(Job.objects.order_by("grid_cell"))
    assert [job.pk for job in jobs] == [job.pk for job in made]
    assert [(job.seed, job.parameters["strength"]) for job in made] == [
        (seed, strength) for strength in (0.2, 0.8) for seed in (1, 2, 3)
    ]
    assert {job.grid for job in made} == {made[0].grid}
    assert made[0].grid_axes == {"columns": "seed", "rows": "strength", "width": 3}


def test_words_are_one_side_and_a_model_the_other(site: Site) -> None:
    other = make_image_model(provider=make_provider(adapter="sandbox"))
    make_grant(group=make_group("Image editors"), image_model=other)

    planned = plan_set(
        [asked(site, "A red mug"), asked(site, "A blue mug")], [Axis("model", (site.model, other))]
    )
    request_set(actor=site.actor, planned=planned)

    made = list(Job.objects.order_by("grid_cell").values_list("image_model", "prompt"))
    assert made == [
        (site.model.pk, "A red mug"),
        (site.model.pk, "A blue mug"),
        (other.pk, "A red mug"),
        (other.pk, "A blue mug"),
    ]


def test_one_value_is_no_grid(site: Site) -> None:
    planned = plan_set([asked(site)], [Axis("seed", (7,))])

    assert planned.is_single
    assert (planned.requests[0].grid, planned.requests[0].provider_request.seed) == (None, 7)


def test_the_price_is_that_of_all_and_is_reserved_at_once(site: Site) -> None:
    planned = plan_set([asked(site)], [SEEDS])
    offered = offer_set(actor=site.actor, planned=planned)

    request_set(actor=site.actor, planned=planned)

    period = BudgetPeriod.objects.get(budget=site.budget)
    assert offered.cost.amount == Decimal("0.06")
    assert (offered.refusal, planned.image_count) == (None, 3)
    assert period.reserved == Decimal("0.06")
    assert LedgerEntry.objects.filter(kind="reservation").count() == 3


def test_a_budget_that_covers_some_of_them_makes_none(site: Site) -> None:
    planned = plan_set([asked(site)], [SEEDS])
    change(site.budget, limit=Decimal("0.05"))

    offered = offer_set(actor=site.actor, planned=planned)
    with pytest.raises(budget_refusals.OverBudget):
        request_set(actor=site.actor, planned=planned)

    assert isinstance(offered.refusal, budget_refusals.OverBudget)
    assert "0.06" in offered.refusal.reason
    assert not Job.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_a_model_that_is_not_granted_refuses_all(site: Site) -> None:
    strange = make_image_model(provider=make_provider(adapter="sandbox"))
    planned = plan_set([asked(site)], [Axis("model", (site.model, strange))])

    with pytest.raises(NotGranted):
        request_set(actor=site.actor, planned=planned)

    assert isinstance(offer_set(actor=site.actor, planned=planned).refusal, NotGranted)
    assert not Job.objects.exists()


def test_a_page_that_is_sent_twice_makes_one_set(site: Site) -> None:
    first = with_form_keys(plan_set([asked(site)], [SEEDS]), page="page-1")
    second = with_form_keys(plan_set([asked(site)], [SEEDS]), page="page-1")

    made = request_set(actor=site.actor, planned=first)
    again = request_set(actor=site.actor, planned=second)

    assert [job.pk for job in again] == [job.pk for job in made]
    assert Job.objects.count() == 3


def test_equal_cells_are_made_each(site: Site) -> None:
    twice = with_form_keys(plan_set([asked(site, seed=1), asked(site, seed=1)]), page="page-1")

    assert len(request_set(actor=site.actor, planned=twice)) == 2


@pytest.mark.parametrize(
    ("prompts", "axes", "reason"),
    [
        (1, [Axis("seed", range(37))], "37 combinations; at most 36"),
        (1, [SEEDS, Axis("strength", [n / 20 for n in range(13)])], "39 combinations"),
        (1, [SEEDS, SEEDS], "Both sides of the grid are the same"),
        (2, [SEEDS, Axis("strength", (0.2, 0.8))], "have no grid of two sides"),
        (1, [Axis("strength", (0.5, 7.0))], "strength"),
        (1, [Axis("seed", (1, -1))], "seed"),
    ],
)
def test_what_makes_no_grid_is_refused_with_the_reason(
    site: Site, prompts: int, axes: list[Axis], reason: str
) -> None:
    worded = [asked(site, f"A mug {number}") for number in range(prompts)]

    with pytest.raises(InvalidJobRequest) as raised:
        plan_set(worded, axes)

    assert reason in raised.value.reason


def test_a_refused_grid_is_recorded_once(site: Site) -> None:
    planned = plan_set([asked(site)], [SEEDS])
    change(site.budget, limit=Decimal("0.01"))

    with pytest.raises(budget_refusals.OverBudget):
        request_set(actor=site.actor, planned=replace(planned))

    assert AuditEvent.objects.filter(type="job.denied").count() == 1
