"""Placed images are out of date when another would be made today: told in words, refreshed, or kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.states import Lifecycle
from imagegen_app.core.types import Lora
from imagegen_app.models import Asset, AuditEvent, Batch, ImageModel, Job, Placement
from imagegen_app.services.batches import batch_actions, outdated, row_jobs
from imagegen_app.services.batches.outdated import NothingToRefresh, TooManyBatches
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import brand_kits, template_drafts, templates
from imagegen_app.services.job_requests.template_publishing import publish
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import (
    make_asset,
    make_attempt,
    make_brand_kit,
    make_template,
    make_user,
)
from project.catalog.models import Category, Product
from tests.services.batches.test_lifecycle import products, start

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.composed_today import OutdatedImage
    from imagegen_app.services.gateways.content_fields import Target
    from tests.services.conftest import Site

VARIABLES = [{"name": "product", "label": "Product"}, {"name": "look", "label": "Look"}]
BOSS = "boss"


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    change = Permission.objects.get(codename="change_product")
    site.actor.user.user_permissions.add(change)
    return make_template(
        body="A {{ look }} {{ product }}",
        variables=VARIABLES,
        width=64,
        height=64,
        image_model=site.model,
    )


def boss() -> Actor:
    return access.actor_for(make_user(is_superuser=True))


def target() -> Target:
    found = content_fields.target_by_path("catalog.Product.image")
    assert found is not None
    return found


def placed(site: Site, version: TemplateVersion, number: int = 1, **changes: Any) -> list[Product]:
    """Have images made for new products by a batch, and place them."""
    keys = products(number)
    mapping = {"mapping": {"product": "name"}, "fixed": {"look": "plain"}}
    start(site, version, keys, **{**mapping, "key": f"batch-{keys[0]}", **changes})
    while row_jobs.create_next_jobs():
        pass
    found = []
    for job in Job.objects.filter(row_key__in=keys).order_by("pk"):
        finish(job)
        product = Product.objects.get(pk=job.row_key)
        asset = make_asset(attempt=make_attempt(job=job))
        placement.attach(actor=boss(), asset=asset, target=product, field="image")
        found.append(product)
    return found


@use_case(audited=False)
def finish(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=job.created_at)
    Batch.objects.filter(jobs=job).update(succeeded=1)


def changed(version: TemplateVersion, **content: Any) -> TemplateVersion:
    draft = replace(template_drafts.draft_of(version), **content)
    return publish(actor=boss(), template=version.template, draft=draft)


def found(site: Site) -> list[OutdatedImage]:
    return outdated.find_page(actor=boss(), target=target()).images


def told(site: Site) -> list[tuple[str, str, str]]:
    return [
        (change.label, change.before, change.after)
        for one in found(site)
        for change in one.today.changes
    ]


def shown(images: list[OutdatedImage]) -> list[tuple[int, str]]:
    return [(one.placement.pk, one.today.digest) for one in images]


def test_nothing_is_out_of_date_where_nothing_changed(site: Site, version: TemplateVersion) -> None:
    placed(site, version, 2)
    changed(version, alt_pattern="A picture of {{ product }}")

    assert found(site) == []


def test_a_changed_field_is_told_with_both_values_and_not_when_it_is_changed_back(
    site: Site, version: TemplateVersion
) -> None:
    (product, _other) = placed(site, version, 2)
    name = product.name
    Product.objects.filter(pk=product.pk).update(name="Red bowl")

    assert told(site) == [("Product", name, "Red bowl")]

    Product.objects.filter(pk=product.pk).update(name=name)
    assert found(site) == []


def test_a_field_of_a_related_row_is_followed(site: Site, version: TemplateVersion) -> None:
    placed(site, version, mapping={"product": "category.name"})
    Category.objects.update(name="Kitchen")

    assert told(site) == [("Product", "Shelf", "Kitchen")]


def test_a_new_version_is_told_where_it_changes_what_is_made(
    site: Site, version: TemplateVersion
) -> None:
    placed(site, version)

    changed(version, body="One {{ look }} {{ product }}")

    assert told(site) == [("Template", "v1", "v2")]


def test_a_changed_brand_kit_is_told(site: Site, version: TemplateVersion) -> None:
    kit = make_brand_kit().kit
    with_kit = changed(version, brand_kit=kit)
    placed(site, with_kit)
    assert found(site) == []

    brand_kits.publish(
        actor=boss(), kit=kit, draft=brand_kits.KitDraft(style_words="dark", loras=[Lora("ink")])
    )

    assert told(site) == [("Brand kit", f"{kit.name} v1", f"{kit.name} v2")]


def test_a_retired_model_is_told(site: Site, version: TemplateVersion) -> None:
    placed(site, version)
    use_case(audited=False)(ImageModel.objects.update)(lifecycle=Lifecycle.RETIRED.value)

    ((label, before, after),) = told(site)

    assert (label, before) == ("Image model", site.model.name)
    assert "Retired" in after


def test_what_cannot_be_composed_any_more_says_why(site: Site, version: TemplateVersion) -> None:
    placed(site, version)
    more = [*VARIABLES, {"name": "season", "label": "Season"}]
    changed(version, body="{{ season }} {{ look }} {{ product }}", variables=more)

    (one,) = found(site)

    assert one.today.problem == "Season: a value is required."
    assert not one.is_refreshable


def test_an_image_that_a_form_placed_is_compared_by_the_bound_fields(
    site: Site, version: TemplateVersion, settings: Any
) -> None:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "TARGETS": {"catalog.Product.image": {"variables": {"product": "name"}}},
    }
    (key,) = products(1)
    product = Product.objects.get(pk=key)
    job = site.request(
        template=version.template.slug,
        prompt="",
        size=None,
        variables={"product": product.name, "look": "shiny"},
    )
    asset = make_asset(attempt=make_attempt(job=job))
    placement.attach(actor=boss(), asset=asset, target=product, field="image")
    assert found(site) == []

    Product.objects.filter(pk=key).update(name="Red bowl")

    assert told(site) == [("Product", product.name, "Red bowl")]
    (batch,) = outdated.refresh(actor=site.actor, target=target(), shown=None, key="k")
    assert batch.mapping["fixed"] == {"look": "shiny"}


def test_values_of_other_peoples_requests_need_the_permission_to_read_prompts(
    site: Site, version: TemplateVersion
) -> None:
    (key,) = products(1)
    product = Product.objects.get(pk=key)
    values = {"product": product.name, "look": "secret"}
    job = site.request(template=version.template.slug, prompt="", size=None, variables=values)
    asset = make_asset(attempt=make_attempt(job=job))
    placement.attach(actor=boss(), asset=asset, target=product, field="image")
    Product.objects.filter(pk=key).update(name="Red bowl")
    colleague = make_user(groups=["Image editors"], permissions=["catalog.change_product"])

    page = outdated.find_page(actor=access.actor_for(colleague), target=target())

    texts = [change.before for one in page.images for change in one.today.changes]
    assert texts
    assert product.name not in texts


@pytest.mark.parametrize("gone", ["image", "object", "archived", "erased"])
def test_what_nobody_could_refresh_is_left_out(
    site: Site, version: TemplateVersion, gone: str
) -> None:
    (product,) = placed(site, version)
    Product.objects.filter(pk=product.pk).update(name="Red bowl")
    if gone == "image":
        Product.objects.filter(pk=product.pk).update(image="other.png")
    elif gone == "object":
        Product.objects.filter(pk=product.pk).delete()
    elif gone == "archived":
        templates.archive(actor=boss(), template=version.template)
    else:
        job = Job.objects.get()
        use_case(audited=False)(Job.objects.update)(prompt_erased_at=job.created_at)

    assert found(site) == []


def test_one_press_makes_a_batch_of_them_and_a_second_one_nothing(
    site: Site, version: TemplateVersion
) -> None:
    some = placed(site, version, 3)
    new = changed(version, body="One {{ look }} {{ product }}")

    (batch,) = outdated.refresh(actor=site.actor, target=target(), shown=None, key="k")

    assert (batch.template_version, batch.row_count) == (new, 3)
    assert [one.asked_in for one in found(site)] == [batch] * 3
    for key in ("k", "other"):
        with pytest.raises(NothingToRefresh):
            outdated.refresh(actor=site.actor, target=target(), shown=None, key=key)
    while row_jobs.create_next_jobs():
        pass
    assert {job.prompt for job in batch.jobs.all()} == {f"One plain {one.name}" for one in some}
    assert [one.asked_in for one in found(site)] == [batch] * 3


def test_two_who_press_at_the_same_moment_start_one_batch(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(site, version)
    changed(version, body="One {{ look }} {{ product }}")
    lock = outdated._lock_templates

    def after_another(keys: Any) -> None:
        monkeypatch.setattr(outdated, "_lock_templates", lock)
        outdated.refresh(actor=site.actor, target=target(), shown=None, key="first")
        lock(keys)

    monkeypatch.setattr(outdated, "_lock_templates", after_another)
    with pytest.raises(NothingToRefresh):
        outdated.refresh(actor=boss(), target=target(), shown=None, key="second")


def test_a_refresh_that_was_cancelled_can_be_asked_for_again(
    site: Site, version: TemplateVersion
) -> None:
    placed(site, version)
    changed(version, body="One {{ look }} {{ product }}")
    (batch,) = outdated.refresh(actor=site.actor, target=target(), shown=None, key="k")

    batch_actions.cancel(actor=site.actor, batch=batch)

    assert [one.is_refreshable for one in found(site)] == [True]


def test_only_the_chosen_ones_are_made_if_they_are_as_they_were_shown(
    site: Site, version: TemplateVersion
) -> None:
    first, second, third = placed(site, version, 3)
    for product in (first, second, third):
        Product.objects.filter(pk=product.pk).update(name=f"New {product.name}")
    chosen = [
        one for one in found(site) if one.placement.object_id in {str(first.pk), str(second.pk)}
    ]
    Product.objects.filter(pk=second.pk).update(name="Newer")

    (batch,) = outdated.refresh(actor=site.actor, target=target(), shown=shown(chosen), key="k")

    assert batch.rows == [str(first.pk)]


def test_more_kinds_than_one_press_may_start_are_refused(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outdated, "MAX_BATCHES", 1)
    placed(site, version)
    placed(site, version, fixed={"look": "shiny"})
    changed(version, body="One {{ look }} {{ product }}")

    with pytest.raises(TooManyBatches):
        outdated.refresh(actor=site.actor, target=target(), shown=None, key="k")

    assert Batch.objects.count() == 2


def test_what_is_kept_is_recorded_and_told_again_only_after_another_change(
    site: Site, version: TemplateVersion
) -> None:
    (product,) = placed(site, version)
    Product.objects.filter(pk=product.pk).update(name="Red bowl")
    images = found(site)

    assert outdated.keep(actor=site.actor, target=target(), shown=shown(images)) == 1
    assert outdated.keep(actor=site.actor, target=target(), shown=shown(images)) == 0

    assert found(site) == []
    event = AuditEvent.objects.get(type="placement.kept")
    assert images[0].today.digest in event.body
    assert "Red bowl" not in event.body
    Product.objects.filter(pk=product.pk).update(name="Blue bowl")
    assert len(found(site)) == 1


def test_who_may_not_change_the_objects_sees_and_does_nothing(
    site: Site, version: TemplateVersion
) -> None:
    stranger = access.actor_for(make_user(groups=["Image editors"]))

    assert outdated.targets_for(stranger) == []
    with pytest.raises(NotPermitted):
        outdated.find_page(actor=stranger, target=target())
    with pytest.raises(NotPermitted):
        outdated.refresh(actor=stranger, target=target(), shown=None, key="k")
    with pytest.raises(NotPermitted):
        outdated.keep(actor=stranger, target=target(), shown=[])


def test_a_page_costs_as_many_queries_for_many_as_for_few(
    site: Site, version: TemplateVersion
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            outdated.find_page(actor=site.actor, target=target())
        return len(queries)

    placed(site, version, 2, mapping={"product": "category.name"})
    changed(version, body="One {{ look }} {{ product }}")
    few = asked()
    placed(site, version, 8, mapping={"product": "category.name"}, key="more")

    assert asked() <= few + 1


def test_many_placements_are_looked_through_page_by_page(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outdated, "_CHUNK", 2)
    monkeypatch.setattr(outdated, "PAGE_ROWS", 3)
    monkeypatch.setattr(outdated, "MAX_LOOKED_THROUGH", 4)
    placed(site, version, 9)
    Product.objects.filter(pk__in=Product.objects.order_by("pk").values("pk")[:6]).update(
        material="x"
    )
    changed(version, body="One {{ look }} {{ product }}")
    seen: list[int] = []
    after: int | None = None
    pages = 0
    while True:
        page = outdated.find_page(actor=boss(), target=target(), after=after)
        seen += [one.placement.pk for one in page.images]
        assert len(page.images) <= 3
        assert page.looked_through <= 4
        pages += 1
        after = page.after
        if after is None:
            break

    assert seen == list(Placement.objects.order_by("-pk").values_list("pk", flat=True))
    assert pages > 2
    assert Asset.objects.count() == 9
