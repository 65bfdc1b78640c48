"""Every command is given twice: by the same tab, by an old one, and by another person.

The second time changes nothing and records nothing. It answers as the first time did, or says
calmly that it was done before.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model

from imagegen_app.core.actors import System
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import AuditEvent, Batch, Budget, Grant, Job, Provider
from imagegen_app.services.audit import erasure, prompt_access, sealing
from imagegen_app.services.batches import batch_actions, lifecycle, row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import creation, job_actions, templates
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import chooser, placement, review, takedown
from imagegen_app.services.policy import access, model_catalog, roles
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.testing.factories import (
    make_asset,
    make_attempt,
    make_grant,
    make_group,
    make_job,
    make_provider,
    make_template,
    make_user,
)
from project import seed
from project.catalog.models import Product
from tests.services import commands_in_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Person
    from tests.services.conftest import Site

TARGET = "catalog.Product.image"
DRAFT = templates.Draft(body="A fine {{ product }}", variables=[{"name": "product"}])


@dataclass(frozen=True)
class Command:
    """A use case that a button calls, and how to give it."""

    #: The function, as `room.module.function`.
    name: str
    #: The kind of which one event is recorded, however often it is given; empty for none.
    event: str
    #: Prepares the site and returns what the command is about.
    arrange: Callable[[Site], Any]
    give: Callable[[Person, Any], object]
    #: Why two people never give the same command; empty where they may.
    own: str = ""
    #: The field at which the form shows that the name is taken; empty where no name is given.
    field: str = ""
    note: str = ""


def batch(site: Site, *, rows: int = 2, prepared: bool = True) -> Batch:
    started = start_batch(site.actor, plan(site, rows=rows))
    if prepared:
        row_jobs.create_next_jobs()
    return Batch.objects.get(pk=started.pk)


def plan(site: Site, *, rows: int = 2) -> dict[str, Any]:
    seed.catalog()
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


def paused_batch(site: Site) -> Batch:
    found = batch(site)
    batch_actions.pause(actor=site.actor, batch=found)
    return Batch.objects.get(pk=found.pk)


def failed_batch(site: Site) -> Batch:
    found = batch(site)
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    return Batch.objects.get(pk=found.pk)


def approved_of_batch(site: Site) -> tuple[Batch, list[Any]]:
    found = batch(site, rows=1)
    return found, [make_asset(job=Job.objects.get(batch=found))]


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
    seed.catalog()
    return Product.objects.earliest("pk"), make_asset()


def placed(site: Site) -> Any:
    product, asset = product_and_asset(site)
    return placement.attach(actor=System("test"), asset=asset, target=product, field="image")


def saved_form(_site: Site) -> tuple[Product, Any]:
    """Return an object whose form has stored the file of an asset."""
    seed.catalog()
    product = Product.objects.exclude(image="").order_by("pk").first() or Product.objects.first()
    assert product is not None
    return product, make_asset()


def template(_site: Site) -> Any:
    return make_template(body="A {{ product }}").template


def grant_values(site: Site) -> Grant:
    return Grant(
        group=Group.objects.get(name="Image editors"),
        image_model=site.model,
        operations=["generate"],
        max_count=2,
        reason="Spring",
    )


def renamed(actor: Person, provider: Provider) -> Any:
    provider.name = "Renamed"
    return model_catalog.save(actor=actor, record=provider)


def erased_job(_site: Site) -> Job:
    return make_job(prompt="Ada's garden")


def archived(_site: Site) -> Any:
    found = template(_site)
    templates.archive(actor=access.actor_for(make_user(is_superuser=True)), template=found)
    return found


def rolled_forward(site: Site) -> Any:
    found = template(site)
    boss = access.actor_for(make_user(is_superuser=True))
    templates.publish(actor=boss, template=found, draft=replace(DRAFT, body="Two {{ product }}"))
    return found


def done(_number: int) -> None:
    """Leave out how many rows were changed: the second time there are none."""


def sign(actor: Person, _nothing: object) -> str:
    checkpoint = sealing.make_checkpoint(actor, force=True)
    assert checkpoint is not None
    return checkpoint.note


COMMANDS = [
    Command(
        "batches.lifecycle.start",
        "batch.created",
        plan,
        start_batch,
        own="a form's idempotency key belongs to the person who opened it",
    ),
    Command(
        "batches.batch_actions.pause",
        "batch.paused",
        batch,
        lambda actor, row: batch_actions.pause(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.resume",
        "batch.resumed",
        paused_batch,
        lambda actor, row: batch_actions.resume(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.cancel",
        "batch.cancelled",
        batch,
        lambda actor, row: batch_actions.cancel(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.cancel",
        "batch.cancelled",
        paused_batch,
        lambda actor, row: batch_actions.cancel(actor=actor, batch=row),
        note="paused",
    ),
    Command(
        "batches.batch_actions.rerun_failed",
        "batch.retried",
        failed_batch,
        lambda actor, row: batch_actions.rerun_failed(actor=actor, batch=row),
    ),
    Command(
        "batches.lifecycle.place_approved",
        "placement.created",
        approved_of_batch,
        lambda actor, found: lifecycle.place_approved(actor=actor, batch=found[0], assets=found[1]),
    ),
    Command(
        "job_requests.creation.request_images",
        "job.requested",
        lambda site: site.job_request(idempotency_key="page-1"),
        lambda actor, asked: creation.request_images(actor=actor, job_request=asked),
        own="a form's idempotency key belongs to the person who opened it",
    ),
    Command(
        "job_requests.job_actions.cancel",
        "job.cancel_requested",
        lambda site: site.request(),
        lambda actor, job: job_actions.cancel(actor=actor, job=job),
        note="queued",
    ),
    Command(
        "job_requests.job_actions.cancel",
        "job.cancel_requested",
        running_job,
        lambda actor, job: job_actions.cancel(actor=actor, job=job),
        note="running",
    ),
    Command(
        "job_requests.job_actions.request_again",
        "job.requested",
        cancelled_job,
        lambda actor, job: job_actions.request_again(actor=actor, job=job),
    ),
    *(
        Command(
            "job_requests.job_actions.resolve",
            kind,
            uncertain_job,
            lambda actor, job, how=how: job_actions.resolve(actor=actor, job=job, resolution=how),
            note=how,
        )
        for how, kind in [
            ("close", "job.resolved"),
            ("send_again", "job.resolved"),
            ("never_accepted", "job.retried"),
        ]
    ),
    Command(
        "job_requests.templates.create",
        "template.created",
        lambda site: "cups",
        lambda actor, slug: templates.create(actor=actor, name="Cups", slug=slug, draft=DRAFT),
        field="slug",
    ),
    Command(
        "job_requests.templates.publish",
        "template.version_published",
        template,
        lambda actor, row: templates.publish(actor=actor, template=row, draft=DRAFT),
    ),
    Command(
        "job_requests.templates.publish",
        "template.version_published",
        rolled_forward,
        lambda actor, row: templates.publish(
            actor=actor, template=row, draft=templates.draft_of(row.versions.get(number=1))
        ),
        note="roll back",
    ),
    Command(
        "job_requests.templates.archive",
        "template.archived",
        template,
        lambda actor, row: templates.archive(actor=actor, template=row),
    ),
    Command(
        "job_requests.templates.archive",
        "template.restored",
        archived,
        lambda actor, row: templates.archive(actor=actor, template=row, archived=False),
        note="restore",
    ),
    Command(
        "job_requests.templates.rename",
        "template.changed",
        template,
        lambda actor, row: templates.rename(actor=actor, template=row, name="Mugs", purpose="Shop"),
    ),
    Command(
        "library.review.approve",
        "review.approved",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: review.approve(actor=actor, asset=asset),
    ),
    Command(
        "library.review.reject",
        "review.rejected",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: review.reject(actor=actor, asset=asset, note="Blurred"),
    ),
    Command(
        "library.review.withdraw",
        "asset.withdrawn",
        lambda site: make_asset(),
        lambda actor, asset: review.withdraw(actor=actor, asset=asset),
    ),
    Command(
        "library.review.set_alt_text",
        "asset.changed",
        lambda site: make_asset(),
        lambda actor, asset: review.set_alt_text(actor=actor, asset=asset, alt_text="A red mug"),
    ),
    Command(
        "library.takedown.withdraw",
        "asset.withdrawn",
        lambda site: placed(site).asset,
        lambda actor, asset: takedown.withdraw(actor=actor, asset=asset, note="Report 12"),
    ),
    Command(
        "library.chooser.choose",
        "review.approved",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: bool(chooser.choose(actor=actor, asset=asset, alt_text="A red mug")),
    ),
    Command(
        "library.placement.attach",
        "placement.created",
        product_and_asset,
        lambda actor, found: placement.attach(
            actor=actor, asset=found[1], target=found[0], field="image"
        ),
    ),
    Command(
        "library.placement.record_placement",
        "placement.created",
        saved_form,
        lambda actor, found: placement.record_placement(
            actor=actor, asset=found[1], target=found[0], field="image"
        ),
    ),
    Command(
        "library.placement.detach",
        "placement.removed",
        placed,
        lambda actor, row: placement.detach(actor=actor, placement=row),
    ),
    Command(
        "library.placement.remove_all_from",
        "placement.removed",
        lambda site: placed(site).target,
        lambda actor, row: done(placement.remove_all_from(actor=actor, target=row)),
    ),
    Command(
        "policy.model_catalog.save",
        "provider.changed",
        lambda site: make_provider(),
        renamed,
        note="change",
    ),
    Command(
        "policy.model_catalog.save",
        "provider.created",
        lambda site: Provider(name="New", slug="new", adapter="sandbox"),
        lambda actor, row: model_catalog.save(actor=actor, record=row),
        field="name",
        note="add a provider",
    ),
    Command(
        "policy.model_catalog.save",
        "grant.created",
        grant_values,
        lambda actor, row: model_catalog.save(actor=actor, record=row),
        note="add a grant",
    ),
    Command(
        "policy.model_catalog.save",
        "budget.created",
        lambda site: Budget(name="Two", scope="site", period="day", limit=Decimal(5)),
        lambda actor, row: model_catalog.save(actor=actor, record=row),
        note="add a budget",
    ),
    Command(
        "policy.model_catalog.delete",
        "grant.revoked",
        lambda site: make_grant(group=make_group("Others"), image_model=site.model),
        lambda actor, row: model_catalog.delete(actor=actor, record=row),
    ),
    Command(
        "policy.model_catalog.set_lifecycle",
        "model.retired",
        lambda site: site.model,
        lambda actor, row: model_catalog.set_lifecycle(
            actor=actor, image_model=row, lifecycle=Lifecycle.RETIRED
        ),
    ),
    Command(
        "policy.roles.create_groups",
        "",
        lambda site: None,
        lambda actor, _none: roles.create_groups(),
    ),
    Command(
        "audit.erasure.erase_prompt",
        "privacy.erased",
        erased_job,
        lambda actor, job: done(erasure.erase_prompt(actor, job=job, reason="asked for")),
    ),
    Command(
        "audit.erasure.erase_person",
        "privacy.erased",
        erased_job,
        lambda actor, job: done(
            erasure.erase_person(actor, subject=f"person:{job.actor_id}", reason="asked for")
        ),
    ),
    Command(
        "audit.prompt_access.read_prompt",
        "asset.prompt_viewed",
        erased_job,
        prompt_access.read_prompt,
        own="each reader is recorded",
    ),
    Command(
        "audit.sealing.seal_all",
        "",
        lambda site: site.request(),
        lambda actor, _job: done(sealing.seal_all()),
    ),
    Command(
        "audit.sealing.make_checkpoint",
        "",
        lambda site: site.request() and sealing.seal_all(),
        sign,
    ),
]

#: Functions that write and are called by buttons or views, but are not commands of that kind.
EXCEPTIONS = {
    "audit.log_export.export": "each export hands out one more copy, and is recorded for itself",
    "foundation.wakeups.wake_if_stale": "wakes a worker once in a while; it changes no record",
    "foundation.worker_registry.record_heartbeat": "is repeated by design and records no event",
    "job_requests.templates.duplicate": "each press asks for one more copy, with its own number",
    "library.asset_table.export": "each export hands out one more copy, and is recorded for itself",
    "library.evidence.build_pack": "each export hands out one more copy, and is recorded for itself",
    "worker.sweep.sweep": "is repeated by design; see tests/services/worker",
    "worker.webhook_inbox.receive": "a provider repeats deliveries; see tests/webhooks",
}


def _id(command: Command) -> str:
    return f"{command.name.partition('.')[2]}{f' ({command.note})' if command.note else ''}"


@pytest.fixture
def two_people(site: Site) -> tuple[Person, Person]:
    groups = ["Image editors", "Image administrators"]
    first, second = (
        access.actor_for(make_user(name, groups=groups, is_superuser=True))
        for name in ("ann", "bo")
    )
    return first, second


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def plain(answer: object) -> object:
    return (type(answer).__name__, answer.pk) if isinstance(answer, Model) else answer


@pytest.mark.parametrize("again", ["in the same tab", "in an old tab", "by another person"])
@pytest.mark.parametrize("command", COMMANDS, ids=_id)
def test_a_command_given_twice_is_carried_out_once(
    site: Site, two_people: tuple[Person, Person], command: Command, again: str
) -> None:
    if again == "by another person" and command.own:
        pytest.skip(command.own)
    subject = command.arrange(site)
    old_tab = subject if again == "in the same tab" else copy.deepcopy(subject)
    before = events()

    first = plain(command.give(two_people[0], subject))
    recorded = events()[len(before) :]
    refusal: ActionRefused | None = None
    second: object = None
    try:
        second = plain(command.give(two_people[again == "by another person"], old_tab))
    except ActionRefused as error:
        refusal = error

    assert recorded.count(command.event) == (1 if command.event else 0), recorded
    assert events()[len(before) + len(recorded) :] == []
    if refusal is None:
        assert second == first
    elif command.field:
        assert isinstance(refusal, model_catalog.InvalidRecord)
    else:
        assert refusal.is_already_done, str(refusal)
        assert "ann did this on" in refusal.reason


def test_the_table_names_every_command_that_is_in_use() -> None:
    named = {command.name for command in COMMANDS} | EXCEPTIONS.keys()

    assert sorted(commands_in_use.commands() - named) == []


def test_an_exception_is_in_use_and_not_in_the_table() -> None:
    assert sorted(EXCEPTIONS.keys() - commands_in_use.commands()) == []
    assert sorted(EXCEPTIONS.keys() & {command.name for command in COMMANDS}) == []
