"""Follow-up passes: one job request with one reservation and one cancellation for all its jobs."""

from __future__ import annotations

import io
import json
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.passes import passes_from
from imagegen_app.models import Asset, AuditEvent, Batch, BudgetPeriod, Job, Lineage
from imagegen_app.services.audit import descriptions
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation import clock, worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, job_actions, values
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import leases, pass_chain
from imagegen_app.services.library import evidence, review_requests, summary
from imagegen_app.services.monitoring import doctor, progress
from imagegen_app.services.policy import access, budget_refusals, model_catalog
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

IMAGE_COST = Decimal("0.02")


@pytest.fixture
def two_passes(site: Site) -> list[str]:
    """Return two passes: enlarge the image twofold, then remove its background."""
    slug = site.model.slug
    return [f"upscale:2:{slug}", f"remove_background:{slug}"]


def period() -> BudgetPeriod:
    only_period: BudgetPeriod = BudgetPeriod.objects.get()
    return only_period


def has_no_violations() -> bool:
    return doctor.violated_invariants() == {}


def test_each_image_goes_through_every_pass_under_one_reservation(
    site: Site, two_passes: list[str]
) -> None:
    job_request = site.job_request(count=2, passes=two_passes)
    quote = creation.offer(actor=site.actor, job_request=job_request)
    root = creation.request_images(actor=site.actor, job_request=job_request)
    reserved = period().reserved

    driver.drive(seconds=15)

    root.refresh_from_db()
    jobs = pass_chain.all_jobs(root)
    final = list(Asset.objects.results_of(root))
    assert quote.cost.amount == reserved == 6 * IMAGE_COST
    assert [job.state for job in jobs] == ["succeeded"] * 5
    assert (period().spent, period().reserved) == (6 * IMAGE_COST, 0)
    assert [(a.width, a.height, a.position) for a in final] == [(128, 128, 0), (128, 128, 1)]
    assert {a.job.operation for a in final} == {"remove_background"}
    assert Asset.objects.filter(is_intermediate=True).count() == 4
    assert Lineage.objects.filter(child__in=final).count() == 2
    assert all(job.prompt == "" for job in jobs if job.pk != root.pk)
    assert progress.job_progress(root).is_final
    assert AuditEvent.objects.filter(type="job.requested").count() == 5
    assert has_no_violations()


def test_the_final_image_describes_every_pass_that_led_to_it(
    site: Site, two_passes: list[str], django_user_model: Any
) -> None:
    root = site.request(count=2, passes=two_passes)
    driver.drive(seconds=15)
    root.refresh_from_db()
    last = Asset.objects.results_of(root)[1]
    reader = access.actor_for(make_user("carl", groups=["Compliance"]))

    description = " ".join(summary.summarize(reader, last))
    history = descriptions.describe_job_history(last.job)
    with zipfile.ZipFile(io.BytesIO(evidence.build_pack(actor=reader, asset=last).data)) as pack:
        events = pack.read("events.jsonl").decode()
        facts = json.loads(pack.read("summary.json"))

    assert "Generate with" in description
    assert "Upscale with" in description
    assert "Remove background with" in description
    assert "0.12 USD for 2 image(s)" in description
    assert len({entry.event.job_id for entry in history}) == 3
    assert [one_pass["operation"] for one_pass in facts["passes"]] == [
        "generate",
        "upscale",
        "remove_background",
    ]
    assert all(one_pass["job"] in events for one_pass in facts["passes"])
    assert str(Asset.objects.results_of(root)[0].job_id) not in events


def test_erasing_the_prompt_of_a_pass_erases_it_in_the_whole_chain(
    site: Site, two_passes: list[str]
) -> None:
    root = site.request(passes=two_passes)
    driver.drive(seconds=15)
    officer = access.actor_for(make_user("carl", groups=["Compliance"]))

    erasure.erase_prompt(officer, job=pass_chain.all_jobs(root)[2], reason="asked for")

    root.refresh_from_db()
    assert (root.prompt, root.prompt_erased_at is None) == ("", False)


def test_a_job_request_whose_passes_exceed_the_budget_is_refused_as_a_whole(
    site: Site, two_passes: list[str]
) -> None:
    site.budget.limit = Decimal("0.05")
    model_catalog.save(actor=System("test"), record=site.budget)

    with pytest.raises(budget_refusals.OverBudget):
        site.request(passes=two_passes)

    assert Job.objects.count() == 0
    assert not BudgetPeriod.objects.filter(reserved__gt=0).exists()


