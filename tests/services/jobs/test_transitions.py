"""Each transition stores what it says, on the row and on the instance, and leaves its event."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.errors import (
    ContentBlocked,
    InvalidRequest,
    OutcomeUnknown,
    ProviderUnavailable,
)
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.core.types import Cost
from imagegen_app.models import Attempt, AuditEvent, Budget, BudgetPeriod, Job
from imagegen_app.moderation.base import ScreenerDecision
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.jobs import leases, state_machine, transitions, unknown_outcomes
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.factories import make_image_model

if TYPE_CHECKING:
    from tests.services.conftest import Site

CENT = Decimal("0.01")


def claimed(site: Site) -> Job:
    site.request()
    (job,) = leases.claim(limit=1, owner="worker")
    return job


def sent(site: Site) -> tuple[Job, Attempt]:
    """Return a job whose call is under way."""
    job = claimed(site)
    attempt = transitions.start_attempt(job, digest="0" * 64)
    transitions.mark_sent(job, attempt)
    return job, attempt


def event(kind: str, job: Job) -> dict[str, Any]:
    """Return what the only event of a kind about a job, by the worker, holds."""
    row = AuditEvent.objects.get(type=kind)
    assert (row.actor_kind, row.actor_id) == ("system", "worker")
    assert (row.object_type, row.object_id, row.job_id) == ("job", str(job.pk), job.pk)
    data: dict[str, Any] = json.loads(row.body)["data"]
    return data


def values(row: Job | Attempt, *names: str) -> tuple[Any, ...]:
    """Return fields of an instance, which the stored row has alike."""
    held = tuple(getattr(row, name) for name in names)
    row.refresh_from_db()
    assert held == tuple(getattr(row, name) for name in names)
    return held


def money(site: Site) -> tuple[Decimal, Decimal]:
    period = BudgetPeriod.objects.get(budget=site.budget)
    return period.reserved, period.spent


def test_a_started_call_is_numbered_and_told_of(site: Site) -> None:
    job, attempt = sent(site)

    assert values(job, "state", "tries") == ("submitting", 1)
    assert values(attempt, "state", "number", "is_resent_at_risk") == ("sent", 1, False)
    assert attempt.reserved_cost == 2 * CENT
    assert attempt.sent_at is not None
    started = event("job.attempt_started", job)
    assert (started["number"], str(started["attempt"])) == (1, str(attempt.pk))
    submitted = event("job.submitted", job)
    assert submitted["model"] == site.model.slug
    assert submitted["provider"] == site.model.provider.slug


def test_a_retry_queues_the_job_with_its_error_and_closes_the_attempt(site: Site) -> None:
    job, attempt = sent(site)

    transitions.retry(
        job, attempt, error=ProviderUnavailable(detail="503", request_id="r-1"), delay=30
    )

    error = ProviderUnavailable()
    assert values(job, "state", "tries", "error_code") == ("queued", 1, error.code)
    assert (job.error_message, job.error_remedy) == (str(error), error.remedy)
    assert job.due_at is not None
    assert 25 < (job.due_at - clock.now()).total_seconds() <= 30
    assert values(attempt, "state", "error_code", "error_detail") == ("refused", error.code, "503")
    assert (attempt.provider_request_id, attempt.live_job_id) == ("r-1", None)
    assert event("job.retried", job) == {"error": error.code, "delay_seconds": 30, "tries": 1}
    assert money(site) == (2 * CENT, Decimal(0))


def test_a_wait_counts_no_try_and_an_unsent_attempt_is_void(site: Site) -> None:
    job = claimed(site)
    attempt = transitions.start_attempt(job, digest="0" * 64)

    transitions.retry(job, attempt, error=ProviderUnavailable(), delay=1, counts=False)

    assert values(job, "state", "tries") == ("queued", 0)
    assert attempt.state == "void"


def test_a_second_try_after_a_lost_answer_is_marked_as_a_risk(site: Site) -> None:
    job, attempt = sent(site)
    transitions.retry(job, attempt, error=ProviderUnavailable(), delay=0)
    lose = use_case(audited=False)(Attempt.objects.filter(pk=attempt.pk).update)
    lose(error_code="outcome_unknown")
    (again,) = leases.claim(limit=1, owner="worker")

    second = transitions.start_attempt(again, digest="0" * 64)

    assert (second.number, second.is_resent_at_risk) == (2, True)


def test_an_accepted_call_is_polled_later_under_its_name(site: Site) -> None:
    job, attempt = sent(site)

    transitions.mark_accepted(job, attempt, ref="ref-1", request_id="r-1", poll_after=9)

    assert values(job, "state", "lease_until") == ("awaiting", None)
    assert job.due_at is not None
    assert 5 < (job.due_at - clock.now()).total_seconds() <= 9
    assert values(attempt, "state", "provider_ref", "provider_request_id") == (
        "accepted",
        "ref-1",
        "r-1",
    )
    accepted = event("job.accepted", job)
    assert (accepted["ref"], accepted["provider"]) == ("ref-1", site.model.provider.slug)


def test_an_answer_is_recorded_and_the_lease_kept(site: Site) -> None:
    job, attempt = sent(site)

    transitions.mark_answered(job, attempt, request_id="r-2")

    assert values(job, "state", "expired_leases") == ("ingesting", 0)
    assert values(attempt, "state", "provider_request_id") == ("answered", "r-2")
    assert attempt.answered_at is not None
    assert str(event("job.answered", job)["attempt"]) == str(attempt.pk)
    state_check = use_case(audited=False)(state_machine.require_lease)
    state_check(job)


def test_a_cancelled_job_does_not_ingest(site: Site) -> None:
    job, attempt = sent(site)
    cancel = use_case(audited=False)(Job.objects.filter(pk=job.pk).update)
    cancel(cancel_requested_at=clock.now())

    with pytest.raises(leases.LeaseLost, match=str(job.pk)):
        transitions.mark_answered(job, attempt)

    attempt.refresh_from_db()
    assert attempt.state == "sent"


def test_a_failure_that_was_not_billed_costs_nothing(site: Site) -> None:
    job, attempt = sent(site)

    transitions.fail(job, attempt, error=InvalidRequest(detail="too wide"))

    error = InvalidRequest()
    assert values(job, "state", "error_code", "error_message", "error_remedy") == (
        "failed",
        error.code,
        str(error),
        error.remedy,
    )
    assert (job.actual_cost, job.lease_until, job.due_at) == (0, None, None)
    assert job.finished_at is not None
    assert values(attempt, "state", "error_code") == ("refused", error.code)
    assert event("job.failed", job) == {"error": error.code, "detail": "too wide"}
    assert money(site) == (Decimal(0), Decimal(0))


def test_a_job_that_was_tried_in_vain_does_not_say_that_it_continues(site: Site) -> None:
    job, attempt = sent(site)

    transitions.fail(job, attempt, error=ProviderUnavailable())

    assert job.error_message == "The provider's service is unavailable."
    assert job.error_remedy == transitions.TRIED_IN_VAIN


def test_a_failure_that_was_billed_is_charged(site: Site) -> None:
    job, attempt = sent(site)

    transitions.fail(job, attempt, error=InvalidRequest(detail="bad"), charge=CENT)

    assert values(job, "state", "actual_cost") == ("failed", CENT)
    assert values(attempt, "state", "actual_cost", "error_code", "error_detail") == (
        "settled",
        CENT,
        InvalidRequest().code,
        "bad",
    )
    assert money(site) == (Decimal(0), CENT)


def test_blocked_content_ends_a_job_in_its_own_words(site: Site) -> None:
    job, attempt = sent(site)

    transitions.fail(job, attempt, error=ContentBlocked(categories=("violence",), stage="input"))

    assert values(job, "state", "error_code") == ("blocked", "content_blocked")
    told = event("job.blocked", job)
    assert (told["categories"], told["stage"]) == (["violence"], "input")


@pytest.mark.parametrize(
    ("charge", "state", "message"),
    [(None, "void", "nothing was billed"), (CENT, "settled", "it was billed")],
)
def test_a_cancelled_call_says_whether_it_was_billed(
    site: Site, charge: Decimal | None, state: str, message: str
) -> None:
    job, attempt = sent(site)

    transitions.cancel(job, attempt, charge=charge)

    assert values(job, "state", "actual_cost", "error_code") == ("cancelled", charge or 0, "")
    assert message in job.error_message
    assert values(attempt, "state", "live_job_id") == (state, None)
    assert event("job.cancelled", job) == {"was_billed": charge is not None}
    assert money(site) == (Decimal(0), charge or Decimal(0))


def test_an_expired_job_says_so_and_costs_nothing(site: Site) -> None:
    job = claimed(site)

    transitions.expire(job)

    assert values(job, "state", "error_code", "actual_cost") == ("expired", "expired", 0)
    assert job.error_message == "The job was not finished before its deadline."
    assert job.error_remedy == "Request it again."
    event("job.expired", job)
    assert money(site) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize("note", [None, InvalidRequest()])
def test_a_job_with_images_is_charged_and_says_what_is_missing(
    site: Site, note: InvalidRequest | None
) -> None:
    job, attempt = sent(site)
    transitions.mark_answered(job, attempt)

    transitions.succeed(
        job,
        attempt,
        charge=CENT,
        made=1,
        model_version="v9",
        revised_prompt="A very red mug",
        note=note,
    )

    assert values(job, "state", "actual_cost", "progress") == ("succeeded", CENT, 1.0)
    assert job.error_code == ("" if note is None else "fewer_images")
    assert job.error_message == ("" if note is None else str(note))
    assert job.error_remedy == ("" if note is None else note.remedy)
    assert values(attempt, "state", "model_version", "revised_prompt", "error_code") == (
        "settled",
        "v9",
        "A very red mug",
        "",
    )
    assert event("job.succeeded", job) == {"count": 1, "wanted": 1}
    assert money(site) == (Decimal(0), CENT)


def test_extras_of_a_job_are_part_of_what_it_cost(site: Site) -> None:
    job, attempt = sent(site)
    book = use_case(audited=False)(state_machine.charge_captions)
    book(job, CENT)

    assert values(job, "captioning_cost", "screening_cost") == (CENT, 0)
    transitions.cancel(job, attempt, charge=None)

    assert values(job, "actual_cost") == (CENT,)
    assert money(site) == (Decimal(0), CENT)
    assert event("money.charged", job)["purpose"] == "captioning"


def test_what_screeners_cost_is_stored_and_charged_whatever_becomes_of_the_job(
    site: Site,
) -> None:
    job, attempt = sent(site)
    decision = ScreenerDecision(VerdictOutcome.BLOCKED)
    verdict = screening.UnsavedVerdict("eyes", "output", "output_image:1", decision, cost=CENT)

    transitions.fail(job, attempt, error=ContentBlocked(), charge=CENT, screened=[verdict])

    assert values(job, "state", "screening_cost", "actual_cost") == ("blocked", CENT, 2 * CENT)
    assert job.verdicts.get(stage="output").screener == "eyes"
    assert money(site) == (Decimal(0), 2 * CENT)
    charged = AuditEvent.objects.filter(type="money.charged", actor_id="worker").order_by("pk")
    assert [json.loads(row.body)["data"].get("purpose") for row in charged] == ["screening", None]


def test_another_model_is_paid_by_the_budgets_of_the_requester(site: Site) -> None:
    own = Budget(name="Own", scope="user", user=site.actor.user, period="month", limit=Decimal(1))
    model_catalog.save(actor=System("test"), record=own)
    job, attempt = sent(site)
    other = make_image_model()

    transitions.fail_over(
        job,
        attempt,
        to=other,
        cost=Cost(5 * CENT, "USD"),
        fingerprint="f" * 64,
        error=ProviderUnavailable(),
    )

    assert values(job, "state", "tries", "image_model", "estimated_cost", "fingerprint") == (
        "queued",
        0,
        other,
        5 * CENT,
        "f" * 64,
    )
    assert values(attempt, "state") == ("refused",)
    assert money(site) == (5 * CENT, Decimal(0))
    assert BudgetPeriod.objects.get(budget=own).reserved == 5 * CENT
    assert event("job.failed_over", job) == {
        "from": site.model.slug,
        "model": other.slug,
        "provider": other.provider.slug,
        "error": ProviderUnavailable().code,
    }


def test_a_transition_that_is_not_allowed_changes_nothing(site: Site) -> None:
    job, attempt = sent(site)
    transitions.cancel(job, attempt, charge=None)

    with pytest.raises(state_machine.IllegalTransition, match="from cancelled to queued"):
        transitions.retry(job, None, error=ProviderUnavailable(), delay=0)

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_an_attempt_keeps_what_the_provider_explains_without_the_prompt(site: Site) -> None:
    job, attempt = sent(site)
    error = InvalidRequest(detail="HTTP 400")
    error.provider_message = f"We do not draw “{job.prompt}”, sorry."

    transitions.fail(job, attempt, error=error)

    assert values(attempt, "provider_message") == ("We do not draw “[prompt]”, sorry.",)
    assert values(job, "error_message", "error_code") == (str(error), error.code)
    told = "".join(AuditEvent.objects.values_list("body", flat=True))
    assert "sorry" not in told


def test_a_charged_or_uncertain_attempt_keeps_it_too(site: Site) -> None:
    job, attempt = sent(site)
    lost = OutcomeUnknown(detail="HTTP 500")
    lost.provider_message = "We do not know either."

    unknown_outcomes.mark_uncertain(job, attempt, look_again=None, error=lost)

    assert values(attempt, "state", "provider_message") == ("unknown", "We do not know either.")
    blocked = ContentBlocked(stage="output", billed="yes")
    blocked.provider_message = "The image was withheld."
    transitions.fail(job, attempt, error=blocked, charge=CENT)
    assert values(attempt, "state", "provider_message") == ("settled", "The image was withheld.")


def test_nothing_is_kept_of_it_once_the_prompt_is_erased(site: Site) -> None:
    job, attempt = sent(site)
    error = InvalidRequest()
    error.provider_message = f"We do not draw “{job.prompt}”."
    attempt.job.prompt, attempt.job.prompt_erased_at = "", clock.now()

    transitions.fail(job, attempt, error=error)

    assert values(attempt, "provider_message") == ("",)
