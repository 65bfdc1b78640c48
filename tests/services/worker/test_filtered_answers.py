"""An answer that was filtered and billed is booked, however the provider says so."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import BudgetPeriod, LedgerEntry
from imagegen_app.services.monitoring.doctor import violated_invariants
from imagegen_app.services.worker import driver
from tests.services.conftest import at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.services.conftest import Site


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
