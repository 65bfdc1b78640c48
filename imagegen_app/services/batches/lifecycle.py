"""Batches of jobs from one template and many objects: plan them, start them, place their images."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.actors import Person
from imagegen_app.core.types import Cost, Operation
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset, Batch, TemplateVersion
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.batches import row_jobs
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import content_fields, screening
from imagegen_app.services.job_requests import (
    composition,
    creation,
    kit_effects,
    pass_planning,
    prices,
    qualities,
)
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access, budgets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import Model, QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import ImageModel
    from imagegen_app.services.gateways.content_fields import Target
    from imagegen_app.services.job_requests.values import JobRequest

#: Maximum number of rows in a batch.
MAX_ROWS = 10_000


class PlanChanged(ActionRefused):
    """The batch is not the one whose prompts the person has seen."""

    code = "plan_changed"


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a planned batch: its object's request and price, or why it is invalid."""

    key: str
    label: str
    offer: creation.Offer | None
    error: str = ""

    @property
    def job_request(self) -> JobRequest | None:
        """The job request of the row; None if the row is invalid."""
        return None if self.offer is None else self.offer.job_request

    @property
    def cost(self) -> Decimal:
        """The estimated cost; zero if the row is invalid."""
        return Decimal(0) if self.offer is None else self.offer.cost.amount

    @property
    def currency(self) -> str:
        """The currency of the cost; empty if the row is invalid."""
        return "" if self.offer is None else self.offer.cost.currency

    @property
    def is_cached(self) -> bool:
        """Whether images of an earlier job are reused at no cost."""
        return self.offer is not None and self.offer.is_cached


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch before it is started: its rows with their prices and errors."""

    rows: tuple[PlannedRow, ...]

    @property
    def valid_rows(self) -> tuple[PlannedRow, ...]:
        """The rows that can become jobs."""
        return tuple(row for row in self.rows if row.offer is not None)

    @property
    def cost(self) -> Decimal:
        """The estimated cost of the valid rows; those with cached images are free."""
        return sum((r.cost for r in self.valid_rows if not r.is_cached), start=Decimal(0))

    @property
    def currency(self) -> str:
        """The currency of the first valid row; empty without any."""
        return self.valid_rows[0].currency if self.valid_rows else ""

    @property
    def fingerprint(self) -> str:
        """A hash of what a person agrees to: each row's prompts, model, size and count."""
        requests = [row.job_request for row in self.rows]
        facts = [
            (row.key, row.error)
            if asked is None
            else (
                row.key,
                asked.image_model.pk,
                asked.provider_request.prompt,
                asked.provider_request.negative_prompt,
                str(asked.provider_request.size),
                asked.provider_request.count,
                [str(one) for one in asked.passes],
            )
            for row, asked in zip(self.rows, requests, strict=True)
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def require_shown(self, fingerprint: str) -> None:
        """Require that this is the plan that the person has seen.

        :raises PlanChanged: if it is another one, or none was shown.
        """
        if fingerprint != self.fingerprint:
            raise PlanChanged(
                _("Nothing was requested yet."),
                reason=_("The prompts or the price are not those that were shown."),
                remedy=_("Check the preview, then press Generate again."),
            )

    def cost_of_all(self, number: int) -> Decimal:
        """Return the estimated cost of `number` rows; others cost as the first valid one."""
        each = self.valid_rows[0].cost if self.valid_rows else Decimal(0)
        return self.cost + (number - len(self.rows)) * each

    def refusal(self, number: int) -> ActionRefused | None:
        """Return why a batch of `number` rows would be refused as a whole; None if it would not."""
        if not self.valid_rows or self.valid_rows[0].offer is None:
            return None
        first = self.valid_rows[0].offer
        if isinstance(first.refusal, access.NotGranted):
            return first.refusal
        total = Cost(amount=self.cost_of_all(number), currency=first.cost.currency)
        return creation.budget_refusal(total, first.allowance)


def plan(
    *,
    actor: Actor,
    version: TemplateVersion,
    objects: Iterable[Model],
    mapping: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
    image_model: ImageModel | None = None,
) -> BatchPlan:
    """Render and price the rows without creating anything; invalid rows hold their error.

    `mapping` maps variables to attribute paths of the objects, `fixed` to one value for all rows.
    """
    rows: list[PlannedRow] = []
    job_requests: dict[int, JobRequest] = {}
    for number, instance in enumerate(objects):
        values = row_jobs.values_for(instance, mapping=mapping, fixed=fixed or {})
        row = PlannedRow(key=str(instance.pk), label=str(instance), offer=None)
        try:
            job_requests[number] = composition.compose(
                actor=actor,
                template=version,
                variables=values,
                model=image_model,
                row_key=row.key,
            )
        except ActionRefused as refusal:
            row = replace(row, error=refusal.reason)
        rows.append(row)
    try:
        offers = creation.offers(actor=actor, job_requests=list(job_requests.values()))
    except ActionRefused as refusal:
        # Rows differ only in their prompts: if one has no price, none has.
        for number in job_requests:
            rows[number] = replace(rows[number], error=refusal.reason)
    else:
        for number, offer in zip(job_requests, offers, strict=True):
            rows[number] = replace(rows[number], offer=offer)
    return BatchPlan(tuple(rows))


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits at which a batch pauses until a person resumes it."""

    #: How many rows are created before the batch pauses for a review; 0 for no pilot.
    pilot: int = 0
    #: The most that may be spent, in the batch's currency; None for no limit.
    spending_limit: Decimal | None = None
    #: Pause above this share of failed jobs in percent; 0 for never.
    max_failure_percent: int = 50
    #: Pause after this many jobs blocked by the content check; 0 for never.
    max_blocked: int = 0


@use_case()
def start(
    *,
    actor: Actor,
    version: TemplateVersion,
    title: str,
    keys: Sequence[str],
    target: Target,
    mapping: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
    image_model: ImageModel | None = None,
    limits: BatchLimits | None = None,
    key: str,
) -> Batch:
    """Start a batch of the objects with these primary keys; a worker creates its jobs in chunks.

    `key` is an idempotency key: the same key of the same actor returns the existing batch.

    :raises NotGranted: if the allowlist does not cover its requests.
    :raises OverBudget: if all rows together do not fit into a budget.
    :raises InvalidJobRequest: if there are no rows or too many, or the estimate exceeds the limit.
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
    model = composition.resolve_model(actor, image_model, version)
    access.require_grant(
        actor,
        image_model=model,
        operation=Operation(version.operation),
        size=qualities.quality_of_template(version, model)[1],
        count=version.count,
    )
    estimate = estimate_cost(version, model, rows=len(keys))
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
        brand_kit_version=kit_effects.resolve_kit(None, version),
        image_model=model,
        requester=actor.user if isinstance(actor, Person) else None,
        actor_kind=actor.kind,
        actor_id=actor.id,
        idempotency_key=key[:64],
        title=title[:120],
        mapping={"target": target.path, "variables": dict(mapping), "fixed": dict(fixed or {})},
        rows=[str(k) for k in keys],
        row_count=len(keys),
        currency=str(model.price_list.get("currency", "USD")),
        pilot_rows=limits.pilot if limits.pilot < len(keys) else 0,
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
            "target": target.path,
            "estimated_cost": estimate,
            "pilot_rows": batch.pilot_rows,
            **kit_effects.event_data(batch.brand_kit_version),
            "spending_limit": limits.spending_limit,
        },
        personal={"name": title},
    )
    wake("drive")
    return batch


