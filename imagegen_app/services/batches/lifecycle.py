"""Batches of jobs from one template and many objects: start them, place their images."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.actors import Person
from imagegen_app.core.types import Operation
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset, Batch, PromptTemplate, TemplateVersion, UploadedTable
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.batches import (
    batch_shots,
    placing,
    row_images,
    row_sources,
    row_texts,
)
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.job_requests import (
    composition,
    kit_effects,
    pass_planning,
    prices,
    qualities,
)
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import placement, planned_places
from imagegen_app.services.policy import access, budgets, template_access
from imagegen_app.services.policy.storage_refusals import ImageFileMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.shots import Shot
    from imagegen_app.models import BrandKitVersion, ImageModel
    from imagegen_app.services.batches.batch_shots import ShotPlace
    from imagegen_app.services.gateways.content_fields import Target

#: Maximum number of rows in a batch.
MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits at which a batch pauses until a person resumes it."""

    #: How many rows that can be used become jobs before the batch pauses for a review; 0 for no pilot.
    pilot: int = 0
    #: The most that may be spent, in the batch's currency; None for no limit.
    spending_limit: Decimal | None = None
    #: Pause above this share of failed jobs in percent; 0 for never.
    max_failure_percent: int = 50
    #: Pause after this many jobs blocked by the content check; 0 for never.
    max_blocked: int = 0


@dataclass(frozen=True, slots=True)
class TableSource:
    """That the rows of a batch are those of an uploaded table."""

    table: UploadedTable
    #: The column whose values identify the rows.
    key_column: str
    #: The field of the target's objects that has the same values; empty if there is no target.
    match: str = ""

    def as_mapping(self) -> dict[str, str]:
        """Return what a batch's mapping says of it."""
        return {row_sources.KEY_COLUMN: self.key_column, row_sources.MATCH_FIELD: self.match}


@use_case()
def start(
    *,
    actor: Actor,
    version: TemplateVersion,
    title: str,
    keys: Sequence[str],
    target: Target | None,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
    image_model: ImageModel | None = None,
    brand_kit: BrandKitVersion | None = None,
    limits: BatchLimits | None = None,
    table: TableSource | None = None,
    images: Mapping[str, str] | None = None,
    shots: Sequence[ShotPlace] | None = None,
    key: str,
) -> Batch:
    """Start a batch of the rows with these keys; a worker creates its jobs in chunks.

    The rows are objects of the target with these primary keys, or those of an uploaded table, where
    `mapping` leads to its columns. `images` leads from roles to the fields or columns of input
    images. Each row becomes one job for each of `shots`, by default for all of the template's. `key` is
    an idempotency key: the same key of the same actor
    returns the existing batch.

    :raises TemplateNotAllowed: if the template is for other groups.
    :raises NotGranted: if the allowlist does not cover its requests.
    :raises OverBudget: if all rows together do not fit into a budget.
    :raises InvalidJobRequest: if there are no rows or too many, the template was withdrawn, or the
        estimate exceeds the limit.
    """
    limits = limits or BatchLimits()
    existing = batch_with_key(actor, key)
    if existing is not None:
        return existing
    if not 1 <= len(keys) <= MAX_ROWS:
        raise InvalidJobRequest(
            _("A batch has between 1 and %(most)s rows, not %(number)s.")
            % {"most": MAX_ROWS, "number": len(keys)},
            field="rows",
        )
    places = batch_shots.chosen_places(version, target, shots)
    made = [one.shot for one in places]
    if len(keys) * len(made) > MAX_ROWS:
        raise InvalidJobRequest(
            _(
                "%(rows)s rows with %(shots)s shots are %(number)s images; a batch has %(most)s at most."
            )
            % {
                "rows": len(keys),
                "shots": len(made),
                "number": len(keys) * len(made),
                "most": MAX_ROWS,
            },
            field="rows",
            remedy=_("Select fewer rows, or fewer shots."),
        )
    if table is not None and row_texts.is_being_written(table.table):
        # Rows that the preview counted as unusable would become jobs that nobody agreed to.
        raise InvalidJobRequest(
            _("The text model still writes texts for rows of this table."),
            field="rows",
            remedy=_("Wait until all are there, or cancel those that wait."),
        )
    _require_published(version)
    template_access.require_use(actor, version.template)
    model = composition.resolve_model(actor, image_model, version)
    for shot in batch_shots.made_shots(version, made):
        access.require_grant(
            actor,
            image_model=model,
            operation=Operation(version.operation),
            size=qualities.quality_of_template(version, model, shot=shot)[1],
            count=version.count,
        )
    row_images.require_mapping(version, model, images or {})
    kit = kit_effects.resolve_kit(brand_kit, version)
    # A row without a key cannot be used: it is skipped.
    usable = sum(1 for k in keys if k)
    estimate = estimate_cost(
        version, model, kit=kit, rows=usable, images=len(images or {}), shots=made
    )
    if limits.spending_limit is not None and estimate > limits.spending_limit:
        raise InvalidJobRequest(
            _(
                "The estimated cost is %(cost)s %(currency)s, above the spending limit of "
                "%(limit)s %(currency)s."
            )
            % {
                "cost": format_amount(estimate),
                "limit": format_amount(limits.spending_limit),
                "currency": str(model.price_list.get("currency", "USD")),
            },
            field="spending_limit",
            remedy=_("Select fewer rows, or raise the limit."),
        )
    budgets.require_budget(actor, model, amount=estimate)
    batch = Batch(
        template_version=version,
        brand_kit_version=kit,
        image_model=model,
        requester=actor.user if isinstance(actor, Person) else None,
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=key[:64],
        title=title[:120],
        mapping={
            "target": target.path if target is not None else "",
            "variables": dict(mapping),
            "fixed": dict(fixed or {}),
            **(table.as_mapping() if table is not None else {}),
            **({row_images.IMAGES: dict(images)} if images else {}),
            **({"shots": [[one.shot, one.field] for one in places]} if places else {}),
        },
        table=table.table if table is not None else None,
        rows=[str(k) for k in keys],
        row_count=len(keys),
        currency=str(model.price_list.get("currency", "USD")),
        pilot_rows=_pilot_end(keys, limits.pilot),
        spending_limit=limits.spending_limit,
        max_failure_percent=limits.max_failure_percent,
        max_blocked=limits.max_blocked,
    )
    try:
        with database.atomic():
            batch.save(force_insert=True)
    except IntegrityError:
        # The same key arrived twice at once, and the other request was first. A locking read, since
        # MySQL's others would not see it in this transaction.
        return _with_key(actor, key).select_for_update().get()
    event_log.record(
        actor,
        "batch.created",
        subject=batch,
        data={
            "count": len(keys),
            "template": version.template.slug,
            "version": version.number,
            "model": model.slug,
            "target": batch.mapping["target"],
            **({"table": str(table.table.pk)} if table is not None else {}),
            **({"shots": made} if made else {}),
            "estimated_cost": estimate,
            "pilot_rows": batch.pilot_rows,
            **({"input_roles": sorted(images)} if images else {}),
            **kit_effects.event_data(batch.brand_kit_version),
            "spending_limit": limits.spending_limit,
        },
        personal={"name": title},
    )
    if table is not None:
        UploadedTable.objects.filter(pk=table.table.pk).update(used_at=clock.now())
    wake("drive")
    return batch


