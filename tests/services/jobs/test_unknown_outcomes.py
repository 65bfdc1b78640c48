"""A call whose outcome is unknown keeps its reservation, and each way out of it is told of."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app import conf
from imagegen_app.core.actors import System
from imagegen_app.core.errors import OutcomeUnknown, ProviderTimeout
from imagegen_app.models import Attempt, AuditEvent, BudgetPeriod, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import leases, transitions, unknown_outcomes

if TYPE_CHECKING:
    from tests.services.conftest import Site

COST = Decimal("0.02")
ACTOR = System("test")


@pytest.fixture
def call(site: Site) -> tuple[Job, Attempt]:
    """Return a job whose call is under way."""
    site.request()
    (job,) = leases.claim(limit=1, owner="worker")
    attempt = transitions.start_attempt(job, digest="0" * 64)
    transitions.mark_sent(job, attempt)
    return job, attempt


@pytest.fixture
def uncertain(call: tuple[Job, Attempt]) -> tuple[Job, Attempt]:
    job, attempt = call
    unknown_outcomes.mark_uncertain(job, attempt, look_again=60)
    (taken,) = leases.claim(limit=1, owner="worker", only=job.pk) or [job]
    return taken, attempt


def told(kind: str, job: Job) -> dict[str, Any]:
    row = AuditEvent.objects.get(type=kind)
    assert (row.object_id, row.job_id) == (str(job.pk), job.pk)
    data: dict[str, Any] = json.loads(row.body)["data"]
    return data


def stored(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def seconds_until(moment: Any) -> float:
    seconds: float = (moment - clock.now()).total_seconds()
    return seconds


def money(site: Site) -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get(budget=site.budget)
    return period.reserved, period.spent


@pytest.mark.parametrize("look_again", [60.0, None])
def test_it_is_looked_at_again_or_ends_at_its_deadline(
    site: Site, call: tuple[Job, Attempt], look_again: float | None
) -> None:
    job, attempt = call
    deadline = conf.get().uncertain_deadline_seconds
    error = OutcomeUnknown(detail="connection lost")

    unknown_outcomes.mark_uncertain(job, attempt, look_again=look_again, error=error)

    row = stored(job)
    assert (row.state, row.error_code) == ("uncertain", error.code)
    assert (row.error_message, row.error_remedy) == (str(error), error.remedy)
    due = deadline if look_again is None else look_again
    assert due - 5 < seconds_until(row.due_at) <= due
    assert deadline - 5 < seconds_until(row.deadline_at) <= deadline
    held = stored(attempt)
    assert (held.state, held.error_detail, held.live_job_id) == (
        "unknown",
        "connection lost",
        job.pk,
    )
    assert str(told("job.became_uncertain", job)["attempt"]) == str(attempt.pk)
    assert money(site) == (COST, Decimal(0))


def test_another_error_is_told_as_an_unknown_outcome(call: tuple[Job, Attempt]) -> None:
    job, attempt = call

    unknown_outcomes.mark_uncertain(job, attempt, look_again=1, error=ProviderTimeout())

    assert stored(job).error_message == str(OutcomeUnknown())


def test_looking_again_leaves_one_event(call: tuple[Job, Attempt]) -> None:
    job, attempt = call
    unknown_outcomes.mark_uncertain(job, attempt, look_again=1)

    unknown_outcomes.mark_uncertain(job, attempt, look_again=300)

    assert 295 < seconds_until(stored(job).due_at) <= 300
    assert AuditEvent.objects.filter(type="job.became_uncertain").count() == 1


def test_a_call_that_never_arrived_is_made_again_on_the_same_reservation(
    site: Site, uncertain: tuple[Job, Attempt]
) -> None:
    job, attempt = uncertain

    unknown_outcomes.requeue_not_received(job, attempt)

    row = stored(job)
    assert (row.state, row.lease_until) == ("queued", None)
    assert seconds_until(row.due_at) <= 0
    assert stored(attempt).state == "void"
    assert told("job.retried", job)["error"] == "never_accepted"
    assert money(site) == (COST, Decimal(0))


def test_a_call_that_is_sent_again_at_risk_is_charged_and_reserved_anew(
    site: Site, uncertain: tuple[Job, Attempt]
) -> None:
    job, attempt = uncertain

    unknown_outcomes.requeue_at_risk(job, attempt, actor=ACTOR)

    row = stored(job)
    assert row.state == "queued"
    assert seconds_until(row.deadline_at) > conf.get().job_deadline_seconds - 5
    settled = stored(attempt)
    assert (settled.state, settled.actual_cost, settled.error_code) == (
        "settled",
        COST,
        "outcome_unknown",
    )
    assert told("job.resolved", job)["outcome"] == "sent_again"
    assert AuditEvent.objects.get(type="job.resolved").actor_id == "test"
    assert money(site) == (COST, COST)


def test_a_call_that_is_given_up_keeps_its_charge(
    site: Site, uncertain: tuple[Job, Attempt]
) -> None:
    job, attempt = uncertain

    unknown_outcomes.close_uncertain(job, attempt, actor=ACTOR)

    row = stored(job)
    assert (row.state, row.actual_cost) == ("failed", COST)
    assert told("job.resolved", job)["outcome"] == "closed"
    assert money(site) == (Decimal(0), COST)


def test_the_same_call_sent_again_is_told_of_as_such(call: tuple[Job, Attempt]) -> None:
    job, attempt = call

    unknown_outcomes.mark_resent(job, attempt)

    first, again = AuditEvent.objects.filter(type="job.submitted").order_by("pk")
    assert "again" not in json.loads(first.body)["data"]
    assert json.loads(again.body)["data"]["again"] is True
