"""Answers that arrive together are noted together; one that cannot be holds up no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.models import AuditEvent, Grant, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.jobs.breaker import require_closed
from imagegen_app.services.jobs.rebuilding import operation_of, size_of
from imagegen_app.services.monitoring.doctor import violated_invariants
from imagegen_app.services.policy.access import GrantDecision
from imagegen_app.services.worker import _answers, _provider_health, driver
from imagegen_app.services.worker._call_loop import CallLoop, CallResult
from imagegen_app.services.worker._job_steps import RunningStep

if TYPE_CHECKING:
    from imagegen_app.models import Attempt
    from tests.services.conftest import Site

ANSWERED = Submission(status=SubmissionStatus.ANSWERED)


def under_way(site: Site, number: int) -> list[tuple[Job, Attempt, str]]:
    """Return calls that were sent, each with the request id of its answer."""
    for n in range(number):
        site.request(prompt=f"A mug, number {n}")
    found: list[tuple[Job, Attempt, str]] = []
    for job in leases.claim(limit=number, owner="me"):
        attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
        transitions.mark_sent(job, attempt)
        found.append((job, attempt, f"req-{len(found)}"))
    return found


def stored(calls: list[tuple[Job, Attempt, str]]) -> list[tuple[str, str, str]]:
    found = []
    for job, attempt, _request_id in calls:
        fresh = Job.objects.get(pk=job.pk)
        mine = fresh.attempts.get(pk=attempt.pk)
        found.append((fresh.state, mine.state, mine.provider_request_id))
    return found


def test_answers_are_noted_together_each_with_its_request_id_and_event(site: Site) -> None:
    calls = under_way(site, 3)

    assert _answers.try_record_together(calls)

    assert stored(calls) == [("ingesting", "answered", f"req-{n}") for n in range(3)]
    assert [job.state for job, _attempt, _request_id in calls] == ["ingesting"] * 3
    assert AuditEvent.objects.filter(type="job.answered").count() == 3
    assert violated_invariants() == {}


def test_a_further_answer_costs_a_statement_and_not_a_transaction(site: Site) -> None:
    calls = under_way(site, 6)

    def statements(some: list[tuple[Job, Attempt, str]]) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert _answers.try_record_together(some)
        return [query["sql"] for query in captured.captured_queries]

    two, three = statements(calls[1:3]), statements(calls[3:])

    assert len(three) - len(two) == 1, "\n".join((*two, "", *three))


@pytest.mark.parametrize("trouble", ["a wish to stop", "a lost lease", "the database"])
def test_where_one_cannot_be_noted_none_is_and_each_is_looked_at_alone(
    site: Site, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = under_way(site, 3)
    job = calls[1][0]
    if trouble == "a wish to stop":
        job_actions.cancel(actor=site.actor, job=Job.objects.get(pk=job.pk))
    elif trouble == "a lost lease":
        job.lease_token -= 1
    else:
        monkeypatch.setattr(transitions, "_record_answer", _away)

    assert not _answers.try_record_together(calls)

    assert [states[:2] for states in stored(calls)] == [("submitting", "sent")] * 3
    # What is in our hands is as it was, so that each can be noted by itself.
    assert [(j.state, a.state) for j, a, _request_id in calls] == [("submitting", "sent")] * 3
    assert not AuditEvent.objects.filter(type="job.answered").exists()


def _away(*_args: object) -> None:
    raise DatabaseError("the connection is gone")


def test_a_driver_keeps_the_others_where_one_was_to_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = under_way(site, 3)
    made: list[Job] = []
    with CallLoop() as loop:
        steps = driver.Driver(loop, seconds=0).steps
        monkeypatch.setattr(steps, "_ingest", lambda job, _attempt: made.append(job))
        for job, attempt, _request_id in calls:
            steps.running[job.pk] = RunningStep("submit", job, attempt)
        job_actions.cancel(actor=site.actor, job=Job.objects.get(pk=calls[0][0].pk))

        steps.finish([CallResult(job.pk, result=ANSWERED) for job, _attempt, _request_id in calls])

    assert [states[:2] for states in stored(calls)] == [
        ("cancelled", "settled"),
        ("ingesting", "answered"),
        ("ingesting", "answered"),
    ]
    assert made == [job for job, _attempt, _request_id in calls[1:]]
    assert steps.running == {}


@pytest.mark.parametrize(
    ("done", "plain"),
    [
        (CallResult("x", result=ANSWERED), True),
        (CallResult("x", result=Submission(status=SubmissionStatus.RUNNING, ref="7")), False),
        (CallResult("x", result=None), False),
        (CallResult("x", result=ANSWERED, error=RuntimeError()), False),
    ],
)
def test_only_an_answer_is_plain(site: Site, done: CallResult, plain: bool) -> None:
    job = under_way(site, 1)[0][0]

    assert _answers.is_immediate_answer(job, done) is plain


def test_good_answers_are_not_looked_behind_each_time_but_a_failure_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = under_way(site, 1)[0][0]
    monitor, good = _provider_health.HealthMonitor(), CallResult("x", result=ANSWERED)

    monitor.record_result(job, good, of_submit=True)
    with CaptureQueriesContext(connection) as second:
        monitor.record_result(job, good, of_submit=True)
    monitor.record_result(job, CallResult("x", error=RuntimeError("ours")), of_submit=True)
    with CaptureQueriesContext(connection) as after_trouble:
        monitor.record_result(job, good, of_submit=True)

    monkeypatch.setattr(_provider_health, "RECHECK_SECONDS", 0.0)
    with CaptureQueriesContext(connection) as later:
        monitor.record_result(job, good, of_submit=True)

    assert len(second) == 0
    assert len(after_trouble) > 0
    assert len(later) > 0
    require_closed(job)


def test_what_the_allowlist_said_holds_for_one_round_only(site: Site) -> None:
    job = site.request()
    alike = (job.requester_id, job.image_model_id, operation_of(job), size_of(job), job.count)
    withdraw_grants()

    with CallLoop() as loop:
        worker = driver.Driver(loop, seconds=0)
        worker.steps.grant_decisions = {alike: GrantDecision(allowed=True)}
        worker._claim()

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "not_granted")


@use_case(audited=False)
def withdraw_grants() -> None:
    Grant.objects.all().delete()


def test_the_job_of_an_account_that_was_closed_meanwhile_fails_and_says_why(site: Site) -> None:
    job = site.request()
    account = site.actor.user
    account.is_active = False
    account.save()

    driver.drive(seconds=5)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "not_granted")
