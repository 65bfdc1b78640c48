from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import (
    Asset,
    AuditEvent,
    AuditPersonalText,
    BudgetPeriod,
    Job,
    Verdict,
)
from imagegen_app.services.job_requests import (
    composition,
    creation,
    prices,
    values,
)
from imagegen_app.services.library import review, takedown
from imagegen_app.services.policy import access, model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template, make_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.conftest import Site


def test_a_request_reserves_its_price_and_leaves_its_events(site: Site) -> None:
    job = site.request()

    period = BudgetPeriod.objects.get()
    assert (job.state, period.reserved, period.spent) == ("queued", Decimal("0.02"), 0)
    kinds = set(AuditEvent.objects.filter(job_id=job.pk).values_list("type", flat=True))
    assert {"job.requested", "money.reserved", "moderation.decided"} <= kinds


def test_the_prompt_is_stored_beside_the_log_and_never_in_it(site: Site) -> None:
    job = site.request(prompt="A secret garden")

    bodies = AuditEvent.objects.filter(job_id=job.pk).values_list("body", flat=True)
    assert not any("secret garden" in body for body in bodies)
    # Nor an unsalted hash of it, from which a short prompt could be guessed.
    assert not any(job.fingerprint in body or job.request_digest in body for body in bodies)
    assert AuditPersonalText.objects.filter(field="prompt", value="A secret garden").exists()


def test_without_a_grant_nothing_is_requested_and_the_refusal_is_recorded(site: Site) -> None:
    stranger = access.actor_for(make_user("stranger", permissions=["imagegen.request_job"]))

    with pytest.raises(access.NotGranted) as refusal:
        creation.request_images(actor=stranger, job_request=site.job_request())

    assert "have no grant for" in refusal.value.reason
    assert refusal.value.remedy.startswith("Ask ")
    assert not Job.objects.exists()
    assert AuditEvent.objects.filter(type="job.denied", actor_id=stranger.id).count() == 1


def test_a_superuser_needs_a_grant_too(site: Site) -> None:
    root = access.actor_for(make_user("root", is_superuser=True))

    with pytest.raises(access.NotGranted):
        creation.request_images(actor=root, job_request=site.job_request())


def test_a_superuser_needs_no_grant_with_the_setting_superuser_bypass(
    site: Site, small: Any
) -> None:
    small.IMAGEGEN = {**small.IMAGEGEN, "SUPERUSER_BYPASS": True}
    root = access.actor_for(make_user("root", is_superuser=True))

    job = creation.request_images(actor=root, job_request=site.job_request())

    assert job.state == "queued"


def test_a_budget_is_enforced_to_the_cent(site: Site) -> None:
    site.budget.limit = Decimal("0.05")
    model_catalog.save(actor=System("test"), record=site.budget)
    site.request()
    site.request()

    with pytest.raises(access.ActionRefused) as refusal:
        site.request()

    assert refusal.value.code == "over_budget"
    assert "0.01 USD remain in" in refusal.value.reason
    assert BudgetPeriod.objects.get().reserved == Decimal("0.04")
    assert Job.objects.count() == 2


def test_a_missing_price_does_not_count_as_zero(site: Site) -> None:
    site.model.price_list = {}

    with pytest.raises(prices.NoPrice):
        site.request()

    assert not Job.objects.exists()


def test_the_same_key_makes_one_job(site: Site) -> None:
    first = site.request(idempotency_key="k")
    second = site.request(idempotency_key="k")

    assert first.pk == second.pk
    assert Job.objects.count() == 1


def test_the_same_key_for_another_job_request_is_refused(site: Site) -> None:
    site.request(idempotency_key="k")

    with pytest.raises(creation.IdempotencyConflict):
        site.request(idempotency_key="k", prompt="A blue mug")

    assert Job.objects.count() == 1


def test_one_persons_key_is_not_anothers(site: Site) -> None:
    first = site.request(idempotency_key="k")
    other = replace(site, actor=access.actor_for(make_user("otto", groups=["Image editors"])))
    second = other.request(idempotency_key="k")

    assert first.pk != second.pk
    assert second.actor_id == other.actor.id


def test_images_that_exist_are_given_to_nobody_without_a_grant(site: Site) -> None:
    first = site.request(seed=7)
    driver.drive(seconds=10)
    stranger = replace(site, actor=access.actor_for(make_user("stranger")))

    with pytest.raises(access.NotGranted):
        stranger.request(seed=7)

    first.refresh_from_db()
    assert first.state == "succeeded"
    assert Job.objects.count() == 1