def batch_with_key(actor: Actor, key: str) -> Batch | None:
    """Return the batch that the actor started with this idempotency key, if there is one."""
    return _with_key(actor, key).first() if key else None


def _with_key(actor: Actor, key: str) -> QuerySet[Batch]:
    batches: QuerySet[Batch] = Batch.objects.filter(
        actor_kind=actor.kind, actor_id=actor.id, idempotency_key=key[:64]
    )
    return batches


def estimate_cost(version: TemplateVersion, image_model: ImageModel, *, rows: int) -> Decimal:
    """Return the estimated cost of that many rows of a template.

    :raises NoPrice: if the model's price list has no price for them.
    """
    quality, size = qualities.quality_of_template(version, image_model)
    cost = prices.estimate_images(
        image_model,
        operation=Operation(version.operation),
        size=size,
        quality=quality,
        count=version.count,
        is_last=not version.passes,
        is_row=True,
    ).total.amount
    kit = kit_effects.resolve_kit(None, version)
    has_negative = bool(version.negative or (kit is not None and kit.negative_words))
    cost += screening.price_of("prompt") * (1 + has_negative)
    more = pass_planning.passes_cost(
        pass_planning.plan_passes(version.passes, start=size), count=version.count, is_row=True
    )
    return (cost + (more.amount if more else 0)) * rows


def row_labels(batch: Batch, keys: Iterable[str]) -> dict[str, str]:
    """Return the objects' names by row key; rows without an object are named by key."""
    wanted = {key for key in keys if key}
    labels = {key: key for key in wanted}
    target = content_fields.target_by_path(str(batch.mapping.get("target", "")))
    if target is not None:
        manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
        labels |= {str(instance.pk): str(instance) for instance in manager.filter(pk__in=wanted)}
    return labels


def place_approved(*, actor: Actor, batch: Batch, assets: Sequence[Asset]) -> int:
    """Place approved assets in the target field of their rows' objects; return how many.

    Assets that are not approved and rows whose object no longer exists are skipped.

    :raises ActionRefused: if the actor may not place assets or change the objects, the storage fails,
        or, once all others are placed, a file is missing from it.
    """
    target = content_fields.target_by_path(str(batch.mapping.get("target", "")))
    if target is None:
        raise placement.CannotPlace(
            _("Nothing was placed."), reason=_("The batch has no target field."), remedy=""
        )
    manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
    approved = [asset for asset in assets if asset.review_state == "approved"]
    rows = ((asset, manager.filter(pk=asset.job.row_key).first()) for asset in approved)
    pairs = ((asset, instance) for asset, instance in rows if instance is not None)
    return placement.attach_each(actor=actor, pairs=pairs, field=target.field)
