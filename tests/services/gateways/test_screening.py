"""Paid screeners: their cost is reserved with the request and charged for each call."""

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
from imagegen_app.services.jobs import waiting
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template
from tests.services.batches.test_lifecycle import products

if TYPE_CHECKING:
    from tests.services.conftest import Site

TEXT_COST, IMAGE_COST = Decimal("0.001"), Decimal("0.0015")


class FakeScreener:
    """A screener that decides what a test sets, and counts how often it was called."""

    calls = 0
    #: By the number of the call, from 1: "blocked", "fails" or "unreadable"; other calls pass.
    outcomes: dict[int, str] = {}
    #: The cost that a passing decision carries; None: the price in the settings.
    own_cost: Decimal | None = None

    def screen_text(self, text: str) -> ScreenerDecision:
        return self._answer()

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return self._answer()

    def _answer(self) -> ScreenerDecision:
        FakeScreener.calls += 1
        outcome = FakeScreener.outcomes.get(FakeScreener.calls, "passed")
        if outcome == "fails":
            raise ScreenerFailed("unavailable")
        if outcome == "unreadable":
            raise ScreenerFailed("the answer is not JSON", is_answered=True)
        if outcome == "passed":
            return ScreenerDecision(outcome=VerdictOutcome.PASSED, cost=FakeScreener.own_cost)
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED, categories=("violence",))


@pytest.fixture(autouse=True)
def screener(small: Any, monkeypatch: pytest.MonkeyPatch) -> type[FakeScreener]:
    """Configure the fake screener for prompts at 0.001 and for images at 0.0015."""
    entry = {"BACKEND": "tests.services.gateways.test_screening.FakeScreener"}
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "SCREENERS": [
            {**entry, "NAME": "texts", "STAGES": ["prompt"], "PRICE": str(TEXT_COST)},
            {**entry, "NAME": "images", "STAGES": ["output"], "PRICE": str(IMAGE_COST)},
        ],
    }
    monkeypatch.setattr(FakeScreener, "calls", 0)
    monkeypatch.setattr(FakeScreener, "outcomes", {})
    monkeypatch.setattr(FakeScreener, "own_cost", None)
    return FakeScreener


def ledger_entries(**filters: Any) -> list[tuple[str, str, Decimal]]:
    entries = LedgerEntry.objects.filter(**filters).order_by("pk")
    return [(e.kind, e.purpose, e.amount) for e in entries]


def spent() -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get()
    return period.spent, period.reserved


def test_the_estimate_and_the_reservation_include_screening(site: Site) -> None:
    job_request = site.job_request(count=2)
    quoted = creation.offer(actor=site.actor, job_request=job_request).cost.amount
    job = creation.request_images(actor=site.actor, job_request=job_request)

    assert quoted == job.estimated_cost == Decimal("0.04") + TEXT_COST + 2 * IMAGE_COST
    assert ledger_entries() == [
        ("reservation", "images", quoted),
        ("release", "screening", TEXT_COST),
        ("charge", "screening", TEXT_COST),
    ]
    assert spent() == (TEXT_COST, quoted - TEXT_COST)


def test_the_cost_of_a_job_includes_screening(site: Site) -> None:
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert job.actual_cost == Decimal("0.04") + TEXT_COST + 2 * IMAGE_COST
    assert job.screening_cost == TEXT_COST + 2 * IMAGE_COST
    assert spent() == (job.actual_cost, Decimal(0))
    assert ("charge", "screening", 2 * IMAGE_COST) in ledger_entries()
    assert job.attempts.get().actual_cost == Decimal("0.04")
    assert [v.cost for v in Verdict.objects.order_by("pk")] == [TEXT_COST, IMAGE_COST, IMAGE_COST]
    assert doctor.violated_invariants() == {}
    event = AuditEvent.objects.filter(type="money.charged").order_by("pk").first()
    assert event is not None
    assert '"purpose":"screening"' in event.body