def _pilot_end(keys: Sequence[str], pilot: int) -> int:
    """Return how many rows are processed for so many that can be used; 0 if no more would follow."""
    usable = [place for place, key in enumerate(keys, start=1) if key]
    return usable[pilot - 1] if 0 < pilot < len(usable) else 0


def _require_published(version: TemplateVersion) -> None:
    """Require that the template is still offered: it may be withdrawn while a preview is read."""
    template = PromptTemplate.objects.get(pk=version.template_id)
    if template.is_archived or template.current_id is None:
        raise InvalidJobRequest(
            _("The template “%(name)s” is not published.") % {"name": template.name},
            field="template",
            remedy=_("Choose another template."),
        )


def batch_with_key(actor: Actor, key: str) -> Batch | None:
    """Return the batch that the actor started with this idempotency key, if there is one."""
    return _with_key(actor, key).first() if key else None


def _with_key(actor: Actor, key: str) -> QuerySet[Batch]:
    batches: QuerySet[Batch] = Batch.objects.filter(
        actor_kind=actor.kind, actor_id=actor.id, idempotency_key=key[:64]
    )
    return batches


def estimate_cost(
    version: TemplateVersion,
    image_model: ImageModel,
    *,
    rows: int,
    kit: BrandKitVersion | None = None,
    images: int = 0,
    shots: Sequence[str] = (),
) -> Decimal:
    """Return the estimated cost of that many rows of a template, with its own kit or the given one.

    `images` is how many input images each row has; each is screened.

    Of each row, these shots are made; without any, the first.

    :raises NoPrice: if the model's price list has no price for them.
    """
    kit = kit or kit_effects.resolve_kit(None, version)
    made = batch_shots.made_shots(version, shots)
    each = [_cost_of_one(version, image_model, kit=kit, images=images, shot=shot) for shot in made]
    return sum(each, start=Decimal(0)) * rows


def _cost_of_one(
    version: TemplateVersion,
    image_model: ImageModel,
    *,
    kit: BrandKitVersion | None,
    images: int,
    shot: Shot | None,
) -> Decimal:
    quality, size = qualities.quality_of_template(version, image_model, shot=shot)
    cost = prices.estimate_images(
        image_model,
        operation=Operation(version.operation),
        size=size,
        quality=quality,
        count=version.count,
        is_last=not version.passes,
        is_row=True,
    ).total.amount
    has_negative = bool(version.negative or (kit is not None and kit.negative_words))
    cost += screening.price_of("prompt") * (1 + has_negative)
    cost += screening.price_of("input") * images
    more = pass_planning.passes_cost(
        pass_planning.plan_passes(version.passes, start=size), count=version.count, is_row=True
    )
    return cost + (more.amount if more else 0)


def row_labels(batch: Batch, keys: Iterable[str]) -> dict[str, str]:
    """Return the objects' names by row key; rows without an object are named by key."""
    wanted = {key for key in keys if key}
    labels = {key: key for key in wanted}
    target = planned_places.main_target(batch)
    if target is not None:
        manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
        labels |= {str(instance.pk): str(instance) for instance in manager.filter(pk__in=wanted)}
    return labels


def place_approved(*, actor: Actor, batch: Batch, assets: Sequence[Asset]) -> int:
    """Place approved assets in the fields of their rows' objects that they are for; return how many.

    Assets that are not approved, shots that are for no field and rows whose object no longer exists
    are skipped.

    :raises ActionRefused: if the actor may not place assets or change the objects, the storage fails,
        or, once all others are placed, a file is missing from it.
    """
    number, missing = 0, None
    for field, pairs in placing.object_pairs(batch, assets):
        try:
            number += placement.attach_each(actor=actor, pairs=pairs, field=field)
        except ImageFileMissing as refusal:
            missing = refusal
    if missing is not None:
        raise missing
    return number
