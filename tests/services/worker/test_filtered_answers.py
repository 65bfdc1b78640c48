"""An answer that was filtered and billed is booked, however the provider says so."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.errors import ContentBlocked
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import Usage
from imagegen_app.models import BudgetPeriod, LedgerEntry
from imagegen_app.moderation.base import PASSED, ScreenerDecision
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.monitoring.doctor import violated_invariants
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.services.conftest import at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.core.types import ProviderResult
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site

HERE = "tests.services.worker.test_filtered_answers"


@pytest.fixture
def openai_site(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Site:
    return governed(at_simulator(simulator, small, monkeypatch, "openai"))


@pytest.mark.parametrize(
    ("kind", "fault", "spent"),
    [
        ("error_in_200", {"code": "moderation_blocked"}, "0.02"),
        ("moderation_block", {"stage": "output"}, "0"),
    ],
    ids=["made and filtered", "refused"],
)
def test_what_a_filtered_answer_cost_is_booked(
    openai_site: Site, simulator: SimulatorProcess, kind: str, fault: dict[str, Any], spent: str
) -> None:
    simulator.fail(kind, **fault)
    job = openai_site.request(size="1024x1024")

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert (job.state, job.error_code, job.tries) == ("blocked", "content_blocked", 1)
    assert job.actual_cost == Decimal(spent)
    assert bool(simulator.bill()["images"]) == bool(Decimal(spent))
    period = BudgetPeriod.objects.get()
    assert (period.spent, period.reserved) == (Decimal(spent), 0)
    assert LedgerEntry.objects.filter(kind="charge").count() == bool(Decimal(spent))
    assert violated_invariants() == {}


def test_a_failed_job_that_says_it_is_billed_is_booked(
    jobs_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("job_failed", code="content_blocked", billed=True)
    job = jobs_site.request()

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert (job.state, job.actual_cost) == ("blocked", Decimal("0.02"))
    assert BudgetPeriod.objects.get().spent == Decimal("0.02")
    assert violated_invariants() == {}


class Counting(Sandbox):
    """An adapter whose answers count tokens, whatever becomes of their images."""

    #: What becomes of them; set by each test.
    kind: ClassVar[str] = ""
    usage: ClassVar[Usage] = Usage(output_image_tokens=5_000)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = replace(super().read_answer(answer), usage=self.usage)
        if self.kind == "filtered":
            error = ContentBlocked(stage="output", billed="yes")
            error.counted = replace(result, images=())
            raise error
        if self.kind == "broken":
            images = tuple(replace(image, data=b"no image") for image in result.images)
            return replace(result, images=images)
        return result


class Strict:
    """A screener that lets no image pass."""

    def __init__(self, **options: object) -> None:
        pass

    def screen_text(self, text: str) -> ScreenerDecision:
        return PASSED

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        return ScreenerDecision(outcome=VerdictOutcome.BLOCKED, categories=("violence",))


@pytest.fixture
def counting(db: None, small: Any) -> Site:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "ADAPTERS": {"counting": f"{HERE}.Counting"},
    }
    Counting.kind, Counting.usage = "", Usage(output_image_tokens=5_000)
    model = make_image_model(
        provider=make_provider(adapter="counting"),
        provider_model_name="sandbox-1",
        price_list={
            "currency": "USD",
            "per_image": [{"amount": "0.02"}],
            "per_million_tokens": {"output_image": "10"},
        },
    )
    return governed(model)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("filtered", "blocked"), ("screened", "blocked"), ("broken", "failed")],
)
def test_an_answer_without_a_usable_image_costs_what_it_counts(
    counting: Site, small: Any, kind: str, state: str
) -> None:
    Counting.kind = kind
    if kind == "screened":
        strict = {"NAME": "strict", "BACKEND": f"{HERE}.Strict", "STAGES": ["output"]}
        small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [strict]}
    job = counting.request()

    driver.drive(seconds=10)

    job.refresh_from_db()
    # 5,000 tokens at 10 USD a million; 0.02 USD were reserved.
    assert (job.state, job.actual_cost) == (state, Decimal("0.05"))
    assert BudgetPeriod.objects.get().spent == Decimal("0.05")
    assert violated_invariants() == {}


def test_an_answer_that_counts_nothing_costs_what_was_reserved(counting: Site) -> None:
    Counting.kind, Counting.usage = "filtered", Usage(input_text_tokens=40)
    job = counting.request()

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert (job.state, job.actual_cost) == ("blocked", Decimal("0.02"))
    assert violated_invariants() == {}


def test_counts_out_of_range_beside_an_error_are_ignored(counting: Site) -> None:
    Counting.kind, Counting.usage = "filtered", Usage(output_image_tokens=10**40)
    job = counting.request()

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert (job.state, job.actual_cost) == ("blocked", Decimal("0.02"))
