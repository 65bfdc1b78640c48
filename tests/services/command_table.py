"""List the commands that buttons give, what each is about, and the one event that it records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from imagegen_app.core.states import Lifecycle, WaitingReason
from imagegen_app.models import Asset, Budget, Provider
from imagegen_app.services.audit import prompt_access, sealing
from imagegen_app.services.batches import (
    batch_actions,
    lifecycle,
    placing,
    regeneration,
    table_uploads,
)
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.erasure import scopes
from imagegen_app.services.job_requests import (
    brand_kits,
    creation,
    job_actions,
    sessions,
    template_drafts,
    template_publishing,
    templates,
    waiting_jobs,
)
from imagegen_app.services.library import (
    alt_texts,
    bulk_approval,
    chooser,
    collections,
    drafts,
    focal_points,
    placement,
    ratings,
    review,
    review_decisions,
    review_requests,
    saved_views,
    scheduled_placements,
    tags,
    takedown,
    template_cards,
)
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.monitoring import mail_preferences
from imagegen_app.services.policy import (
    catalog_sync,
    model_catalog,
    model_import,
    model_suggestions,
    revocations,
    roles,
    site_setup,
    workflows,
)
from imagegen_app.testing.factories import (
    make_asset,
    make_grant,
    make_group,
    make_provider,
    make_template,
)
from tests.services import arranged

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Job
    from tests.services.conftest import Site


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


def renamed(actor: Person, provider: Provider) -> Any:
    provider.name = "Renamed"
    return model_catalog.save(actor=actor, record=provider)


def with_address(actor: Person) -> Person:
    actor.user.email = "somebody@example.org"
    return actor


def resolving(how: str) -> Callable[[Person, Job], None]:
    return lambda actor, job: job_actions.resolve(actor=actor, job=job, resolution=how)


def done(_number: object) -> None:
    """Leave out how many rows were changed: the second time there are none."""


def sign(actor: Person, _nothing: object) -> str:
    checkpoint = sealing.make_checkpoint(actor, force=True)
    assert checkpoint is not None
    # A second signature says the same of the log, at another time.
    return f"{checkpoint.size} {checkpoint.root}"


COMMANDS = [
    Command(
        "batches.lifecycle.start",
        "batch.created",
        arranged.plan,
        arranged.start_batch,
        own="a form's idempotency key belongs to the person who opened it",
    ),
    Command(
        "batches.table_uploads.delete_table",
        "uploaded_table.deleted",
        arranged.uploaded_table,
        lambda actor, key: table_uploads.delete_table(actor=actor, key=key),
        own="a table is deleted by the person who uploaded it",
    ),
    Command(
        "batches.batch_actions.pause",
        "batch.paused",
        arranged.batch,
        lambda actor, row: batch_actions.pause(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.resume",
        "batch.resumed",
        arranged.paused_batch,
        lambda actor, row: batch_actions.resume(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.cancel",
        "batch.cancelled",
        arranged.batch,
        lambda actor, row: batch_actions.cancel(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.cancel",
        "batch.cancelled",
        arranged.paused_batch,
        lambda actor, row: batch_actions.cancel(actor=actor, batch=row),
        note="paused",
    ),
    Command(
        "batches.batch_actions.rerun_failed",
        "batch.retried",
        arranged.failed_batch,
        lambda actor, row: batch_actions.rerun_failed(actor=actor, batch=row),
    ),
    Command(
        "batches.batch_actions.request_reruns",
        "batch.retried",
        arranged.failed_batch,
        lambda actor, row: batch_actions.request_reruns(
            actor=actor, batch=row, jobs=row.jobs.all()
        ),
    ),
    Command(
        "batches.regeneration.regenerate",
        "job.requested",
        arranged.image_of_batch,
        lambda actor, row: regeneration.regenerate(actor=actor, asset=row, note="More light"),
    ),
    Command(
        "batches.placing.schedule_approved",
        "placement.scheduled",
        arranged.approved_and_time,
        lambda actor, found: placing.schedule_approved(
            actor=actor, batch=found[0], assets=found[1], due_at=found[2]
        ),
    ),
    Command(
        "library.scheduled_placements.reschedule",
        "placement.scheduled",
        arranged.scheduled_placement,
        lambda actor, row: scheduled_placements.reschedule(
            actor=actor, batch=row.batch, keys=[row.pk], due_at=row.due_at + timedelta(days=1)
        ),
    ),
    Command(
        "library.scheduled_placements.cancel",
        "placement.dropped",
        arranged.scheduled_placement,
        lambda actor, row: scheduled_placements.cancel(actor=actor, batch=row.batch, keys=[row.pk]),
    ),
    Command(
        "batches.lifecycle.place_approved",
        "placement.created",
        arranged.approved_of_batch,
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
        arranged.running_job,
        lambda actor, job: job_actions.cancel(actor=actor, job=job),
        note="running",
    ),
    Command(
        "job_requests.job_actions.move_to_front",
        "job.moved_to_front",
        lambda site: (site.actor, [site.request(), site.request()][1]),
        lambda _actor, own: job_actions.move_to_front(actor=own[0], job=own[1]),
        own="only one's own jobs are moved",
    ),
    Command(
        "job_requests.sessions.rename",
        "studio_session.renamed",
        lambda site: (site.actor, arranged.session_of_a_job(site)),
        lambda _actor, own: sessions.rename(actor=own[0], key=own[1], name="Spring"),
        own="a session is seen by its owner alone",
    ),
    Command(
        "library.template_cards.set_favourite",
        "",
        lambda _site: make_template().template,
        lambda actor, template: template_cards.set_favourite(
            actor=actor, template=template, is_favourite=True
        ),
        own="each person has favourites of their own",
    ),
    Command(
        "library.collections.create",
        "collection.created",
        lambda site: site.actor,
        lambda _actor, own: collections.create(actor=own, name="Spring"),
        own="each person has collections of their own",
    ),
    Command(
        "library.collections.add",
        "collection.changed",
        lambda site: (site.actor, arranged.collection_of(site), arranged.one_image()),
        lambda _actor, own: done(collections.add(actor=own[0], collection=own[1], assets=own[2])),
        own="only one's own collection is changed",
    ),
    Command(
        "library.collections.remove",
        "collection.changed",
        arranged.filled_collection,
        lambda _actor, own: done(
            collections.remove(actor=own[0], collection=own[1], assets=own[2])
        ),
        own="only one's own collection is changed",
    ),
    Command(
        "library.collections.delete",
        "collection.deleted",
        lambda site: (site.actor, arranged.collection_of(site)),
        lambda _actor, own: collections.delete(actor=own[0], collection=own[1]),
        own="only one's own collection is deleted",
    ),
    Command(
        "library.saved_views.save",
        "view.saved",
        lambda site: site.actor,
        lambda _actor, own: saved_views.save(
            actor=own, name="Mugs", wanted=AssetFilter({"q": "mug"})
        ),
        own="each person has views of their own",
    ),
    Command(
        "library.saved_views.remove",
        "view.removed",
        lambda site: (
            site.actor,
            saved_views.save(actor=site.actor, name="Mugs", wanted=AssetFilter({"q": "mug"})),
        ),
        lambda _actor, own: saved_views.remove(actor=own[0], view=own[1]),
        own="each person has views of their own",
    ),
    Command(
        "library.tags.tag",
        "asset.tagged",
        lambda _site: arranged.one_image(),
        lambda actor, assets: done(tags.tag(actor=actor, assets=assets, name="Spring")),
        own="a second person finds it tagged, as the first one's second try does",
    ),
    Command(
        "library.tags.untag",
        "asset.untagged",
        arranged.tagged_image,
        lambda actor, assets: done(tags.untag(actor=actor, assets=assets, name="Spring")),
        own="a second person finds it untagged, as the first one's second try does",
    ),
    Command(
        "job_requests.job_actions.request_again",
        "job.requested",
        arranged.cancelled_job,
        lambda actor, job: job_actions.request_again(actor=actor, job=job),
    ),
    *(
        Command(
            "job_requests.job_actions.resolve",
            kind,
            arranged.uncertain_job,
            resolving(how),
            note=how,
        )
        for how, kind in [
            ("close", "job.resolved"),
            ("send_again", "job.resolved"),
            ("never_accepted", "job.retried"),
        ]
    ),
    Command(
        "job_requests.waiting_jobs.try_again_now",
        "job.tried_now",
        arranged.waiting_job,
        lambda actor, _job: done(
            waiting_jobs.try_again_now(actor=actor, reason=WaitingReason.STORAGE)
        ),
    ),
    Command(
        "policy.model_suggestions.take_over",
        "model.changed",
        lambda site: site.model,
        lambda actor, row: model_suggestions.take_over(
            actor=actor, image_model=row, changes={"max_prompt_chars": 99}
        ),
    ),
    Command(
        "policy.model_import.create_model",
        "model.registered",
        arranged.previewed_model,
        lambda actor, values: model_import.create_model(actor=actor, **values),
    ),
    Command(
        "policy.catalog_sync.sync",
        "model.registered",
        arranged.catalog,
        lambda actor, values: done(len(catalog_sync.sync(actor=actor, **values))),
    ),
    Command(
        "policy.workflows.upload",
        "workflow.version_uploaded",
        arranged.workflow,
        lambda actor, values: workflows.upload(actor=actor, **values),
    ),
    Command(
        "job_requests.brand_kits.create",
        "brand_kit.created",
        lambda site: "house",
        lambda actor, slug: brand_kits.create(
            actor=actor, name="House", slug=slug, draft=arranged.KIT_DRAFT
        ),
        field="slug",
    ),
    Command(
        "job_requests.brand_kits.publish",
        "brand_kit.version_published",
        arranged.brand_kit,
        lambda actor, row: brand_kits.publish(actor=actor, kit=row, draft=arranged.KIT_DRAFT),
    ),
    Command(
        "job_requests.brand_kits.archive",
        "brand_kit.archived",
        arranged.brand_kit,
        lambda actor, row: brand_kits.archive(actor=actor, kit=row),
    ),
    Command(
        "job_requests.brand_kits.archive",
        "brand_kit.restored",
        arranged.archived_kit,
        lambda actor, row: brand_kits.archive(actor=actor, kit=row, archived=False),
        note="restore",
    ),
    Command(
        "job_requests.brand_kits.rename",
        "brand_kit.changed",
        arranged.brand_kit,
        lambda actor, row: brand_kits.rename(actor=actor, kit=row, name="Home"),
    ),
    Command(
        "job_requests.templates.create",
        "template.created",
        lambda site: "cups",
        lambda actor, slug: templates.create(
            actor=actor, name="Cups", slug=slug, draft=arranged.DRAFT
        ),
        field="slug",
    ),
    Command(
        "job_requests.template_publishing.save_draft",
        "template.draft_saved",
        arranged.template,
        lambda actor, row: template_publishing.save_draft(
            actor=actor, template=row, draft=arranged.DRAFT
        ),
    ),
    Command(
        "job_requests.template_publishing.publish",
        "template.version_published",
        arranged.template,
        lambda actor, row: template_publishing.publish(
            actor=actor, template=row, draft=arranged.DRAFT
        ),
    ),
    Command(
        "job_requests.template_publishing.publish",
        "template.version_published",
        arranged.rolled_forward,
        lambda actor, row: template_publishing.publish(
            actor=actor, template=row, draft=template_drafts.draft_of(row.versions.get(number=1))
        ),
        note="roll back",
    ),
    Command(
        "job_requests.templates.archive",
        "template.archived",
        arranged.template,
        lambda actor, row: templates.archive(actor=actor, template=row),
    ),
    Command(
        "job_requests.templates.archive",
        "template.restored",
        arranged.archived,
        lambda actor, row: templates.archive(actor=actor, template=row, archived=False),
        note="restore",
    ),
    Command(
        "job_requests.templates.change_details",
        "template.changed",
        arranged.template,
        lambda actor, row: templates.change_details(
            actor=actor, template=row, details=templates.TemplateDetails("Mugs", "Shop")
        ),
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
        "library.review_requests.request_review",
        "review.requested",
        lambda site: make_asset(
            review_state="pending", requester=site.actor.user, review_requested_at=None
        ),
        lambda actor, asset: review_requests.request_review(actor=actor, asset=asset),
    ),
    Command(
        "library.review_requests.withdraw_request",
        "review.request_withdrawn",
        lambda site: make_asset(review_state="pending", requester=site.actor.user),
        lambda actor, asset: review_requests.withdraw_request(actor=actor, asset=asset),
    ),
    Command(
        "library.review_requests.request_changes",
        "review.changes_requested",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: review_requests.request_changes(
            actor=actor, asset=asset, note="Brighter"
        ),
    ),
    Command(
        "library.review_requests.escalate",
        "review.escalated",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: review_requests.escalate(actor=actor, asset=asset, note="Who is it?"),
    ),
    Command(
        "library.review_decisions.decide",
        "review.approved",
        lambda site: (asset := make_asset(review_state="pending"), review_decisions.shown(asset)),
        lambda actor, found: review_decisions.decide(
            actor=actor,
            asset=found[0],
            seen=found[1],
            decision=review_decisions.Decision(review_decisions.DecisionKind.APPROVE),
        ),
    ),
    Command(
        "library.review_decisions.decide_alike",
        "review.approved",
        lambda site: (asset := make_asset(review_state="pending"), review_decisions.shown(asset)),
        lambda actor, found: done(
            review_decisions.decide_alike(
                actor=actor,
                cases=[found],
                decision=review_decisions.Decision(review_decisions.DecisionKind.APPROVE),
            )
        ),
    ),
    Command(
        "library.bulk_approval.go_on",
        "review.approved",
        lambda site: make_asset(review_state="pending"),
        lambda actor, asset: done(
            bulk_approval.go_on(
                actor=actor,
                assets=Asset.objects.filter(pk=asset.pk),
                progress=bulk_approval.Progress(total=1),
            ).outcome.approved
        ),
    ),
    Command(
        "library.alt_texts.set_each",
        "asset.changed",
        lambda site: make_asset(),
        lambda actor, asset: done(
            alt_texts.set_each(
                actor=actor, entries=[alt_texts.NewAltText(asset, "A blue mug", False, {})]
            )
        ),
    ),
    Command(
        "library.alt_texts.set_alt_text",
        "asset.changed",
        lambda site: make_asset(),
        lambda actor, asset: done(
            alt_texts.set_alt_text(actor=actor, asset=asset, alt_text="A red mug")
        ),
    ),
    Command(
        "library.drafts.discard",
        "asset.discarded",
        arranged.own_draft,
        lambda actor, asset: drafts.discard(actor=actor, asset=asset),
        own="only who requested an image may discard it",
    ),
    Command(
        "library.ratings.rate",
        "asset.rated",
        lambda site: make_asset(),
        lambda actor, asset: ratings.rate(actor=actor, asset=asset, stars=4),
        own="each person's stars are their own",
    ),
    Command(
        "library.focal_points.set_focal_point",
        "asset.focal_point_set",
        lambda site: make_asset(),
        lambda actor, asset: focal_points.set_focal_point(actor=actor, asset=asset, x=0.3, y=0.7),
    ),
    Command(
        "library.takedown.withdraw",
        "asset.withdrawn",
        lambda site: arranged.placed(site).asset,
        lambda actor, asset: takedown.withdraw(actor=actor, asset=asset, note="Report 12"),
    ),
    Command(
        "library.alt_texts.set_alt_text",
        "placement.text_changed",
        arranged.placed,
        lambda actor, row: done(
            alt_texts.set_alt_text(
                actor=actor, asset=row.asset, alt_text="A red mug", placements=[row.pk]
            )
        ),
        note="in its places, too",
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
        arranged.product_and_asset,
        lambda actor, found: placement.attach(
            actor=actor, asset=found[1], target=found[0], field="image"
        ),
    ),
    Command(
        "library.placement.record_placement",
        "placement.created",
        arranged.saved_form,
        lambda actor, found: placement.record_placement(
            actor=actor, asset=found[1], target=found[0], field="image"
        ),
    ),
    Command(
        "library.placement.detach",
        "placement.removed",
        arranged.placed,
        lambda actor, row: placement.detach(actor=actor, placement=row),
    ),
    Command(
        "library.placement.remove_all_from",
        "placement.removed",
        lambda site: arranged.placed(site).target,
        lambda actor, row: done(placement.remove_all_from(actor=actor, target=row)),
    ),
    Command(
        "monitoring.mail_preferences.choose",
        "mail_preference.changed",
        lambda site: {},
        lambda actor, addresses: mail_preferences.choose(
            actor=with_address(actor), minutes=5, addresses=addresses
        ),
        own="it is the preference of the person who gives it",
    ),
    Command(
        "policy.revocations.revoke",
        "credential.revoked",
        lambda site: "openai",
        lambda actor, name: revocations.revoke(actor=actor, name=name, reason="In a log"),
    ),
    Command(
        "policy.revocations.restore",
        "credential.restored",
        arranged.revoked_credential,
        lambda actor, name: revocations.restore(actor=actor, name=name, reason="Another one"),
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
        arranged.grant_values,
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
        "policy.site_setup.apply",
        "provider.created",
        lambda site: site_setup.read({"providers": [{"adapter": "sandbox", "slug": "drawn"}]}),
        lambda actor, setup: [
            one.name for one in site_setup.apply(actor=actor, setup=setup).changes
        ],
    ),
    Command(
        "policy.roles.create_groups",
        "",
        lambda site: None,
        lambda actor, _none: roles.create_groups(),
    ),
    Command(
        "erasure.commands.erase_prompt",
        "privacy.erased",
        arranged.erased_job,
        lambda actor, job: done(erasure.erase_prompt(actor, job=job, reason="asked for")),
    ),
    Command(
        "erasure.commands.erase_person",
        "privacy.erased",
        arranged.erased_job,
        lambda actor, job: done(
            erasure.erase_person(actor, subject=f"person:{job.actor_id}", reason="asked for")
        ),
    ),
    Command(
        "erasure.commands.erase",
        "privacy.erased",
        arranged.erased_job,
        lambda actor, job: done(
            erasure.erase(actor, scopes.job_scope(job), reason="asked for").texts
        ),
    ),
    Command(
        "audit.prompt_access.read_prompt",
        "asset.prompt_viewed",
        arranged.erased_job,
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
        arranged.sealed_log,
        sign,
    ),
]
