"""Screeners that are paid: set aside with the request, booked by the call, never past the budget."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.db import connection

from imagegen_app.core.actors import System
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, Batch, BudgetPeriod, LedgerEntry, Verdict
from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed
from imagegen_app.services.batches import lifecycle, row_jobs
from imagegen_app.services.gateways import content_fields, storage
from imagegen_app.services.gateways.storage import StorageFailed
from imagegen_app.services.job_requests import creation, job_actions
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.worker import _outcomes, driver
from imagegen_app.testing.factories import make_template
from tests.services.batches.test_lifecycle import products

if TYPE_CHECKING:
    from tests.services.conftest import Site

TEXT, PICTURE = Decimal("0.001"), Decimal("0.0015")


class Watcher:
    """A screener of a site's own that does as it is told and counts how often it was asked."""

    asked = 0
    #: What it does with the n-th question: an outcome, or "breaks"; a price it names itself.
    does: dict[int, str] = {}
    names_cost: Decimal | None = None

    def screen_text(self, text: str) -> ScreenerDecision:
        return self._answer()

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return self._answer()

    def _answer(self) -> ScreenerDecision:
        Watcher.asked += 1
        what = Watcher.does.get(Watcher.asked, "passed")
        if what == "breaks":
            raise ScreenerFailed("out of order")
        if what == "passed":
            return ScreenerDecision(outcome=VerdictOutcome.PASSED, cost=Watcher.names_cost)
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED, categories=("violence",))


@pytest.fixture(autouse=True)
def watched(small: Any, monkeypatch: pytest.MonkeyPatch) -> type[Watcher]:
    """Have prompts screened for 0.001 and images for 0.0015, by the same screener."""
    entry = {"BACKEND": "tests.services.gateways.test_screening.Watcher"}
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [
            {**entry, "NAME": "texts", "STAGES": ["prompt"], "PRICE": str(TEXT)},
            {**entry, "NAME": "pictures", "STAGES": ["output"], "PRICE": str(PICTURE)},
        ],
    }
    monkeypatch.setattr(Watcher, "asked", 0)
    monkeypatch.setattr(Watcher, "does", {})
    monkeypatch.setattr(Watcher, "names_cost", None)
    return Watcher


def lines(**filters: Any) -> list[tuple[str, str, Decimal]]:
    found = LedgerEntry.objects.filter(**filters).order_by("pk")
    return [(e.kind, e.purpose, e.amount) for e in found]


def spent() -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get()
    return period.spent, period.reserved


def test_a_request_is_quoted_and_reserved_with_its_screening(site: Site) -> None:
    job_request = site.job_request(count=2)
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = creation.request_images(actor=site.actor, job_request=job_request)

    assert quoted == job.estimated_cost == Decimal("0.04") + TEXT + 2 * PICTURE
    assert lines() == [
        ("reservation", "images", quoted),
        ("release", "screening", TEXT),
        ("charge", "screening", TEXT),
    ]
    assert spent() == (TEXT, quoted - TEXT)


def test_images_are_charged_with_what_their_screening_cost(site: Site) -> None:
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert job.actual_cost == Decimal("0.04") + TEXT + 2 * PICTURE
    assert job.screening_cost == TEXT + 2 * PICTURE
    assert spent() == (job.actual_cost, Decimal(0))
    assert ("charge", "screening", 2 * PICTURE) in lines()
    assert job.attempts.get().actual_cost == Decimal("0.04")
    assert [v.cost for v in Verdict.objects.order_by("pk")] == [TEXT, PICTURE, PICTURE]
    assert doctor.violated_invariants() == {}
    told = AuditEvent.objects.filter(type="money.charged").order_by("pk").first()
    assert told is not None
    assert '"purpose":"screening"' in told.body


