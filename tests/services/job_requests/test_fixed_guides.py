"""A template fixes control images: each job made of it has them, as long as they can be used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import ControlGuide, InputRole
from imagegen_app.models import Asset, Job, PromptTemplate
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import (
    creation,
    from_job,
    template_drafts,
    template_publishing,
    templates,
)
from imagegen_app.services.job_requests.fixed_guides import FixedGuide
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.services.library.recipes import recipe_of
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_asset, make_image, make_user
from tests.services.batches.test_lifecycle import products, start

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

DEPTH = ControlGuide("depth", weight=0.8, end=0.7)


def author(name: str = "ann", *groups: str) -> Person:
    return access.actor_for(make_user(name, groups=["Template authors", *groups]))


def made(site: Site, *guides: FixedGuide, actor: Person | None = None) -> PromptTemplate:
    draft = template_drafts.Draft(body="A mug", image_model=site.model, guides=guides)
    return templates.create(
        actor=actor or author("ann", "Image reviewers"), name="Mugs", slug="mugs", draft=draft
    )


def requested(site: Site, **changes: Any) -> Job:
    return site.request(template="mugs", prompt="", size=None, **changes)


def guides_of(job: Job) -> list[tuple[Any, Any]]:
    return [(one.asset_id, one.guide.get("kind")) for one in job.inputs.order_by("position")]


def set_state(asset: Asset, **values: Any) -> None:
    use_case(audited=False)(Asset.objects.filter(pk=asset.pk).update)(**values)


def test_each_job_has_the_guides_behind_its_own_images(site: Site) -> None:
    asset = make_asset()
    made(site, FixedGuide(asset.pk, DEPTH))
    own = InputSource(data=make_image(size=(64, 64)))

    plain, other = requested(site), requested(site, inputs=[own], operation="edit")

    assert guides_of(plain) == [(asset.pk, "depth")]
    assert guides_of(other) == [(None, None), (asset.pk, "depth")]
    entry = plain.inputs.get()
    assert (entry.role, entry.guide["weight"], entry.guide["end"]) == ("control", 0.8, 0.7)


def test_one_image_can_guide_twice(site: Site) -> None:
    asset = make_asset()
    made(site, FixedGuide(asset.pk, DEPTH), FixedGuide(asset.pk, ControlGuide("pose")))

    job = requested(site)

    assert guides_of(job) == [(asset.pk, "depth"), (asset.pk, "pose")]
    assert guides_of(again(site, job)) == guides_of(job)


def again(site: Site, job: Job) -> Job:
    request = from_job.job_request_from(actor=site.actor, job=job)
    return creation.request_images(actor=site.actor, job_request=request)


def test_a_repeat_has_them_once(site: Site) -> None:
    asset = make_asset()
    made(site, FixedGuide(asset.pk, DEPTH))

    repeated = again(site, requested(site))

    assert guides_of(repeated) == [(asset.pk, "depth")]


def test_a_batch_has_them_in_each_row(site: Site) -> None:
    asset = make_asset()
    version = made(site, FixedGuide(asset.pk, DEPTH)).current
    assert version is not None
    start(site, version, products(2), mapping={})

    while row_jobs.create_next_jobs():
        pass

    assert [guides_of(job) for job in Job.objects.filter(batch__isnull=False)] == [
        [(asset.pk, "depth")]
    ] * 2


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"review_state": ReviewState.WITHDRAWN.value}, "Withdrawn"),
        ({"review_state": ReviewState.PENDING.value}, "not approved"),
        ({"hard_category": "minors"}, "closed this for good"),
    ],
)
def test_a_guide_that_cannot_be_used_any_more_refuses_with_the_reason(
    site: Site, values: dict[str, Any], reason: str
) -> None:
    asset = make_asset()
    made(site, FixedGuide(asset.pk, DEPTH))
    job = requested(site)
    set_state(asset, **values)

    for earlier in (None, job):
        with pytest.raises(access.ActionRefused) as refused:
            requested(site) if earlier is None else again(site, earlier)
        assert reason.lower() in refused.value.reason.lower()

    assert list(Job.objects.exclude(pk=asset.job_id)) == [job]


def test_another_guide_of_the_same_image_is_refused(site: Site) -> None:
    asset = make_asset()
    made(site, FixedGuide(asset.pk, DEPTH))
    other = InputSource(role=InputRole.CONTROL, asset=asset, guide=replace(DEPTH, weight=0.1))

    with pytest.raises(InvalidJobRequest) as refused:
        requested(site, inputs=[other])

    assert "guide 1" in refused.value.reason


def test_only_an_approved_image_that_the_author_may_see_can_be_fixed(site: Site) -> None:
    asset, waiting = make_asset(), make_asset(review_state=ReviewState.PENDING)

    with pytest.raises(NotPermitted):
        made(site, FixedGuide(asset.pk, DEPTH), actor=author("bob"))
    for key, reason in ((waiting.pk, "not approved"), (uuid4(), "no such image")):
        with pytest.raises(InvalidRecord) as refused:
            made(site, FixedGuide(key, DEPTH), actor=author(f"carl{key}", "Image reviewers"))
        assert refused.value.field == "guides"
        assert reason in refused.value.reason

    assert not PromptTemplate.objects.exists()


def test_an_author_may_keep_a_guide_that_a_colleague_chose(site: Site) -> None:
    asset = make_asset()
    template = made(site, FixedGuide(asset.pk, DEPTH))
    draft = template_drafts.Draft(
        body="A cup", image_model=site.model, guides=[FixedGuide(asset.pk, DEPTH)]
    )

    version = template_publishing.publish(actor=author("bob"), template=template, draft=draft)

    assert (version.number, version.guides) == (2, [FixedGuide(asset.pk, DEPTH).as_dict()])


@pytest.mark.parametrize(
    ("guide", "field", "reason"),
    [
        (ControlGuide("smell"), "guides", "choose"),
        (replace(DEPTH, weight=99.0), "guides", "weight"),
        (replace(DEPTH, start=0.9, end=0.1), "guides", "start before it ends"),
    ],
)
def test_what_the_model_does_not_take_cannot_be_fixed(
    site: Site, guide: ControlGuide, field: str, reason: str
) -> None:
    with pytest.raises(InvalidRecord) as refused:
        made(site, FixedGuide(make_asset().pk, guide))

    assert refused.value.field == field
    assert reason in refused.value.reason


def test_guides_are_fixed_for_one_model_and_not_too_many(site: Site) -> None:
    guide = FixedGuide(make_asset().pk, DEPTH)
    writer = author("ann", "Image reviewers")
    drafts = {
        "image_model": template_drafts.Draft(body="A mug", guides=[guide]),
        "guides": template_drafts.Draft(body="A mug", image_model=site.model, guides=[guide] * 20),
    }

    for field, draft in drafts.items():
        with pytest.raises(InvalidRecord) as refused:
            templates.create(actor=writer, name="Mugs", slug="mugs", draft=draft)
        assert refused.value.field == field


def test_other_guides_are_another_version_and_the_same_are_none(site: Site) -> None:
    guide = FixedGuide(make_asset().pk, DEPTH)
    template = made(site, guide)
    writer = author("bob", "Image reviewers")
    draft = template_drafts.Draft(body="A mug", image_model=site.model, guides=[guide])

    template_publishing.publish(actor=writer, template=template, draft=draft)
    same = template.versions.count()
    other = replace(draft, guides=[replace(guide, guide=ControlGuide("pose"))])
    template_publishing.publish(actor=writer, template=template, draft=other)
    copy = templates.duplicate(actor=writer, template=template).current

    assert (same, template.versions.count()) == (1, 2)
    assert copy is not None
    assert copy.guides[0]["kind"] == "pose"


def test_a_recipe_takes_the_guides_of_the_template_that_is_published_now(site: Site) -> None:
    first, second = make_asset(), make_asset()
    template = made(site, FixedGuide(first.pk, DEPTH))
    own = InputSource(data=make_image(size=(64, 64)))
    job = requested(site, inputs=[own], operation="edit")
    draft = template_drafts.Draft(
        body="A mug", image_model=site.model, guides=[FixedGuide(second.pk, DEPTH)]
    )
    template_publishing.publish(
        actor=author("bob", "Image reviewers"), template=template, draft=draft
    )

    # The editor may not see the image of the template, and needs not.
    recipe = recipe_of(site.actor, job)
    sources = from_job.own_input_sources(job, version=recipe.version)
    repeated = requested(site, inputs=sources, operation="edit")

    assert recipe.inputs_of == job
    assert guides_of(repeated) == [(None, None), (second.pk, "depth")]


def test_a_recipe_whose_images_are_all_the_templates_lacks_none(site: Site) -> None:
    made(site, FixedGuide(make_asset().pk, DEPTH))
    job = requested(site)

    recipe = recipe_of(site.actor, job)

    assert (recipe.inputs_of, recipe.lacks_inputs) == (None, False)
    # As a free prompt, the images of the template would be used without it.
    assert recipe_of(site.actor, job, as_free_prompt=True).lacks_inputs
