from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from imagegen_app.core.states import FINAL_STATES, JobState
from imagegen_app.models import Attempt, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_attempt, make_job

pytestmark = pytest.mark.django_db


@use_case(audited=False)
def change(job: Job, **columns: object) -> None:
    Job.objects.filter(pk=job.pk).update(**columns)


def test_a_job_is_due_from_its_due_time_while_it_has_no_lease() -> None:
    job, now = make_job(state=JobState.QUEUED), clock.now()
    hour = timedelta(hours=1)
    cases: dict[str, tuple[dict[str, object], bool]] = {
        "now": ({"due_at": now, "lease_until": None, "is_held": False}, True),
        "later": ({"due_at": now + hour}, False),
        "leased": ({"due_at": now, "lease_until": now + hour}, False),
        "lease expired": ({"lease_until": now - hour}, True),
        "its batch is paused": ({"is_held": True}, False),
    }
    is_due = {}
    for name, (columns, _expected) in cases.items():
        change(job, **columns)
        is_due[name] = Job.objects.due(now).exists()

    assert is_due == {name: expected for name, (_columns, expected) in cases.items()}


def test_only_ended_jobs_are_left_out_of_the_unfinished_ones() -> None:
    job = make_job()
    is_listed = {}
    for state in JobState:
        ended = state in FINAL_STATES
        times = {"finished_at": clock.now(), "due_at": None} if ended else {"due_at": clock.now()}
        change(job, state=state.value, **({"finished_at": None} | times))
        is_listed[state] = Job.objects.unfinished().exists()

    assert {state for state, listed in is_listed.items() if not listed} == FINAL_STATES


def test_the_database_refuses_an_unfinished_job_without_a_due_time() -> None:
    job = make_job(state=JobState.QUEUED)

    with pytest.raises(IntegrityError), transaction.atomic():
        change(job, due_at=None)


def test_the_database_refuses_a_second_live_attempt_of_one_job() -> None:
    job = make_job()
    make_attempt(job=job, state="sent")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_attempt(job=job, state="created")

    assert Attempt.objects.count() == 1
