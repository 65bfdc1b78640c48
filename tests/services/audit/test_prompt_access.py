"""Whoever requests a job again becomes its requester, and not the author of its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import AuditEvent
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_job, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> Person:
    return access.actor_for(make_user("ann"))


@pytest.fixture
def bob() -> Person:
    return access.actor_for(make_user("bob"))


def job_of(actor: Person, **fields: Any) -> Any:
    return make_job(requester=actor.user, prompt="A secret mug", **fields)


def test_a_re_run_of_another_persons_job_does_not_show_its_prompt(ann: Person, bob: Person) -> None:
    first = job_of(ann)
    again = job_of(bob, replaces=first)
    further = job_of(bob, replaces=again)
    back = job_of(ann, replaces=further)

    assert prompt_access.read_prompt(ann, first) == "A secret mug"
    for job in (first, again, further):
        assert prompt_access.read_prompt(bob, job) is None
    # What somebody else added to it is not hers.
    assert prompt_access.read_prompt(ann, back) is None


def test_a_line_of_own_re_runs_stays_ones_own(ann: Person) -> None:
    first = job_of(ann)
    again = job_of(ann, replaces=first)
    chained = job_of(ann, root=again)

    assert prompt_access.can_read_prompt(ann, again)
    assert prompt_access.can_read_prompt(ann, chained)
    assert not AuditEvent.objects.filter(type="asset.prompt_viewed").exists()


def test_a_pass_requested_again_has_the_words_of_the_job_that_it_worked_for(
    ann: Person, bob: Person
) -> None:
    again = job_of(bob, replaces=job_of(ann))
    follow_up = job_of(bob, root=again)

    assert not prompt_access.can_read_prompt(bob, follow_up)
    assert not prompt_access.can_read_prompt(bob, job_of(bob, replaces=follow_up))


def test_a_permitted_persons_reading_of_their_re_run_is_recorded(ann: Person) -> None:
    officer = access.actor_for(make_user("cora", permissions=["imagegen.view_prompt"]))
    again = job_of(officer, replaces=job_of(ann))

    assert prompt_access.read_prompt(officer, again) == "A secret mug"
    assert AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=again.pk).count() == 1


def test_an_endless_line_of_re_runs_counts_as_somebody_elses(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_access, "_MOST_STEPS", 2)
    second = job_of(ann, replaces=job_of(ann))

    assert prompt_access.is_own_prompt(ann, second)
    assert not prompt_access.is_own_prompt(ann, job_of(ann, replaces=second))


def test_many_jobs_cost_as_many_queries_as_their_longest_line(ann: Person, bob: Person) -> None:
    plain = [job_of(ann) for _number in range(3)]
    again = [job_of(ann, replaces=one) for one in plain]
    others = job_of(bob)

    with CaptureQueriesContext(connection) as few:
        assert prompt_access.own_prompts(ann, [*plain, others]) == {one.pk for one in plain}
    with CaptureQueriesContext(connection) as more:
        assert prompt_access.own_prompts(ann, [*plain, *again, others]) == {
            one.pk for one in [*plain, *again]
        }

    assert (len(few), len(more)) == (0, 2)
