"""Answers that come home together are noted together; one that cannot be holds up no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.models import AuditEvent, Job
from imagegen_app.services import answers, control, driver, health, jobs, leases
from imagegen_app.services.breaker import demand_closed
from imagegen_app.services.call_loop import Done
from imagegen_app.services.doctor import broken_invariants

if TYPE_CHECKING:
    from imagegen_app.models import Attempt
    from tests.services.conftest import Site

ANSWERED = Submission(status=SubmissionStatus.ANSWERED)


def under_way(site: Site, number: int) -> list[tuple[Job, Attempt, str]]:
    """Return calls that were sent, each with the request id of its answer."""
    for n in range(number):
        site.request(prompt=f"A mug, number {n}")
    found = []
    for job in leases.claim(limit=number, owner="me"):
        attempt = jobs.begin(job, digest=leases.digest_of(job))
        jobs.mark_sent(job, attempt)
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

    assert answers.noted(calls)

    assert stored(calls) == [("ingesting", "answered", f"req-{n}") for n in range(3)]
    assert [job.state for job, _attempt, _request_id in calls] == ["ingesting"] * 3
    assert AuditEvent.objects.filter(type="job.answered").count() == 3
    assert broken_invariants() == {}


def test_a_further_answer_costs_a_statement_and_not_a_transaction(site: Site) -> None:
    calls = under_way(site, 6)

    with CaptureQueriesContext(connection) as few:
        answers.noted(calls[:2])
    with CaptureQueriesContext(connection) as many:
        answers.noted(calls[2:])

    assert len(many) - len(few) == 2


@pytest.mark.parametrize("trouble", ["a wish to stop", "a lost lease", "the database"])
def test_where_one_cannot_be_noted_none_is_and_each_is_looked_at_alone(
    site: Site, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = under_way(site, 3)
    job = calls[1][0]
    if trouble == "a wish to stop":
        control.cancel(actor=site.actor, job=Job.objects.get(pk=job.pk))
    elif trouble == "a lost lease":
        job.lease_token -= 1
    else:
        monkeypatch.setattr(jobs, "_note_answer", _away)

    assert not answers.noted(calls)

    assert [states[:2] for states in stored(calls)] == [("submitting", "sent")] * 3
    # What is in our hands is as it was, so that each can be noted by itself.
    assert [(j.state, a.state) for j, a, _request_id in calls] == [("submitting", "sent")] * 3
    assert not AuditEvent.objects.filter(type="job.answered").exists()


def _away(*_args: object) -> None:
    raise DatabaseError("the connection is gone")


def test_a_driver_keeps_the_others_where_one_was_to_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    noted = answers.noted

    def stopped_meanwhile(calls: list[tuple[Job, Attempt, str]]) -> bool:
        together.append(len(calls))
        if len(together) == 1:
            control.cancel(actor=site.actor, job=Job.objects.get(pk=calls[0][0].pk))
        return noted(calls)

    monkeypatch.setattr(answers, "noted", stopped_meanwhile)
    for n in range(4):
        site.request(prompt=f"A mug, number {n}")

    driver.drive(seconds=20)

    assert together
    assert together[0] > 1
    states = sorted(Job.objects.values_list("state", flat=True))
    assert states == ["cancelled", "succeeded", "succeeded", "succeeded"]
    assert broken_invariants() == {}


@pytest.mark.parametrize(
    ("done", "plain"),
    [
        (Done("x", result=ANSWERED), True),
        (Done("x", result=Submission(status=SubmissionStatus.RUNNING, ref="7")), False),
        (Done("x", result=None), False),
        (Done("x", result=ANSWERED, error=RuntimeError()), False),
    ],
)
def test_only_an_answer_is_plain(site: Site, done: Done, plain: bool) -> None:
    job = under_way(site, 1)[0][0]

    assert answers.is_plain(job, done) is plain


def test_good_answers_are_not_looked_behind_each_time_but_a_failure_is(site: Site) -> None:
    job = under_way(site, 1)[0][0]
    ear, good = health.Ear(), Done("x", result=ANSWERED)

    ear.heard(job, good, of_submit=True)
    with CaptureQueriesContext(connection) as second:
        ear.heard(job, good, of_submit=True)
    ear.heard(job, Done("x", error=RuntimeError("ours")), of_submit=True)
    with CaptureQueriesContext(connection) as after_trouble:
        ear.heard(job, good, of_submit=True)

    assert len(second) == 0
    assert len(after_trouble) > 0
    demand_closed(job)