def test_a_blocked_prompt_costs_only_its_screening(
    site: Site, screener: type[FakeScreener]
) -> None:
    screener.outcomes = {1: "blocked"}

    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request()

    assert refusal.value.job.actual_cost == TEXT_COST
    assert ledger_entries() == [("charge", "screening", TEXT_COST)]
    assert spent() == (TEXT_COST, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_an_image_blocked_by_screening_is_still_charged(
    site: Site, screener: type[FakeScreener]
) -> None:
    screener.outcomes = {3: "blocked"}
    job = site.request(count=2)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert (job.state, job.error_code) == ("blocked", "content_blocked")
    assert job.actual_cost == Decimal("0.04") + TEXT_COST + 2 * IMAGE_COST
    assert spent() == (job.actual_cost, Decimal(0))
    assert [v.outcome for v in job.verdicts.order_by("pk")] == ["passed", "passed", "blocked"]
    assert doctor.violated_invariants() == {}


def test_repeated_screening_is_charged_each_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = storage.put, []

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise StorageFailed("full")
        return put(*args, **kwargs)

    job = site.request()
    monkeypatch.setattr(storage, "put", fail_once)
    monkeypatch.setattr(waiting, "MAX_WAIT_SECONDS", 2.0)
    driver.drive(seconds=20)
    job.refresh_from_db()

    assert job.state == "succeeded"
    assert job.screening_cost == TEXT_COST + 2 * IMAGE_COST
    assert job.actual_cost == Decimal("0.02") + job.screening_cost
    assert doctor.violated_invariants() == {}


def test_a_screener_can_return_its_own_cost_and_a_failed_one_costs_nothing(
    site: Site, screener: type[FakeScreener]
) -> None:
    screener.own_cost = Decimal("0.0004")
    first = site.request()
    screener.outcomes = {2: "fails"}
    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request(prompt="A blue mug")

    assert first.screening_cost == Decimal("0.0004")
    assert refusal.value.job.actual_cost == 0
    assert doctor.violated_invariants() == {}


def test_no_screener_is_called_for_a_request_over_budget(
    site: Site, screener: type[FakeScreener]
) -> None:
    site.budget.limit = Decimal("0.0215")
    model_catalog.save(actor=System("test"), record=site.budget)

    with pytest.raises(access.ActionRefused) as refusal:
        site.request()

    assert refusal.value.code == "over_budget"
    assert screener.calls == 0


def test_no_transaction_is_open_while_a_screener_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(connection.savepoint_ids)
    depths = []
    answer = FakeScreener._answer

    def record_depth(self: FakeScreener) -> ScreenerDecision:
        # The test runs in a transaction, so an open transaction of the app is a savepoint.
        depths.append(len(connection.savepoint_ids))
        return answer(self)

    monkeypatch.setattr(FakeScreener, "_answer", record_depth)

    site.request()

    assert depths == [before]


def test_a_cancelled_job_costs_only_its_screening(site: Site) -> None:
    job = site.request()
    job_actions.cancel(actor=site.actor, job=job)
    driver.drive(seconds=5)
    job.refresh_from_db()

    assert (job.state, job.actual_cost) == ("cancelled", TEXT_COST)
    assert spent() == (TEXT_COST, Decimal(0))
    assert doctor.violated_invariants() == {}


def test_a_batch_is_charged_for_the_screening_of_each_row(
    site: Site, screener: type[FakeScreener]
) -> None:
    screener.outcomes = {2: "blocked"}
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
    assert batch.spent == spent()[0] == Decimal("0.04") + 3 * TEXT_COST + 2 * IMAGE_COST
    assert lifecycle.estimate_cost(version, site.model, rows=3) == 3 * (
        Decimal("0.02") + TEXT_COST + IMAGE_COST
    )
    assert doctor.violated_invariants() == {}


@pytest.mark.parametrize("price", ["a lot", "-1", "NaN", "0.00001"])
def test_an_invalid_price_is_reported_by_a_check(small: Any, price: str) -> None:
    entry = {
        "BACKEND": "tests.services.gateways.test_screening.FakeScreener",
        "NAME": "x",
        "PRICE": price,
    }
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [entry]}

    errors = [m for m in run_checks(tags=["imagegen"]) if "PRICE" in m.msg]

    assert len(errors) == 1
    assert "0.0015" in str(errors[0].hint)


def test_a_passing_decision_has_no_cost_of_its_own() -> None:
    assert PASSED.cost is None


@pytest.mark.parametrize("cost", [0.001, Decimal(-1), Decimal("NaN")])
def test_an_invalid_cost_from_a_screener_blocks_the_prompt(
    site: Site, screener: type[FakeScreener], cost: Any
) -> None:
    screener.own_cost = cost

    with pytest.raises(creation.PromptBlocked):
        site.request()

    assert ledger_entries() == []
    assert doctor.violated_invariants() == {}


class Careless:
    """A screener whose words and numbers no database takes."""

    def __init__(self, **_options: Any) -> None:
        pass

    def screen_image(self, _data: bytes, *, media_type: str) -> ScreenerDecision:
        """Decide, and say far too much about it."""
        return ScreenerDecision(
            outcome=VerdictOutcome.PASSED,
            categories=(f"{media_type}\x00", "\ud800", "x" * 5000),
            scores={"violence": 0.9, "odd": float("nan")},  # type: ignore[dict-item]  # as it says
            remedy="y\x00" * 5000,
        )


def test_a_paid_image_is_stored_whatever_a_screener_says_about_it(site: Site, small: Any) -> None:
    path = "tests.services.gateways.test_screening.Careless"
    entry = {"NAME": "careless", "BACKEND": path, "STAGES": ["output"]}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [entry]}
    job = site.request()

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert job.state == "succeeded"
    verdict = Verdict.objects.get()
    assert verdict.categories == ["image/png", "x" * 60]
    assert verdict.scores == {"violence": "0.9", "odd": "nan"}
    assert verdict.remedy == "y" * 300


@pytest.mark.parametrize(("outcome", "charged"), [("fails", 0), ("unreadable", TEXT_COST)])
def test_an_answer_that_cannot_be_read_is_charged_and_none_at_all_is_not(
    site: Site, screener: type[FakeScreener], outcome: str, charged: Decimal
) -> None:
    screener.outcomes = {1: outcome}

    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request()

    assert refusal.value.job.actual_cost == charged
    assert Verdict.objects.get().cost == charged
