"""Make many jobs from one template and many objects, and keep them together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import FINAL, JobState
from imagegen_app.models import Asset, Batch, Job, TemplateVersion
from imagegen_app.services import (
    access,
    audit,
    clock,
    control,
    placement,
    requests,
    targets,
    wishes,
)
from imagegen_app.services.access import Refused
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import Model

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import ImageModel
    from imagegen_app.services.targets import Target

#: Rows of one batch.
MAX_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a batch to be: its prompt and price, or why it cannot be made."""

    key: str
    label: str
    wish: wishes.Wish | None
    cost: Decimal = Decimal(0)
    currency: str = ""
    is_cached: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole batch before it is started."""

    rows: tuple[Row, ...]

    @property
    def good(self) -> tuple[Row, ...]:
        """The rows that can be made."""
        return tuple(row for row in self.rows if row.wish is not None)

    @property
    def cost(self) -> Decimal:
        """What the good rows will cost; those answered before are free."""
        return sum((r.cost for r in self.good if not r.is_cached), start=Decimal(0))

    @property
    def currency(self) -> str:
        """The currency of the first good row."""
        return self.good[0].currency if self.good else ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a batch is."""

    total: int
    by_state: Mapping[str, int]
    spent: Decimal
    reserved: Decimal
    to_review: int

    @property
    def ended(self) -> int:
        """Jobs that reached an end."""
        return sum(self.by_state.get(s.value, 0) for s in FINAL)

    @property
    def made(self) -> int:
        """Jobs that have their images."""
        return self.by_state.get(JobState.SUCCEEDED.value, 0)

    @property
    def unsuccessful(self) -> int:
        """Jobs that ended without images."""
        return self.ended - self.made

    @property
    def is_finished(self) -> bool:
        """Whether nothing is under way."""
        return self.ended == self.total


def plan(
    *,
    actor: Actor,
    version: TemplateVersion,
    objects: Iterable[Model],
    mapping: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
    image_model: ImageModel | None = None,
) -> Plan:
    """Render and price every row; nothing is made, and faulty rows say why.

    `mapping` gives variables a path of the object, `fixed` the same value for all.
    """
    rows = []
    for instance in objects:
        values = {name: targets.value_at(instance, path) for name, path in mapping.items() if path}
        values |= {name: value for name, value in (fixed or {}).items() if value}
        rows.append(_row(actor, version, instance, values, image_model))
    return Plan(tuple(rows))


@use_case()
def start(
    *,
    actor: Actor,
    version: TemplateVersion,
    title: str,
    plan: Plan,
    target: Target,
    mapping: Mapping[str, str],
    key: str,
) -> Batch:
    """Make the batch and all its jobs, or none; the same `key` gives the same batch.

    :raises Refused: if a row is refused, or the whole does not fit into a budget.
    """
    if not plan.good:
        raise wishes.InvalidWish(_("None of the rows can be made."), field="rows")
    if len(plan.rows) > MAX_ROWS:
        raise wishes.InvalidWish(
            _("At most %(most)s rows at once.") % {"most": MAX_ROWS}, field="rows"
        )
    known = Job.objects.filter(
        actor_kind=actor.kind, actor_id=actor.id, idempotency_key=f"{key}:{plan.good[0].key}"[:128]
    ).first()
    if known is not None and known.batch is not None:
        return known.batch
    batch = Batch.objects.create(
        template_version=version,
        requester=actor.account if isinstance(actor, Person) else None,
        title=title[:120],
        mapping={"target": target.path, "variables": dict(mapping)},
        total=len(plan.good),
    )
    audit.record(
        actor,
        "batch.created",
        subject=batch,
        data={
            "count": len(plan.good),
            "template": version.template.slug,
            "version": version.number,
            "target": target.path,
            "estimated_cost": plan.cost,
        },
        personal={"name": title},
    )
    for row in plan.good:
        _request(actor, batch, row, key)
        failpoint("batch.create_mid_chunk")
    return batch


def counts(batch: Batch) -> Counts:
    """Count a batch's jobs by state, in two queries."""
    # A job that was requested again counts once, as its successor.
    rows = (
        batch.jobs.filter(replacements__isnull=True)
        .values("state")
        .annotate(number=Count("pk"), spent=Sum("actual_cost"), reserved=Sum("estimated_cost"))
    )
    by_state = {row["state"]: row["number"] for row in rows}
    open_states = {s.value for s in JobState} - {s.value for s in FINAL}
    return Counts(
        total=sum(by_state.values()),
        by_state=by_state,
        spent=sum((row["spent"] or Decimal(0) for row in rows), start=Decimal(0)),
        reserved=sum(
            (row["reserved"] or Decimal(0) for row in rows if row["state"] in open_states),
            start=Decimal(0),
        ),
        to_review=Asset.objects.filter(job__batch=batch, review="pending").count(),
    )


def cancel(*, actor: Actor, batch: Batch) -> int:
    """Ask for the end of all jobs of a batch that have not ended; return how many."""
    _mark_cancelled(actor=actor, batch=batch)
    number = 0
    for job in batch.jobs.exclude(state__in=sorted(FINAL)):
        if not control.why_not_cancel(actor, job):
            control.cancel(actor=actor, job=job)
            number += 1
    return number


def place_approved(*, actor: Actor, batch: Batch, assets: Sequence[Asset]) -> int:
    """Put approved assets onto the objects that their jobs were made for; return how many.

    :raises Refused: if the actor may not place assets or change the objects.
    """
    target = targets.by_path(str(batch.mapping.get("target", "")))
    if target is None:
        raise placement.CannotPlace(
            _("Nothing was placed."), why=_("The batch has no target field."), remedy=""
        )
    number = 0
    for asset in assets:
        instance = target.model._default_manager.filter(pk=asset.job.row_key).first()  # noqa: SLF001 - Django's documented API
        if instance is None or asset.review != "approved":
            continue
        placement.attach(actor=actor, asset=asset, target=instance, field=target.field)
        number += 1
    return number


@use_case()
def _mark_cancelled(*, actor: Actor, batch: Batch) -> None:
    own = isinstance(actor, Person) and batch.requester_id == actor.account.pk
    if not own:
        access.demand(actor, "cancel_any_job")
    batch.cancelled_at = clock.now()
    batch.save(update_fields=["cancelled_at"])
    audit.record(actor, "batch.cancelled", subject=batch)


def _row(
    actor: Actor,
    version: TemplateVersion,
    instance: Model,
    values: Mapping[str, Any],
    image_model: ImageModel | None,
) -> Row:
    key, label = str(instance.pk), str(instance)
    try:
        wish = wishes.compose(
            actor=actor, template=version, variables=values, model=image_model, row_key=key
        )
        quote = requests.quote(actor=actor, wish=wish)
    except Refused as refusal:
        return Row(key=key, label=label, wish=None, fault=refusal.why)
    return Row(
        key=key,
        label=label,
        wish=wish,
        cost=quote.cost.amount,
        currency=quote.cost.currency,
        is_cached=quote.is_cached,
    )


def _request(actor: Actor, batch: Batch, row: Row, key: str) -> None:
    if row.wish is None:
        return
    wish = wishes.for_batch(row.wish, batch=batch, key=f"{key}:{row.key}"[:128])
    try:
        requests.request_images(actor=actor, wish=wish)
    except requests.PromptBlocked:
        # Its job exists and says so; one bad row does not stop the others.
        return
