"""Prepare a site in which a certain command can be given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from imagegen_app.core.actors import System
from imagegen_app.core.catalog_entries import CatalogEntry
from imagegen_app.core.ids import uuid7
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import (
    Asset,
    Batch,
    Collection,
    Grant,
    ImageModel,
    Job,
    ScheduledPlacement,
)
from imagegen_app.providers.families import comfy_examples
from imagegen_app.services.audit import sealing
from imagegen_app.services.batches import batch_actions, lifecycle, placing, row_jobs, table_uploads
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import (
    brand_kits,
    creation,
    job_actions,
    template_drafts,
    template_publishing,
    templates,
)
from imagegen_app.services.jobs import leases, transitions, waiting
from imagegen_app.services.library import collections, placement, tags
from imagegen_app.services.policy import access, model_import, revocations
from imagegen_app.testing.factories import (
    make_asset,
    make_attempt,
    make_brand_kit,
    make_job,
    make_provider,
    make_template,
    make_user,
)
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

TARGET = "catalog.Product.image"
#: A content check that looks at the images that were generated.
OUTPUT_CHECK = {
    "BACKEND": "imagegen_app.moderation.block_list.BlockList",
    "NAME": "outputs",
    "STAGES": ["output"],
}
KIT_DRAFT = brand_kits.KitDraft(style_words="at dusk")
DRAFT = template_drafts.Draft(body="A fine {{ product }}", variables=[{"name": "product"}])


def batch(site: Site, *, rows: int = 2, prepared: bool = True) -> Batch:
    started = start_batch(site.actor, plan(site, rows=rows))
    if prepared:
        row_jobs.create_next_jobs()
    return Batch.objects.get(pk=started.pk)


def plan(site: Site, *, rows: int = 2) -> dict[str, Any]:
    arranged_rows.products()
    target = content_fields.target_by_path(TARGET)
    version = make_template(
        body="A {{ product }}",
        variables=[{"name": "product", "label": "Product"}],
        width=64,
        height=64,
        image_model=site.model,
    )
    keys = [str(pk) for pk in Product.objects.order_by("pk").values_list("pk", flat=True)[:rows]]
    return {"version": version, "keys": keys, "target": target}


def start_batch(actor: Person, planned: dict[str, Any]) -> Batch:
    return lifecycle.start(
        actor=actor, title="Cups", mapping={"product": "name"}, key="spring", **planned
    )


def uploaded_table(site: Site) -> uuid.UUID:
    # A table is deleted by its owner, who gives the command.
    owner = access.actor_for(get_user_model().objects.get(username="ann"))
    table = table_uploads.add_table(actor=owner, name="cups.csv", data=b"sku,name\nA,Cup\n")
    return table.table.pk


def paused_batch(site: Site) -> Batch:
    found = batch(site)
    batch_actions.pause(actor=site.actor, batch=found)
    return Batch.objects.get(pk=found.pk)


def waiting_job(site: Site) -> Job:
    site.request()
    (job,) = leases.claim(limit=1, owner="w")
    waiting.wait_for(job, WaitingReason.STORAGE)
    return job


def failed_batch(site: Site) -> Batch:
    found = batch(site)
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    return Batch.objects.get(pk=found.pk)


def approved_of_batch(site: Site) -> tuple[Batch, list[Any]]:
    found = batch(site, rows=1)
    return found, [make_asset(job=Job.objects.get(batch=found))]


def image_of_batch(site: Site) -> Asset:
    asset: Asset = make_asset(
        job=Job.objects.get(batch=batch(site, rows=1)), review_state="pending"
    )
    change_job(asset.job, state="succeeded", finished_at=asset.created_at)
    use_case(audited=False)(lambda: Batch.objects.update(succeeded=1))()
    return Asset.objects.get(pk=asset.pk)


def approved_and_time(site: Site) -> tuple[Batch, list[Any], datetime]:
    found, assets = approved_of_batch(site)
    return found, assets, clock.now() + timedelta(days=1)


def scheduled_placement(site: Site) -> ScheduledPlacement:
    found, assets, due_at = approved_and_time(site)
    boss = access.actor_for(make_user("planner", is_superuser=True))
    placing.schedule_approved(actor=boss, batch=found, assets=assets, due_at=due_at)
    return ScheduledPlacement.objects.get()


def uncertain_job(site: Site) -> Job:
    job = site.request()
    make_attempt(job=job, state="unknown")
    change_job(job, state="uncertain")
    return Job.objects.get(pk=job.pk)


def running_job(site: Site) -> Job:
    job = site.request()
    make_attempt(job=job, state="accepted")
    change_job(job, state="awaiting")
    return Job.objects.get(pk=job.pk)


def cancelled_job(site: Site) -> Job:
    job = site.request()
    job_actions.cancel(actor=site.actor, job=job)
    return Job.objects.get(pk=job.pk)


@use_case(audited=False)
def change_job(job: Job, **changes: Any) -> None:
    Job.objects.filter(pk=job.pk).update(**changes)


def product_and_asset(_site: Site) -> tuple[Product, Any]:
    arranged_rows.products()
    return Product.objects.earliest("pk"), make_asset()


def placed(site: Site) -> Any:
    product, asset = product_and_asset(site)
    return placement.attach(actor=System("test"), asset=asset, target=product, field="image")


def saved_form(_site: Site) -> tuple[Product, Any]:
    """Return an object whose form has stored the file of an asset."""
    arranged_rows.products()
    product = Product.objects.exclude(image="").order_by("pk").first() or Product.objects.first()
    assert product is not None
    return product, make_asset()


def template(_site: Site) -> Any:
    return make_template(body="A {{ product }}").template


def brand_kit(_site: Site) -> Any:
    return make_brand_kit().kit


def archived_kit(site: Site) -> Any:
    found = brand_kit(site)
    brand_kits.archive(actor=access.actor_for(make_user(is_superuser=True)), kit=found)
    return found


def workflow(_site: Site) -> dict[str, Any]:
    return {
        "provider": make_provider(adapter="comfyui", base_url="https://127.0.0.1:9"),
        "name": "portrait",
        "document": comfy_examples.WORKFLOWS["text-to-image"],
    }


def previewed_model(_site: Site) -> dict[str, Any]:
    provider = make_provider(adapter="openai")
    row = ImageModel(
        provider=provider, name="New", provider_model_name="m-new", version="1", price_list={}
    )
    return {"provider": provider, "token": model_import.preview_token(row)}


def catalog(_site: Site) -> dict[str, Any]:
    entry = CatalogEntry(adapter="openai", model="m-new", name="New", version="1")
    return {"entries": [entry], "providers": [make_provider(adapter="openai")]}


def grant_values(site: Site) -> Grant:
    return Grant(
        group=Group.objects.get(name="Image editors"),
        image_model=site.model,
        operations=["generate"],
        max_count=2,
        reason="Spring",
    )


def erased_job(_site: Site) -> Job:
    return make_job(prompt="Ada's garden")


def archived(_site: Site) -> Any:
    found = template(_site)
    templates.archive(actor=access.actor_for(make_user(is_superuser=True)), template=found)
    return found


def revoked_credential(_site: Site) -> str:
    boss = access.actor_for(make_user(is_superuser=True))
    revocations.revoke(actor=boss, name="openai", reason="In a log")
    return "openai"


def rolled_forward(site: Site) -> Any:
    found = template(site)
    boss = access.actor_for(make_user(is_superuser=True))
    template_publishing.publish(
        actor=boss, template=found, draft=replace(DRAFT, body="Two {{ product }}")
    )
    return found


def sealed_log(site: Site) -> None:
    """Leave a log of some length without any event that waits."""
    site.request()
    sealing.seal_all()


def with_output_check(settings: Any) -> None:
    """Have the site check the images that are generated."""
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SCREENERS": [OUTPUT_CHECK]}


def own_draft(_site: Site) -> Asset:
    """A pending image of the first of two people."""
    return make_asset(
        review_state="pending", requester=get_user_model().objects.get(username="ann")
    )


def session_of_a_job(site: Site) -> uuid.UUID:
    """Return the key of a session of the studio in which a job was requested."""
    key = uuid7()
    creation.request_images(actor=site.actor, job_request=replace(site.job_request(), session=key))
    return key


def one_image() -> QuerySet[Asset]:
    """Return a list of one image."""
    return Asset.objects.filter(pk=make_asset().pk)


def tagged_image(site: Site) -> QuerySet[Asset]:
    """Return a list of one image that has a tag."""
    found = one_image()
    actor = access.actor_for(make_user("tagger", permissions=["imagegen.change_asset"]))
    tags.tag(actor=actor, assets=found, name="Spring")
    return found


def collection_of(site: Site) -> Collection:
    """Return an empty collection of the site's editor."""
    return collections.create(actor=site.actor, name="Spring")


def filled_collection(site: Site) -> tuple[Person, Collection, QuerySet[Asset]]:
    """Return the site's editor, a collection of theirs, and the image in it."""
    found, collection = one_image(), collection_of(site)
    collections.add(actor=site.actor, collection=collection, assets=found)
    return site.actor, collection, found
