"""A session keeps a person's requests together; nobody else sees or changes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.ids import uuid7
from imagegen_app.models import AuditEvent, Job, StudioSession
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, job_actions, sessions
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import make_job, make_user
from tests.services import arranged

if TYPE_CHECKING:
    import uuid

    from tests.services.conftest import Site


def request_in(site: Site, key: uuid.UUID, **parts: object) -> Job:
    asked = replace(site.job_request(**parts), session=key)
    return creation.request_images(actor=site.actor, job_request=asked)


def current(site: Site, wanted: uuid.UUID | None = None, *, is_new: bool = False) -> uuid.UUID:
    own = sessions.own_sessions(site.actor)
    return sessions.current_key(site.actor, own=own, wanted=wanted, is_new=is_new)


def test_a_session_begins_with_its_first_request_and_keeps_the_next(site: Site) -> None:
    key = current(site)
    before = StudioSession.objects.count()

    first, second = request_in(site, key), request_in(site, key)

    assert before == 0
    assert (first.session_id, second.session_id) == (key, key)
    (only,) = sessions.own_sessions(site.actor)
    assert (only.key, only.request_count) == (key, 2)


def test_the_last_session_is_continued_for_some_hours_or_where_it_is_named(site: Site) -> None:
    key = arranged.session_of_a_job(site)
    lately = current(site)
    long_ago = clock.now() - timedelta(hours=sessions.CONTINUED_HOURS + 1)
    use_case(audited=False)(StudioSession.objects.filter(pk=key).update)(used_at=long_ago)

    assert lately == key
    assert current(site) != key
    assert current(site, key) == key
    assert current(site, key, is_new=True) != key


def test_the_session_of_somebody_else_is_not_worked_in(site: Site) -> None:
    key = arranged.session_of_a_job(site)
    stranger = access.actor_for(make_user("sven"))

    mine = sessions.current_key(stranger, own=sessions.own_sessions(stranger), wanted=key)
    with pytest.raises(ActionRefused, match="not renamed"):
        sessions.rename(actor=stranger, key=key, name="Mine")

    assert mine != key
    assert sessions.own_sessions(stranger) == []


def test_a_session_is_named_by_its_owner_or_by_what_it_began_with(site: Site) -> None:
    key = uuid7()
    request_in(site, key, prompt="a blue ceramic mug on a wooden table in the morning light of May")
    (unnamed,) = sessions.own_sessions(site.actor)

    sessions.rename(actor=site.actor, key=key, name="  Spring   catalogue ")
    (named,) = sessions.own_sessions(site.actor)
    sessions.rename(actor=site.actor, key=key, name="")
    (again,) = sessions.own_sessions(site.actor)

    assert unnamed.title == again.title == "a blue ceramic mug on a wooden table in the…"
    assert named.title == "Spring catalogue"
    events = AuditEvent.objects.filter(type="studio_session.renamed")
    assert not any("Spring" in one.body for one in events)


def test_a_name_that_is_too_long_is_refused_with_the_limit(site: Site) -> None:
    key = arranged.session_of_a_job(site)

    with pytest.raises(ActionRefused) as refusal:
        sessions.rename(actor=site.actor, key=key, name="x" * 81)

    assert "81 characters; at most 80" in refusal.value.reason


def test_a_job_that_is_moved_to_the_front_goes_before_ones_own_and_not_before_others(
    site: Site,
) -> None:
    first, second = site.request(), site.request()
    stranger = make_user("sven", groups=["Image editors"])
    foreign = make_job(requester=stranger, state="queued", queue_order=first.queue_order)
    third = site.request()

    job_actions.move_to_front(actor=site.actor, job=third)

    order = list(
        Job.objects.filter(requester=site.actor.user)
        .order_by("queue_order")
        .values_list("pk", flat=True)
    )
    foreign.refresh_from_db()
    assert order == [third.pk, first.pk, second.pk]
    assert foreign.queue_order == first.queue_order


def test_only_ones_own_queued_job_is_moved(site: Site) -> None:
    job = site.request()
    stranger = access.actor_for(make_user("sven"))

    with pytest.raises(job_actions.JobActionRefused, match="not moved"):
        job_actions.move_to_front(actor=stranger, job=job)