def test_a_pass_that_is_not_granted_or_not_possible_is_refused(site: Site) -> None:
    other_model = make_image_model(provider_model_name="sandbox-1", provider=make_provider())

    with pytest.raises(NotGranted):
        site.request(passes=[f"upscale:2:{other_model.slug}"])
    for invalid in ("upscale:2:unknown-model", "upscale:7:x", f"vary:{site.model.slug}"):
        with pytest.raises(InvalidJobRequest) as caught:
            site.job_request(passes=[invalid])
        assert caught.value.field == "passes"
    with pytest.raises(InvalidJobRequest, match="does not support this"):
        site.job_request(size="1024x1024", passes=[f"upscale:4:{site.model.slug}"])
    assert Job.objects.count() == 0


@pytest.mark.parametrize("index", [0, 1, 2])
def test_cancelling_any_job_of_a_chain_cancels_the_whole_chain(
    site: Site, two_passes: list[str], index: int
) -> None:
    root = site.request(passes=two_passes)

    is_cancelled = job_actions.cancel(actor=site.actor, job=pass_chain.all_jobs(root)[index])

    assert is_cancelled
    assert {job.state for job in pass_chain.all_jobs(root)} == {"cancelled"}
    assert (period().reserved, period().spent) == (0, 0)
    assert has_no_violations()


