"""What a provider says of a call under way is kept, and given back to the adapter at each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.types import (
    Call,
    Cost,
    GenerationRequest,
    Operation,
    Size,
    Submission,
    SubmissionStatus,
)
from imagegen_app.models import Job
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.foundation import clock
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.worker import _decisions, driver
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.services.conftest import Site, governed, take_first_step

if TYPE_CHECKING:
    from imagegen_app.models import Attempt
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome

EXPIRES = 4_000_000_000.0


class Staged(Sandbox):
    """Takes two polls, and notes in its state how many there were."""

    #: The calls that it was asked about.
    asked: ClassVar[list[Call]] = []
    noted: ClassVar[Any] = {"polls": 0, "address": "https://eu.example/1"}
    is_cancelled: ClassVar[bool] = False
    submissions: ClassVar[int] = 0

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        return Submission(
            SubmissionStatus.ACCEPTED,
            ref="call-1",
            state=self.noted,
            reported_cost=Cost(Decimal("0.07")),
            expires_at=EXPIRES,
            stage="queued",
            position=3,
            poll_after=0.2,
        )

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        self.asked.append(call)
        if type(self).is_cancelled:
            return Submission(SubmissionStatus.CANCELLED, ref=call.ref, is_unbilled=True)
        polls = call.state.get("polls", 0) + 1
        if polls < 2:
            return Submission(
                SubmissionStatus.RUNNING,
                state={**call.state, "polls": polls},
                stage="drawing",
                poll_after=0.2,
            )
        request = GenerationRequest(
            operation=call.operation, model=call.model, prompt="x", size=Size(64, 64)
        )
        return await super().submit(request, answer=answer)

    async def cancel(self, call: Call) -> CancelOutcome:
        self.asked.append(call)
        type(self).is_cancelled = True
        return "requested"


@pytest.fixture
def staged(db: None, small: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Staged, "asked", [])
    monkeypatch.setattr(Staged, "is_cancelled", False)
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"staged": f"{__name__}:Staged"}}
    return governed(
        make_image_model(provider=make_provider(adapter="staged"), provider_model_name="sandbox-1")
    )


def driven(site: Site, *, seconds: float = 60) -> tuple[Job, Attempt]:
    job = site.request()
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job, job.attempts.get()


def test_the_adapters_own_notes_come_back_with_each_poll(staged: Site) -> None:
    job, attempt = driven(staged)

    assert (job.state, job.error_code) == ("succeeded", "")
    assert Staged.asked == [
        Call("call-1", "sandbox-1", Operation.GENERATE, 1, "png", {**Staged.noted, "polls": n})
        for n in range(2)
    ]
    assert attempt.provider_state["polls"] == 1
    assert attempt.result_expires_at == datetime.fromtimestamp(EXPIRES, UTC)


def test_a_cost_that_is_told_before_the_result_is_charged(staged: Site) -> None:
    job, attempt = driven(staged)

    assert (attempt.actual_cost, job.actual_cost) == (Decimal("0.07"), Decimal("0.07"))


@pytest.mark.parametrize("noted", [{"a": "x" * 5000}, {"a": object()}, "text", {"a": "\0"}])
def test_notes_that_cannot_be_kept_are_left_out(
    staged: Site, monkeypatch: pytest.MonkeyPatch, noted: Any
) -> None:
    monkeypatch.setattr(Staged, "noted", noted)

    job, _attempt = driven(staged)

    assert job.state == "succeeded"
    assert Staged.asked[0].state == {}


def test_a_cancel_that_is_only_noted_ends_as_the_next_poll_says(
    staged: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_decisions, "poll_delay", lambda _attempt, _submission: 0.2)
    job = staged.request()
    take_first_step()
    assert Job.objects.get(pk=job.pk).state == "awaiting"
    job_actions.cancel(actor=staged.actor, job=Job.objects.get(pk=job.pk))

    driver.drive(seconds=10)

    job.refresh_from_db()
    assert (job.state, job.actual_cost) == ("cancelled", Decimal(0))
    assert {call.ref for call in Staged.asked} == {"call-1"}


def test_a_result_that_expires_soon_is_polled_for_sooner(staged: Site) -> None:
    attempt = driven(staged)[1]
    attempt.result_expires_at = clock.now() + timedelta(seconds=30)
    running = Submission(SubmissionStatus.RUNNING, poll_after=600)

    assert 5 < _decisions.poll_delay(attempt, running) <= 11
