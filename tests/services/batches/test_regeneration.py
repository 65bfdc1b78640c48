"""An image is made anew with a note: the note is in the prompt, once, and goes through every check."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Asset, AuditEvent, Batch, Grant, Job
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.batches import batch_actions, regeneration, row_list
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import review
from imagegen_app.services.policy import access, budget_refusals
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_brand_kit, make_user
from tests.services.batches.test_lifecycle import prepare, products, start, version, with_budget

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]
NOTE = "Show the handle  on the left"
WORDS = "Show the handle on the left"
BLOCK_LIST = {
    "BACKEND": "imagegen_app.moderation.block_list.BlockList",
    "NAME": "words",
    "STAGES": ["prompt"],
    "OPTIONS": {"terms": ["forbidden"]},
}


@pytest.fixture
def image(site: Site, version: TemplateVersion) -> Asset:
    start(site, version, products(1))
    prepare()
    driver.drive(seconds=20)
    return Asset.objects.get()


def batch_of(image: Asset) -> Batch:
    batch = image.job.batch
    assert batch is not None
    return Batch.objects.get(pk=batch.pk)


def test_the_new_job_has_the_note_behind_its_prompt_and_replaces_the_old_one(
    site: Site, image: Asset
) -> None:
    job = regeneration.regenerate(actor=site.actor, asset=image, note=NOTE)
    driver.drive(seconds=20)

    assert job.prompt == f"{image.job.prompt}\n{WORDS}"
    assert job.seed not in {None, image.job.seed}
    assert (job.replaces_id, job.row_key) == (image.job_id, image.job.row_key)
    assert job.template_version_id == image.job.template_version_id
    batch = batch_of(image)
    assert [one.pk for one in row_list.current_jobs(batch)] == [job.pk]
    assert (batch.succeeded, batch.job_count) == (1, 1)
    assert Asset.objects.filter(job=job, review_state="pending").count() == 1


def test_a_note_stands_before_the_words_of_a_brand_kit_which_stay_once(
    site: Site, version: TemplateVersion
) -> None:
    start(site, version, products(1), brand_kit=make_brand_kit(style_words="at dusk"))
    prepare()
    driver.drive(seconds=20)
    image = Asset.objects.get()
    own = image.job.prompt.removesuffix("at dusk").rstrip(", ")

    first = regeneration.regenerate(actor=site.actor, asset=image, note="More light.")
    driver.drive(seconds=20)
    second = regeneration.regenerate(
        actor=site.actor, asset=Asset.objects.get(job=first), note="Less shadow"
    )

    assert first.prompt == f"{own}\nMore light. at dusk"
    assert second.prompt == f"{own}\nMore light.\nLess shadow, at dusk"
    assert second.brand_kit_version == first.brand_kit_version == image.job.brand_kit_version


def test_a_note_stays_when_the_new_job_is_requested_again_and_a_second_one_is_added(
    site: Site, image: Asset
) -> None:
    first = regeneration.regenerate(actor=site.actor, asset=image, note="More light")
    driver.drive(seconds=20)
    second = regeneration.regenerate(
        actor=site.actor, asset=Asset.objects.get(job=first), note="Less shadow"
    )
    for job in leases.claim(limit=1, owner="w"):
        transitions.cancel(job, None, charge=None)
    batch = batch_of(image)
    batch_actions.request_reruns(actor=site.actor, batch=batch, jobs=row_list.current_jobs(batch))
    prepare()

    third = Job.objects.get(replaces=second)
    assert second.prompt == f"{image.job.prompt}\nMore light\nLess shadow"
    assert third.prompt == second.prompt


def test_a_reviewer_rejects_the_old_image_with_the_note_and_an_author_supersedes_it(
    site: Site, image: Asset
) -> None:
    regeneration.regenerate(actor=site.actor, asset=image, note=NOTE)
    image.refresh_from_db()
    by_author = image.review_state
    boss = access.actor_for(make_user("boss", groups=["Image editors"], is_superuser=True))
    new = image.job.replacements.get()
    driver.drive(seconds=20)
    fresh = Asset.objects.get(job=new)
    regeneration.regenerate(actor=boss, asset=fresh, note="Warmer")
    fresh.refresh_from_db()

    assert by_author == "pending"
    assert (fresh.review_state, fresh.review_note) == ("rejected", "Warmer")


def test_two_presses_and_two_people_make_one_new_image(site: Site, image: Asset) -> None:
    boss = access.actor_for(make_user("boss", groups=["Image editors"], is_superuser=True))
    regeneration.regenerate(actor=site.actor, asset=image, note=NOTE)
    refusals = []
    for actor in (site.actor, boss):
        with pytest.raises(regeneration.CannotRegenerate) as refused:
            regeneration.regenerate(actor=actor, asset=image, note="Something else")
        refusals.append(refused.value.is_already_done)

    assert refusals == [True, True]
    assert Job.objects.count() == 2


@pytest.mark.parametrize("note", ["", "  \n "])
def test_an_empty_note_is_refused(site: Site, image: Asset, note: str) -> None:
    with pytest.raises(regeneration.CannotRegenerate, match="empty"):
        regeneration.regenerate(actor=site.actor, asset=image, note=note)

    assert Job.objects.count() == 1


def test_a_note_that_a_screener_blocks_leaves_the_old_image_and_records_the_refusal(
    site: Site, image: Asset, settings: Any
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [BLOCK_LIST],
    }
    with pytest.raises(creation.PromptBlocked):
        regeneration.regenerate(actor=site.actor, asset=image, note="Make it forbidden")
    image.refresh_from_db()

    blocked = Job.objects.get(state="blocked")
    assert blocked.replaces_id is None
    assert image.review_state == "pending"
    assert image.job.pk in {one.pk for one in row_list.current_jobs(batch_of(image))}
    regeneration.regenerate(actor=site.actor, asset=image, note="Make it brighter")


def test_whoever_asks_does_not_read_the_prompt_of_the_other_person(
    site: Site, image: Asset, settings: Any
) -> None:
    other = access.actor_for(
        make_user(groups=["Image editors"], permissions=["imagegen.view_asset"])
    )
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [BLOCK_LIST]}
    with pytest.raises(creation.PromptBlocked):
        regeneration.regenerate(actor=other, asset=image, note="Make it forbidden")
    blocked = Job.objects.get(state="blocked")
    new = regeneration.regenerate(actor=other, asset=image, note=NOTE)

    assert [prompt_access.read_prompt(other, job) for job in (image.job, blocked, new)] == [
        None,
        None,
        None,
    ]


def test_what_was_erased_is_not_made_anew(site: Site, image: Asset) -> None:
    erasure.erase_prompt(site_officer(), job=image.job, reason="asked")

    with pytest.raises(InvalidJobRequest, match="prompt was erased"):
        regeneration.regenerate(actor=site.actor, asset=Asset.objects.get(pk=image.pk), note=NOTE)

    assert Job.objects.count() == 1


def site_officer() -> Person:
    return access.actor_for(make_user("cora", permissions=["imagegen.erase_personal_data"]))


def test_grant_budget_and_permission_are_those_of_whoever_asks(site: Site, image: Asset) -> None:
    with_budget(site, Decimal("0.03"))
    with pytest.raises(budget_refusals.OverBudget):
        regeneration.regenerate(actor=site.actor, asset=image, note=NOTE)
    with_budget(site, Decimal(100))
    use_case(audited=False)(lambda: Grant.objects.all().delete())()
    with pytest.raises(access.NotGranted):
        regeneration.regenerate(actor=site.actor, asset=image, note=NOTE)
    reader = access.actor_for(make_user("reader"))
    with pytest.raises(access.NotPermitted):
        regeneration.regenerate(actor=reader, asset=image, note=NOTE)

    assert Job.objects.count() == 1
    assert AuditEvent.objects.filter(type="job.denied").count() == 2


def test_a_decided_image_stays_decided(site: Site, image: Asset) -> None:
    boss = access.actor_for(make_user("boss", groups=["Image editors"], is_superuser=True))
    review.approve(actor=boss, asset=image)
    regeneration.regenerate(actor=boss, asset=image, note=NOTE)
    image.refresh_from_db()

    assert image.review_state == "approved"
