"""The stage names a person's running and ended requests by words that they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.ids import uuid7
from imagegen_app.services.job_requests import job_actions
from imagegen_app.services.library import session_turns
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.services.arranged import change_job

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site


def headings(actor: Person) -> list[str]:
    return [one.title for one in session_turns.stage_of(actor, session=uuid7()).running]


def test_a_job_requested_again_for_another_person_is_not_named_by_its_prompt(site: Site) -> None:
    own = site.request(prompt="A secret mug")
    named = headings(site.actor)
    change_job(own, state="failed", finished_at=own.created_at)
    other = access.actor_for(make_user(groups=["Image editors"]))
    job_actions.request_again(actor=other, job=own)

    assert named == ["A secret mug"]
    assert headings(other) == ["Generate"]
