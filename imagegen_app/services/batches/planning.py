"""Plan batches: render and price their rows before anything is created."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.types import Cost
from imagegen_app.services.batches import row_images, row_sources
from imagegen_app.services.batches.row_sources import RowValues
from imagegen_app.services.job_requests import composition, creation
from imagegen_app.services.policy import access, budgets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import Model

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import ImageModel, TemplateVersion
    from imagegen_app.services.batches.row_images import RowImage
    from imagegen_app.services.job_requests.values import JobRequest


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
    images: tuple[RowImage, ...] = ()
    #: The short name of the shot that it is made as; empty without one.
    shot: str = ""

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
    #: A hash of all rows of the batch, where `rows` are only some of them.
    digest: str = ""

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
        """A hash of what a person agrees to: each row's prompts, model, size and count.

        Of rows that are not in this plan, what their prompts are made of.
        """
        requests = [row.job_request for row in self.rows]
        facts = [
            (row.key, row.shot, row.error)
            if asked is None
            else (
                row.key,
                row.shot,
                asked.image_model.pk,
                asked.provider_request.prompt,
                asked.provider_request.negative_prompt,
                str(asked.provider_request.size),
                asked.provider_request.count,
                [str(one) for one in asked.passes],
                *(one.facts for one in row.images),
            )
            for row, asked in zip(self.rows, requests, strict=True)
        ]
        content = [facts, self.digest] if self.digest else facts
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]

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

    def refusal(self, number: int, *, cost: Decimal | None = None) -> ActionRefused | None:
        """Return why a batch of `number` rows would be refused as a whole; None if it would not.

        `cost` is what it would cost, where that is known better than by this plan.
        """
        if not self.valid_rows or self.valid_rows[0].offer is None:
            return None
        first = self.valid_rows[0].offer
        if isinstance(first.refusal, access.NotGranted):
            return first.refusal
        amount = self.cost_of_all(number) if cost is None else cost
        total = Cost(amount=amount, currency=first.cost.currency)
        return budgets.refusal_for(total, first.allowance)


def plan(
    *,
    actor: Actor,
    version: TemplateVersion,
    objects: Iterable[Model],
    mapping: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
    image_model: ImageModel | None = None,
) -> BatchPlan:
    """Render and price objects without creating anything; see `plan_rows`.

    `mapping` maps variables to attribute paths of the objects, `fixed` to one value for all rows.
    """
    rows = [
        RowValues(
            str(one.pk),
            str(one),
            row_sources.values_for(one, mapping=mapping, fixed=fixed or {}),
        )
        for one in objects
    ]
    return plan_rows(actor=actor, version=version, rows=rows, image_model=image_model)


def plan_rows(
    *,
    actor: Actor,
    version: TemplateVersion,
    rows: Iterable[RowValues],
    image_model: ImageModel | None = None,
    digest: str = "",
) -> BatchPlan:
    """Render and price rows without creating anything; invalid rows hold their error.

    With a `digest` of all rows, these are only some of them.
    """
    planned: list[PlannedRow] = []
    job_requests: dict[int, JobRequest] = {}
    model, refused = _model(actor, image_model, version)
    rows = list(rows)
    sources = row_images.planned_sources(actor, [row.images for row in rows])
    for number, (row, (inputs, problem)) in enumerate(zip(rows, sources, strict=True)):
        error = row.problem or refused or problem
        planned.append(
            PlannedRow(row.key, row.label, None, error=error, images=row.images, shot=row.shot)
        )
        if planned[-1].error:
            continue
        try:
            job_requests[number] = composition.compose(
                actor=actor,
                template=version,
                variables=row.values,
                model=model,
                row_key=row.key,
                inputs=inputs,
                shot=row.shot,
            )
        except ActionRefused as refusal:
            planned[-1] = replace(planned[-1], error=refusal.reason)
    try:
        offers = creation.offers(actor=actor, job_requests=list(job_requests.values()))
    except ActionRefused as refusal:
        # Rows differ only in their prompts, and shots in their sizes: if one has no price, none has.
        for number in job_requests:
            planned[number] = replace(planned[number], error=refusal.reason)
    else:
        for number, offer in zip(job_requests, offers, strict=True):
            planned[number] = replace(planned[number], offer=offer)
    return BatchPlan(tuple(planned), digest)


def _model(
    actor: Actor, image_model: ImageModel | None, version: TemplateVersion
) -> tuple[ImageModel | None, str]:
    """Return the model of all rows, or why there is none: to look for it row by row takes long."""
    try:
        return composition.resolve_model(actor, image_model, version), ""
    except ActionRefused as refusal:
        return None, refusal.reason
