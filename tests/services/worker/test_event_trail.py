"""The life of a job, its money and its images is told by the kinds of events that are meant for it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, BudgetPeriod, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, job_actions
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import review
from imagegen_app.services.policy import budgets
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from tests.services.conftest import Site


def kinds(job: Job) -> list[str]:
    rows = AuditEvent.objects.filter(job_id=job.pk).order_by("pk")
    return list(rows.values_list("type", flat=True))


def test_a_job_that_succeeds_and_one_that_repeats_it(site: Site) -> None:
    first = site.request(seed=7)
    driver.drive(seconds=5)
    second = site.request(seed=7)

    assert {
        "job.requested",
        "money.reserved",
        "job.attempt_started",
        "job.submitted",
        "job.answered",
        "money.charged",
        "asset.created",
        "job.succeeded",
    } <= set(kinds(first))
    assert "job.cached" in kinds(second)
    assert "job.submitted" not in kinds(second)


def test_a_cancelled_and_an_expired_job_release_their_money(site: Site) -> None:
    cancelled, expired = site.request(), site.request(prompt="A blue mug")

    job_actions.cancel(actor=site.actor, job=cancelled)
    (claimed,) = leases.claim(limit=1, owner="w")
    use_case()(transitions.expire)(claimed)

    assert {"money.released", "job.cancelled"} <= set(kinds(cancelled))
    assert {"money.released", "job.expired"} <= set(kinds(expired))
    assert BudgetPeriod.objects.get().reserved == 0


def test_what_a_job_costs_beyond_its_budget_is_told(site: Site) -> None:
    job = site.request()

    use_case()(budgets.charge_extra)(
        actor=System("test"), job=job, amount=Decimal(11), purpose="screening"
    )

    assert kinds(job)[-2:] == ["money.overage", "money.charged"]


def test_a_screener_that_fails_is_told_apart_from_one_that_decides(site: Site, small: Any) -> None:
    broken = {"NAME": "broken", "BACKEND": "tests.services.job_requests.test_creation.Broken"}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [broken | {"ON_ERROR": "pass"}]}

    job = site.request()

    assert "moderation.screener_failed" in kinds(job)
    assert "moderation.decided" not in kinds(job)
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [broken]}
    with pytest.raises(creation.PromptBlocked):
        site.request()
    assert AuditEvent.objects.filter(type="moderation.screener_failed").count() == 2


def test_approving_a_held_image_overrides_the_screener(site: Site) -> None:
    job = site.request()
    driver.drive(seconds=5)
    asset = job.assets.get()
    use_case(audited=False)(Verdict.objects.create)(
        job=job, asset=asset, stage="output", screener="strict", outcome="held"
    )

    review.approve(actor=System("reviewer"), asset=asset)

    assert kinds(job)[-2:] == ["review.approved", "moderation.overridden"]