def test_a_refused_prompt_costs_its_screening_and_nothing_else(
    site: Site, watched: type[Watcher]
) -> None:
    watched.does = {1: "blocked"}

    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request()

    assert refusal.value.job.actual_cost == TEXT
    assert lines() == [("charge", "screening", TEXT)]
    assert spent() == (TEXT, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_an_image_that_screening_refuses_was_paid_for(site: Site, watched: type[Watcher]) -> None:
    watched.does = {3: "blocked"}
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert (job.state, job.error_code) == ("blocked", "content_blocked")
    assert job.actual_cost == Decimal("0.04") + TEXT + 2 * PICTURE
    assert spent() == (job.actual_cost, Decimal(0))
    assert [v.outcome for v in job.verdicts.order_by("pk")] == ["passed", "passed", "blocked"]
    assert doctor.violated_invariants() == {}


def test_screening_that_has_to_be_repeated_is_booked_each_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, times = storage.put, []

    def full_at_first(*args: Any, **kwargs: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            raise StorageFailed("full")
        return put(*args, **kwargs)

    job = site.request()
    monkeypatch.setattr(storage, "put", full_at_first)
    monkeypatch.setattr(_outcomes, "MAX_STORE_SECONDS", 2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert job.screening_cost == TEXT + 2 * PICTURE
    assert job.actual_cost == Decimal("0.02") + job.screening_cost
    assert doctor.violated_invariants() == {}


def test_a_screener_that_names_its_cost_is_believed_and_a_failed_one_costs_nothing(
    site: Site, watched: type[Watcher]
) -> None:
    watched.names_cost = Decimal("0.0004")
    first = site.request()
    watched.does = {2: "breaks"}
    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request(prompt="A blue mug")

    assert first.screening_cost == Decimal("0.0004")
    assert refusal.value.job.actual_cost == 0
    assert doctor.violated_invariants() == {}


def test_no_screener_is_asked_for_what_does_not_fit_into_the_budget(
    site: Site, watched: type[Watcher]
) -> None:
    site.budget.limit = Decimal("0.0215")
    model_catalog.save(actor=System("test"), record=site.budget)

    with pytest.raises(access.ActionRefused) as refusal:
        site.request()

    assert refusal.value.code == "over_budget"
    assert watched.asked == 0


def test_no_transaction_is_held_open_while_a_screener_thinks(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(connection.savepoint_ids)
    seen = []
    answer = Watcher._answer

    def look(self: Watcher) -> ScreenerDecision:
        # The test itself is one transaction; ours would be a savepoint in it.
        seen.append(len(connection.savepoint_ids))
        return answer(self)

    monkeypatch.setattr(Watcher, "_answer", look)

    site.request()

    assert seen == [before]


def test_a_job_that_comes_to_nothing_keeps_only_what_screening_cost(site: Site) -> None:
    job = site.request()
    job_actions.cancel(actor=site.actor, job=job)
    driver.drive(seconds=5)
    job.refresh_from_db()

    assert (job.state, job.actual_cost) == ("cancelled", TEXT)
    assert spent() == (TEXT, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_a_batch_books_the_screening_of_each_row(site: Site, watched: type[Watcher]) -> None:
    watched.does = {2: "blocked"}
    version = make_template(
        body="A {{ product }}",
        variables=[{"name": "product", "label": "Product"}],
        width=64,
        height=64,
        image_model=site.model,
    )
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    batch = lifecycle.start(
        actor=site.actor,
        version=version,
        title="Cups",
        keys=products(3),
        target=target,
        mapping={"product": "name"},
        key="spring",
    )
    while row_jobs.create_next_jobs():
        pass
    driver.drive(seconds=20)
    batch = Batch.objects.get(pk=batch.pk)

    assert (batch.succeeded, batch.blocked) == (2, 1)
    assert batch.spent == spent()[0] == Decimal("0.04") + 3 * TEXT + 2 * PICTURE
    assert lifecycle.estimate_cost(version, site.model, rows=3) == 3 * (
        Decimal("0.02") + TEXT + PICTURE
    )
    assert doctor.violated_invariants() == {}


@pytest.mark.parametrize("price", ["a lot", "-1", "NaN", "0.00001"])
def test_a_price_that_is_none_is_a_mistake_in_the_settings(small: Any, price: str) -> None:
    entry = {
        "BACKEND": "tests.services.gateways.test_screening.Watcher",
        "NAME": "x",
        "PRICE": price,
    }
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [entry]}

    found = [m for m in run_checks(tags=["imagegen"]) if "PRICE" in m.msg]

    assert len(found) == 1
    assert "0.0015" in str(found[0].hint)


def test_a_finding_without_a_cost_costs_what_the_settings_say() -> None:
    assert PASSED.cost is None


@pytest.mark.parametrize("cost", [0.001, Decimal(-1), Decimal("NaN")])
def test_a_screener_that_names_a_price_that_is_none_fails_closed(
    site: Site, watched: type[Watcher], cost: Any
) -> None:
    watched.names_cost = cost

    with pytest.raises(creation.PromptBlocked):
        site.request()

    assert lines() == []
    assert doctor.violated_invariants() == {}