def test_the_passes_of_a_blocked_image_are_cancelled_and_cost_nothing(
    site: Site, two_passes: list[str], simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    simulator_site = Site(site.actor, model, site.budget)
    grant_model(site, model)
    simulator.fail("moderation_block")
    root = simulator_site.request(passes=two_passes)

    driver.drive(seconds=15)

    states = [job.state for job in pass_chain.all_jobs(root)]
    assert states == ["blocked", "cancelled", "cancelled"]
    assert Job.objects.filter(error_code="step_missing").count() == 2
    assert (period().reserved, period().spent) == (0, 0)
    assert has_no_violations()


def test_passes_without_an_image_are_cancelled(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "openai")
    grant_model(site, model)
    simulator.fail("fewer_images")
    root = Site(site.actor, model, site.budget).request(
        count=3, size="1024x1024", passes=[f"remove_background:{site.model.slug}"]
    )

    driver.drive(seconds=20)

    states = [job.state for job in pass_chain.all_jobs(root)]
    assert states == ["succeeded", "succeeded", "cancelled", "cancelled"]
    assert period().reserved == 0
    assert Asset.objects.results_of(root).count() == 1
    assert has_no_violations()


def test_a_failed_pass_leaves_the_previous_image_and_can_be_requested_again(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    grant_model(site, model)
    simulator.fail("status", status=400, on="jobs")
    root = site.request(passes=[f"upscale:2:{model.slug}", f"remove_background:{site.model.slug}"])
    driver.drive(seconds=15)
    _root, upscale, cut_out = pass_chain.all_jobs(root)
    root.refresh_from_db()
    results = [a.job_id for a in Asset.objects.results_of(root)]

    with pytest.raises(job_actions.JobActionRefused, match="previous pass"):
        job_actions.request_again(actor=site.actor, job=cut_out)
    again = job_actions.request_again(actor=site.actor, job=upscale)
    driver.drive(seconds=15)

    assert (upscale.state, cut_out.state) == ("failed", "cancelled")
    assert results == [root.pk]
    assert progress.job_progress(root).message == "Ready, but not every follow-up pass succeeded"
    assert [job.state for job in pass_chain.all_jobs(again)] == ["succeeded", "succeeded"]
    again.refresh_from_db()
    assert [a.job.operation for a in Asset.objects.results_of(again)] == ["remove_background"]
    assert has_no_violations()


def test_repeating_a_job_request_with_the_same_seed_and_passes_costs_nothing(
    site: Site, two_passes: list[str]
) -> None:
    site.request(seed=7, passes=two_passes)
    driver.drive(seconds=15)

    same = site.request(seed=7, passes=two_passes)
    other = site.request(seed=7, passes=two_passes[:1])
    plain = site.request(seed=7)

    assert (same.state, same.actual_cost) == ("succeeded", 0)
    assert [a.job.operation for a in Asset.objects.results_of(same)] == ["remove_background"]
    assert (other.state, plain.state) == ("queued", "queued")


def test_a_job_request_with_a_failed_pass_is_not_answered_from_the_cache(
    site: Site, simulator: SimulatorProcess, small: Any, monkeypatch: Any
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    grant_model(site, model)
    simulator.fail("status", status=400, on="jobs")
    job_request = {"seed": 7, "passes": [f"upscale:2:{model.slug}"]}
    site.request(**job_request)
    driver.drive(seconds=15)

    again = site.request(**job_request)

    assert (again.state, again.cached_from_id) == ("queued", None)


def test_an_idempotency_key_covers_the_passes_too(site: Site, two_passes: list[str]) -> None:
    first = site.request(idempotency_key="k", passes=two_passes)
    second = site.request(idempotency_key="k", passes=two_passes)

    assert first == second
    assert Job.objects.count() == 3
    with pytest.raises(creation.IdempotencyConflict):
        site.request(idempotency_key="k")


def test_a_pass_does_not_start_before_its_image_exists(site: Site, two_passes: list[str]) -> None:
    root = site.request(passes=two_passes)
    make_passes_due_early(root)

    driver.drive(seconds=15)

    assert [job.state for job in pass_chain.all_jobs(root)] == ["succeeded"] * 3
    assert all(job.attempts.count() == 1 for job in pass_chain.all_jobs(root))


@use_case(audited=False)
def let_succeed(jobs: list[Job]) -> None:
    """Have jobs end without images."""
    keys = [job.pk for job in jobs]
    Job.objects.filter(pk__in=keys).update(state="succeeded", finished_at=clock.now())


def test_progress_says_which_pass_of_each_image_is_running(
    site: Site, two_passes: list[str], client: Any
) -> None:
    root = site.request(count=2, passes=two_passes)
    _, *following = pass_chain.all_jobs(root)
    worker_registry.record_heartbeat(name="w")
    waiting = progress.job_progress(following[0])
    # The first pass is done, and so is the second one of the first image.
    let_succeed([root, following[0]])
    root.refresh_from_db()
    client.force_login(root.requester)

    shown = progress.job_progress(root)
    page = client.get(reverse("admin:imagegen_studio_job", args=[root.pk])).content.decode()

    assert "previous pass" in waiting.message
    assert "(pass 2 of 3)" in shown.message
    assert not shown.is_final
    assert "could not be used" not in page


def test_intermediate_assets_do_not_wait_for_review(
    site: Site, two_passes: list[str], client: Any
) -> None:
    site.request(count=2, passes=two_passes)
    driver.drive(seconds=15)
    reviewer = make_user("rosa", groups=["Image reviewers"], is_staff=True)
    client.force_login(reviewer)

    for asset in Asset.objects.filter(is_intermediate=False):
        review_requests.request_review(actor=site.actor, asset=asset)
    dashboard = client.get(reverse("admin:index")).content.decode()
    desk = client.get(reverse("admin:imagegen_desk")).content.decode()

    assert "2 images wait for review" in dashboard
    assert desk.count("data-tile>") == 2


def test_a_batch_runs_the_passes_of_its_template(site: Site, two_passes: list[str]) -> None:
    version = make_template(
        body="A {{ product }}",
        variables=VARIABLES,
        width=64,
        height=64,
        image_model=site.model,
        passes=[one.as_dict() for one in passes_from(two_passes)],
    )
    estimate = lifecycle.estimate_cost(version, site.model, rows=3)
    batch = start(site, version, products(3))
    prepare()
    reserved = period().reserved
    driver.drive(seconds=30)

    finished_batch = Batch.objects.get(pk=batch.pk)
    final = Asset.objects.filter(job__batch=batch, is_intermediate=False)
    assert estimate == reserved == 9 * IMAGE_COST
    assert (finished_batch.job_count, finished_batch.succeeded, finished_batch.spent) == (
        9,
        9,
        9 * IMAGE_COST,
    )
    assert finished_batch.reserved == 0
    assert {a.job.operation for a in final} == {"remove_background"}
    assert final.count() == 3
    assert has_no_violations()


def test_passes_in_several_currencies_are_refused(site: Site) -> None:
    euros = make_image_model(
        provider_model_name="sandbox-1",
        price_list={"currency": "EUR", "per_image": [{"amount": "0.02"}]},
    )
    grant_model(site, euros)

    with pytest.raises(values.InvalidPass, match="currencies"):
        creation.offer(
            actor=site.actor, job_request=site.job_request(passes=[f"upscale:2:{euros.slug}"])
        )
    with pytest.raises(values.InvalidPass, match="currencies"):
        site.request(passes=[f"upscale:2:{euros.slug}"])


def grant_model(site: Site, model: Any) -> None:
    """Give the editors of the site a grant for one more model."""
    make_grant(group=make_group("Image editors"), image_model=model)


@use_case(audited=False)
def make_passes_due_early(root: Job) -> None:
    """Make the passes due before the image that they work on exists."""
    Job.objects.filter(root=root).update(due_at=root.created_at)
    assert leases.any_unfinished()
