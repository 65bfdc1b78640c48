"""Follow-up passes: one job request, one reservation, one cancel, and what each image comes to."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.passes import passes_from
from imagegen_app.models import Asset, AuditEvent, Batch, BudgetPeriod, Job, Lineage
from imagegen_app.services.audit import descriptions, erasure
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, job_actions, values
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import leases, pass_chain
from imagegen_app.services.library import evidence, summary
from imagegen_app.services.monitoring import doctor, progress
from imagegen_app.services.policy import access, budgets, model_catalog
from imagegen_app.services.policy.access import NotGranted
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)
from tests.services.batches.test_lifecycle import VARIABLES, prepare, products, start
from tests.services.conftest import Site, at_simulator

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess

EACH = Decimal("0.02")


@pytest.fixture
def both(site: Site) -> list[str]:
    """Return two passes: twice as large, then without its background."""
    slug = site.model.slug
    return [f"upscale:2:{slug}", f"remove_background:{slug}"]


def period() -> BudgetPeriod:
    found: BudgetPeriod = BudgetPeriod.objects.get()
    return found


def sound() -> bool:
    return doctor.violated_invariants() == {}


def test_each_image_goes_through_every_pass_under_one_reservation(
    site: Site, both: list[str]
) -> None:
    job_request = site.job_request(count=2, passes=both)
    quote = creation.offer(actor=site.actor, job_request=job_request)
    root = creation.request_images(actor=site.actor, job_request=job_request)
    reserved = period().reserved

    driver.drive(seconds=15)

    root.refresh_from_db()
    whole = pass_chain.all_jobs(root)
    final = list(Asset.objects.results_of(root))
    assert quote.cost.amount == reserved == 6 * EACH
    assert [job.state for job in whole] == ["succeeded"] * 5
    assert (period().spent, period().reserved) == (6 * EACH, 0)
    assert [(a.width, a.height, a.position) for a in final] == [(128, 128, 0), (128, 128, 1)]
    assert {a.job.operation for a in final} == {"remove_background"}
    assert Asset.objects.filter(is_intermediate=True).count() == 4
    assert Lineage.objects.filter(child__in=final).count() == 2
    assert all(job.prompt == "" for job in whole if job.pk != root.pk)
    assert progress.job_progress(root).is_final
    assert AuditEvent.objects.filter(type="job.requested").count() == 5
    assert sound()


def test_the_last_image_tells_all_the_steps_it_came_through(
    site: Site, both: list[str], django_user_model: Any
) -> None:
    root = site.request(count=2, passes=both)
    driver.drive(seconds=15)
    root.refresh_from_db()
    last = Asset.objects.results_of(root)[1]
    reader = access.actor_for(make_user("carl", groups=["Compliance"]))

    told = " ".join(summary.summarize(reader, last))
    trail = descriptions.describe_job_history(last.job)
    with zipfile.ZipFile(io.BytesIO(evidence.build_pack(actor=reader, asset=last).data)) as pack:
        events = pack.read("events.jsonl").decode()
        facts = json.loads(pack.read("summary.json"))

    assert "Generate with" in told
    assert "Upscale with" in told
    assert "Remove background with" in told
    assert "0.12 USD for 2 image(s)" in told
    assert len({entry.event.job_id for entry in trail}) == 3
    assert [step["operation"] for step in facts["passes"]] == [
        "generate",
        "upscale",
        "remove_background",
    ]
    assert all(step["job"] in events for step in facts["passes"])
    assert str(Asset.objects.results_of(root)[0].job_id) not in events


def test_erasing_the_prompt_of_a_pass_erases_that_of_its_chain(site: Site, both: list[str]) -> None:
    root = site.request(passes=both)
    driver.drive(seconds=15)
    officer = access.actor_for(make_user("carl", groups=["Compliance"]))

    erasure.erase_prompt(officer, job=pass_chain.all_jobs(root)[2], reason="asked for")

    root.refresh_from_db()
    assert (root.prompt, root.prompt_erased_at is None) == ("", False)


def test_a_job_request_that_does_not_fit_with_its_passes_is_refused_whole(
    site: Site, both: list[str]
) -> None:
    site.budget.limit = Decimal("0.05")
    model_catalog.save(actor=System("test"), record=site.budget)

    with pytest.raises(budgets.OverBudget):
        site.request(passes=both)

    assert Job.objects.count() == 0
    assert not BudgetPeriod.objects.filter(reserved__gt=0).exists()


def test_a_pass_that_is_not_granted_or_cannot_be_is_refused(site: Site) -> None:
    foreign = make_image_model(provider_model_name="sandbox-1", provider=make_provider())

    with pytest.raises(NotGranted):
        site.request(passes=[f"upscale:2:{foreign.slug}"])
    for wrong in ("upscale:2:nothing-like-it", "upscale:7:x", f"vary:{site.model.slug}"):
        with pytest.raises(InvalidJobRequest) as caught:
            site.job_request(passes=[wrong])
        assert caught.value.field == "passes"
    with pytest.raises(InvalidJobRequest, match="does not support this"):
        site.job_request(size="1024x1024", passes=[f"upscale:4:{site.model.slug}"])
    assert Job.objects.count() == 0


@pytest.mark.parametrize("named", [0, 1, 2])
def test_one_cancel_ends_the_whole_chain_whichever_job_is_named(
    site: Site, both: list[str], named: int
) -> None:
    root = site.request(passes=both)

    ended = job_actions.cancel(actor=site.actor, job=pass_chain.all_jobs(root)[named])

    assert ended
    assert {job.state for job in pass_chain.all_jobs(root)} == {"cancelled"}
    assert (period().reserved, period().spent) == (0, 0)
    assert sound()


def test_passes_of_what_was_refused_end_and_cost_nothing(
    site: Site, both: list[str], simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    there = Site(site.actor, model, site.budget)
    governed_too(site, model)
    simulator.fail("moderation_block")
    root = there.request(passes=both)

    driver.drive(seconds=15)

    states = [job.state for job in pass_chain.all_jobs(root)]
    assert states == ["blocked", "cancelled", "cancelled"]
    assert Job.objects.filter(error_code="step_missing").count() == 2
    assert (period().reserved, period().spent) == (0, 0)
    assert sound()


def test_fewer_images_end_the_passes_that_have_none(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "openai")
    governed_too(site, model)
    simulator.fail("fewer_images")
    root = Site(site.actor, model, site.budget).request(
        count=3, size="1024x1024", passes=[f"remove_background:{site.model.slug}"]
    )

    driver.drive(seconds=20)

    states = [job.state for job in pass_chain.all_jobs(root)]
    assert states == ["succeeded", "succeeded", "cancelled", "cancelled"]
    assert period().reserved == 0
    assert Asset.objects.results_of(root).count() == 1
    assert sound()


def test_a_failed_pass_leaves_the_image_before_it_and_can_be_asked_for_again(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    governed_too(site, model)
    simulator.fail("status", status=400, on="jobs")
    root = site.request(passes=[f"upscale:2:{model.slug}", f"remove_background:{site.model.slug}"])
    driver.drive(seconds=15)
    _root, upscale, cut_out = pass_chain.all_jobs(root)
    root.refresh_from_db()
    left = [a.job_id for a in Asset.objects.results_of(root)]

    with pytest.raises(job_actions.JobActionRefused, match="previous pass"):
        job_actions.request_again(actor=site.actor, job=cut_out)
    again = job_actions.request_again(actor=site.actor, job=upscale)
    driver.drive(seconds=15)

    assert (upscale.state, cut_out.state) == ("failed", "cancelled")
    assert left == [root.pk]
    assert progress.job_progress(root).message == "Ready, but not every follow-up pass succeeded"
    assert [job.state for job in pass_chain.all_jobs(again)] == ["succeeded", "succeeded"]
    again.refresh_from_db()
    assert [a.job.operation for a in Asset.objects.results_of(again)] == ["remove_background"]
    assert sound()


def test_the_same_job_request_with_a_seed_and_the_same_passes_costs_nothing_twice(
    site: Site, both: list[str]
) -> None:
    site.request(seed=7, passes=both)
    driver.drive(seconds=15)

    same = site.request(seed=7, passes=both)
    other = site.request(seed=7, passes=both[:1])
    plain = site.request(seed=7)

    assert (same.state, same.actual_cost) == ("succeeded", 0)
    assert [a.job.operation for a in Asset.objects.results_of(same)] == ["remove_background"]
    assert (other.state, plain.state) == ("queued", "queued")


def test_a_job_request_of_which_a_pass_failed_is_made_anew(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    governed_too(site, model)
    simulator.fail("status", status=400, on="jobs")
    job_request = {"seed": 7, "passes": [f"upscale:2:{model.slug}"]}
    site.request(**job_request)
    driver.drive(seconds=15)

    again = site.request(**job_request)

    assert (again.state, again.cached_from_id) == ("queued", None)


def test_an_idempotency_key_stands_for_the_passes_too(site: Site, both: list[str]) -> None:
    one = site.request(idempotency_key="k", passes=both)
    two = site.request(idempotency_key="k", passes=both)

    assert one == two
    assert Job.objects.count() == 3
    with pytest.raises(creation.IdempotencyConflict):
        site.request(idempotency_key="k")


def test_a_pass_is_not_begun_before_its_image_is_there(site: Site, both: list[str]) -> None:
    root = site.request(passes=both)
    begin_early(root)

    driver.drive(seconds=15)

    assert [job.state for job in pass_chain.all_jobs(root)] == ["succeeded"] * 3
    assert all(job.attempts.count() == 1 for job in pass_chain.all_jobs(root))


def test_a_person_who_waits_reads_which_step_it_is(site: Site, both: list[str]) -> None:
    root = site.request(passes=both)
    upscale = pass_chain.all_jobs(root)[1]

    worker_registry.record_heartbeat(name="w")
    waiting = progress.job_progress(upscale)
    driver.drive(seconds=0.05)
    while root.state != "succeeded":
        driver.drive(seconds=0.05)
        root.refresh_from_db()
    shown = progress.job_progress(root)

    assert "previous pass" in waiting.message
    assert shown.is_final or ("of 3" in shown.message and not shown.is_final)


def test_what_is_worked_on_further_waits_for_nobody(
    site: Site, both: list[str], client: Any
) -> None:
    site.request(count=2, passes=both)
    driver.drive(seconds=15)
    reviewer = make_user("rosa", groups=["Image reviewers"], is_staff=True)
    client.force_login(reviewer)

    dashboard = client.get(reverse("admin:index")).content.decode()
    address = html.unescape(re.search(r'href="([^"]*is_intermediate[^"]*)"', dashboard)[1])  # type: ignore[index]  # it is there
    listed = client.get(address)

    assert "2 images wait for review" in dashboard
    assert listed.context["cl"].result_count == 2


def test_a_template_hands_its_passes_to_a_batch(site: Site, both: list[str]) -> None:
    version = make_template(
        body="A {{ product }}",
        variables=VARIABLES,
        width=64,
        height=64,
        image_model=site.model,
        passes=[one.as_dict() for one in passes_from(both)],
    )
    estimate = lifecycle.estimate_cost(version, site.model, rows=3)
    batch = start(site, version, products(3))
    prepare()
    reserved = period().reserved
    driver.drive(seconds=30)

    counted = Batch.objects.get(pk=batch.pk)
    final = Asset.objects.filter(job__batch=batch, is_intermediate=False)
    assert estimate == reserved == 9 * EACH
    assert (counted.job_count, counted.succeeded, counted.spent) == (9, 9, 9 * EACH)
    assert counted.reserved == 0
    assert {a.job.operation for a in final} == {"remove_background"}
    assert final.count() == 3
    assert sound()


def test_passes_in_several_currencies_are_refused(site: Site) -> None:
    euros = make_image_model(
        provider_model_name="sandbox-1",
        price_list={"currency": "EUR", "per_image": [{"amount": "0.02"}]},
    )
    governed_too(site, euros)

    with pytest.raises(values.InvalidPass, match="currencies"):
        creation.offer(
            actor=site.actor, job_request=site.job_request(passes=[f"upscale:2:{euros.slug}"])
        )
    with pytest.raises(values.InvalidPass, match="currencies"):
        site.request(passes=[f"upscale:2:{euros.slug}"])


def governed_too(site: Site, model: Any) -> None:
    """Let the site's editors use one more model."""
    make_grant(group=make_group("Image editors"), image_model=model)


@use_case(audited=False)
def begin_early(root: Job) -> None:
    """Have the passes taken up before there is anything to work on."""
    Job.objects.filter(root=root).update(due_at=root.created_at)
    assert leases.any_unfinished()
