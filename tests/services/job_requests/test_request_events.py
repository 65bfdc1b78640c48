"""What was asked for is on the job and in its events, also where it was refused or answered at once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, AuditPersonalText, Budget, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.job_requests import creation, from_job, job_actions
from imagegen_app.services.policy import access, budget_refusals, model_catalog
from imagegen_app.testing.factories import make_attempt, make_user
from tests.services import arranged

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site


@pytest.fixture
def kim(db: None) -> Person:
    return access.actor_for(make_user("kim", permissions=["imagegen.resolve_job"]))


def event(kind: str) -> AuditEvent:
    found: AuditEvent = AuditEvent.objects.get(type=kind)
    return found


def data(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event(kind).body)["data"]
    return found


def test_a_request_is_told_with_all_that_it_asks_for(site: Site) -> None:
    job = site.request(count=2, seed=5)

    told = data("job.requested")
    assert told == {
        "operation": "generate",
        "model": site.model.slug,
        "model_version": "1",
        "provider": site.model.provider.slug,
        "count": 2,
        "size": "64x64",
        "estimated_cost": "0.04",
        "currency": "USD",
        "seed": 5,
        "template": "",
        "template_version": None,
        "rule": told["rule"],
    }
    assert told["rule"].startswith("grant:")
    about = event("job.requested")
    assert (about.job_id, about.object_id, about.actor_id) == (job.pk, str(job.pk), site.actor.id)


def test_a_refused_request_is_told_with_its_rule_and_texts(site: Site) -> None:
    tight = Budget(name="Tight", scope="user", user=site.actor.user, period="day", limit=0)
    model_catalog.save(actor=System("test"), record=tight)

    with pytest.raises(budget_refusals.OverBudget) as refused:
        site.request(count=2)

    assert data("job.denied") == {
        "operation": "generate",
        "model": site.model.slug,
        "count": 2,
        "size": "64x64",
        "rule": "over_budget",
    }
    texts = dict(
        AuditPersonalText.objects.filter(event__type="job.denied").values_list("field", "value")
    )
    assert texts["prompt"] == "A red mug"
    assert texts["reason"] == refused.value.reason
    assert event("job.denied").actor_id == site.actor.id


def test_a_conflict_of_keys_has_a_code_of_its_own(site: Site) -> None:
    site.request(idempotency_key="k")

    with pytest.raises(creation.IdempotencyConflict) as refused:
        site.request(idempotency_key="k", prompt="A blue mug")

    assert refused.value.code == "idempotency_conflict"
    assert not AuditEvent.objects.filter(type="job.denied").exists()


def test_a_blocked_request_says_by_what_and_what_to_do(site: Site) -> None:
    with pytest.raises(creation.PromptBlocked) as refused:
        site.request(prompt="revenge  porn")

    verdict = refused.value.job.verdicts.get(outcome="blocked")
    assert f"“{verdict.screener}” blocked this part: prompt" in refused.value.reason
    assert access.contact_sentence() in refused.value.remedy
    job = Job.objects.get()
    assert (job.state, job.error_code, job.due_at) == ("blocked", "content_blocked", None)
    assert "categories" in data("job.blocked")
    assert not AuditEvent.objects.filter(type="job.cached").exists()


def test_jobs_of_one_person_queue_in_the_order_of_their_requests(site: Site) -> None:
    jobs = [site.request(prompt=f"Mug {number}") for number in range(3)]

    orders = [job.queue_order for job in jobs]
    assert orders == sorted(set(orders))


def test_a_cancelled_job_says_who_did_it_and_when(site: Site) -> None:
    job = site.request()
    job_actions.cancel(actor=site.actor, job=job)

    with pytest.raises(job_actions.JobActionRefused) as refused:
        job_actions.cancel(actor=site.actor, job=job)

    assert refused.value.is_already_done
    assert refused.value.reason.startswith("The job is already cancelled. ")
    assert "edda" in refused.value.reason
    asked = event("job.cancel_requested")
    assert (asked.job_id, asked.object_id, asked.actor_id) == (
        job.pk,
        str(job.pk),
        site.actor.id,
    )


def test_an_ended_job_is_not_cancelled(site: Site) -> None:
    job = arranged.cancelled_job(site)
    arranged.change_job(job, state="failed", cancel_requested_at=None)

    with pytest.raises(job_actions.JobActionRefused, match="The job has ended") as refused:
        job_actions.cancel(actor=site.actor, job=job)

    assert not refused.value.is_already_done
    assert refused.value.remedy == access.contact_sentence()


def test_a_job_is_requested_again_once_and_says_by_whom(site: Site) -> None:
    job = arranged.cancelled_job(site)
    again = job_actions.request_again(actor=site.actor, job=job)

    with pytest.raises(job_actions.JobActionRefused) as refused:
        job_actions.request_again(actor=site.actor, job=job)

    assert (again.replaces, again.prompt, again.requester) == (job, job.prompt, site.actor.user)
    assert refused.value.is_already_done
    assert refused.value.reason.startswith("It has already been requested again. ")
    assert "edda" in refused.value.reason


def test_a_job_with_images_is_not_requested_again(site: Site) -> None:
    job = site.request()

    with pytest.raises(job_actions.JobActionRefused, match="ended without all") as refused:
        job_actions.request_again(actor=site.actor, job=job)

    assert not refused.value.is_already_done


@pytest.mark.parametrize(
    ("resolution", "states", "kind"),
    [
        ("close", ("failed", "settled"), "job.resolved"),
        ("send_again", ("queued", "settled"), "job.resolved"),
        ("never_accepted", ("queued", "void"), "job.retried"),
    ],
)
def test_each_resolution_ends_the_call_in_its_way(
    site: Site, kim: Person, resolution: str, states: tuple[str, str], kind: str
) -> None:
    job = arranged.uncertain_job(site)

    job_actions.resolve(actor=kim, job=job, resolution=resolution)

    job.refresh_from_db()
    assert (job.state, job.attempts.get().state) == states
    assert event(kind).actor_id == kim.id


@pytest.mark.parametrize("resolution", ["close", "never_accepted"])
def test_a_second_resolution_says_who_was_first(site: Site, kim: Person, resolution: str) -> None:
    job = arranged.uncertain_job(site)
    job_actions.resolve(actor=kim, job=job, resolution=resolution)

    with pytest.raises(job_actions.JobActionRefused) as refused:
        job_actions.resolve(actor=kim, job=job, resolution="close")

    assert refused.value.is_already_done
    assert refused.value.reason.startswith("Its outcome is already known. kim did this")


def test_only_a_valid_decision_of_somebody_who_may_resolves_a_job(site: Site, kim: Person) -> None:
    job = arranged.uncertain_job(site)

    with pytest.raises(access.NotPermitted, match="resolve job"):
        job_actions.resolve(actor=site.actor, job=job, resolution="close")
    with pytest.raises(job_actions.JobActionRefused, match="not a valid decision"):
        job_actions.resolve(actor=kim, job=job, resolution="forget")

    job.refresh_from_db()
    assert job.state == "uncertain"


def test_a_job_that_a_worker_has_in_hand_is_not_resolved(site: Site, kim: Person) -> None:
    job = arranged.uncertain_job(site)
    arranged.change_job(job, lease_until="2100-01-01T00:00Z", lease_owner="worker")

    with pytest.raises(job_actions.JobActionRefused, match="A worker is processing it"):
        job_actions.resolve(actor=kim, job=job, resolution="close")


def test_an_uncertain_job_without_a_call_is_not_resolved(site: Site, kim: Person) -> None:
    job = site.request()
    make_attempt(job=job, state="void")
    arranged.change_job(job, state="uncertain")

    with pytest.raises(job_actions.JobActionRefused, match="A worker is processing it"):
        job_actions.resolve(actor=kim, job=job, resolution="close")


def test_the_decisions_about_a_request_are_events_of_its_job(site: Site) -> None:
    job = site.request()

    decided = AuditEvent.objects.filter(type="moderation.decided")
    assert set(decided.values_list("job_id", flat=True)) == {job.pk}


def test_the_wish_to_cancel_does_not_hurry_a_job_of_unknown_outcome(site: Site) -> None:
    job = arranged.uncertain_job(site)
    later = clock.now() + timedelta(days=1)
    arranged.change_job(job, due_at=later)

    assert not job_actions.cancel(actor=site.actor, job=job)

    job.refresh_from_db()
    assert (job.state, job.due_at) == ("uncertain", later)


def test_a_job_is_requested_again_with_all_that_it_asked_for(site: Site) -> None:
    job = site.request(count=2, seed=5, negative_prompt="dark", size="64x96")
    job_actions.cancel(actor=site.actor, job=job)
    arranged.change_job(job, quality="high", output_format="webp", background="opaque")
    job.refresh_from_db()

    request = from_job.job_request_from(actor=site.actor, job=job).provider_request

    assert (request.count, request.seed, request.negative_prompt) == (2, 5, "dark")
    assert (str(request.size), request.quality, request.background) == ("64x96", "high", "opaque")
    assert request.output_format == "webp"