def test_a_blocked_prompt_leaves_a_blocked_job_its_verdict_and_no_reservation(site: Site) -> None:
    with pytest.raises(creation.PromptBlocked) as refusal:
        site.request(prompt="revenge  pÖrn".replace("Ö", "o"))

    job = refusal.value.job
    assert (job.state, job.error_code) == ("blocked", "content_blocked")
    assert Verdict.objects.get(outcome="blocked").part == "prompt"
    assert not BudgetPeriod.objects.exists()
    assert "block list" in refusal.value.reason


def test_a_screener_that_fails_blocks_the_request(site: Site, small: Any) -> None:
    broken = {"NAME": "broken", "BACKEND": "tests.services.job_requests.test_creation.Broken"}
    small.IMAGEGEN = {**small.IMAGEGEN, "SCREENERS": [broken]}

    with pytest.raises(creation.PromptBlocked):
        site.request()


class Broken:
    """A screener of a site's own, with a mistake in it."""

    def screen_text(self, text: str) -> Any:
        raise ZeroDivisionError

    def screen_image(self, data: bytes, *, media_type: str) -> Any:
        raise ZeroDivisionError


def test_the_same_seed_reuses_the_first_images_at_no_cost(site: Site) -> None:
    first = site.request(seed=7)
    driver.drive(seconds=5)

    second = site.request(seed=7)

    assert (second.state, second.actual_cost, second.cached_from_id) == ("succeeded", 0, first.pk)
    assert list(Asset.objects.results_of(second)) == list(Asset.objects.results_of(first)) != []
    assert BudgetPeriod.objects.get().spent == Decimal("0.02")


@pytest.mark.parametrize("decisions", [(review.reject,), (review.approve, takedown.withdraw)])
def test_an_image_that_was_decided_against_is_not_reused(
    site: Site, decisions: tuple[Callable[..., Any], ...]
) -> None:
    first = site.request(seed=7)
    driver.drive(seconds=5)
    for decide in decisions:
        decide(actor=System("reviewer"), asset=first.assets.get())

    second = site.request(seed=7)

    assert (second.state, second.cached_from_id) == ("queued", None)


def test_without_a_seed_each_request_generates_new_images(site: Site) -> None:
    site.request()
    driver.drive(seconds=5)

    assert site.request().state == "queued"


@pytest.mark.parametrize(
    ("prompt", "field"), [("", "prompt"), ("   \n", "prompt"), ("x" * 100_000, "prompt")]
)
def test_an_empty_or_too_long_prompt_is_refused_with_its_field(
    site: Site, prompt: str, field: str
) -> None:
    with pytest.raises(values.InvalidJobRequest) as refusal:
        site.job_request(prompt=prompt)

    assert refusal.value.field == field
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "prompt",
    ["كوب أحمر على الطاولة", "🫖🍵 tea", "<script>alert(1)</script>", "{{ 7*7 }} ${7*7} %(x)s"],
    ids=["right-to-left", "emoji", "markup", "template"],
)
def test_unusual_prompts_are_stored_unchanged(site: Site, prompt: str) -> None:
    job = site.request(prompt=prompt)
    driver.drive(seconds=5)
    job.refresh_from_db()

    assert (job.prompt, job.state) == (prompt, "succeeded")


def test_an_unknown_variable_is_named_with_the_known_ones(site: Site) -> None:
    version = make_template()

    with pytest.raises(values.InvalidJobRequest) as refusal:
        composition.compose(
            actor=site.actor, template=version, variables={"colour": "red"}, model=site.model
        )

    assert "“colour”" in refusal.value.reason
    assert "product" in refusal.value.reason


@pytest.mark.parametrize("size", ["63x64", "9000x9000", "0x10", "big", "-1x5"])
def test_a_size_that_the_model_does_not_support_is_refused(site: Site, size: str) -> None:
    with pytest.raises(values.InvalidJobRequest) as refusal:
        site.job_request(size=size)

    assert refusal.value.field == "size"


def test_template_syntax_in_values_is_not_evaluated(site: Site) -> None:
    version = make_template(body="A {{ product }}")

    job_request = composition.compose(
        actor=site.actor,
        template=version,
        variables={"product": "{{ product }}{% if x %}"},
        model=site.model,
    )

    assert job_request.provider_request.prompt == "A {{ product }}{% if x %}"
