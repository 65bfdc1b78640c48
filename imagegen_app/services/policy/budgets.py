"""Hold spending to its limits: reserve with the job, charge what it cost, release the rest.

The counters are the gate: a conditional update under a CHECK constraint. The ledger is the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.models import Attempt, Budget, BudgetPeriod, Job, LedgerEntry
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Batch, ImageModel


class OverBudget(ActionRefused):
    """The estimate does not fit into what is left of a budget."""

    code = "over_budget"


class CurrencyMismatch(ActionRefused):
    """A budget that applies counts in another currency than the model's price."""

    code = "currency_mismatch"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left for a request, of the tightest budget that applies."""

    budget: str
    remaining: Decimal
    currency: str


def applicable_budgets(actor: Actor, image_model: ImageModel) -> list[Budget]:
    """Return the budgets that a request falls under, in the order in which they are locked."""
    mine = Q(scope="site") | Q(scope="provider", provider=image_model.provider_id)
    if isinstance(actor, Person):
        groups = actor.user.groups.all()
        mine |= Q(scope="group", group__in=groups) | Q(scope="user", user=actor.user.pk)
    return list(Budget.objects.filter(mine, is_enabled=True).order_by("pk"))


def allowance(actor: Actor, image_model: ImageModel) -> Allowance | None:
    """Return what is left of the tightest budget, or None where no budget applies."""
    tightest: Allowance | None = None
    budgets = applicable_budgets(actor, image_model)
    if not budgets:
        return None
    today = clock.now().date()
    for budget in budgets:
        period = BudgetPeriod.objects.filter(budget=budget, starts_on=_start(budget, today)).first()
        left = budget.limit if period is None else period.remaining
        if tightest is None or left < tightest.remaining:
            tightest = Allowance(budget=budget.name, remaining=left, currency=budget.currency)
    return tightest


def require_budget(actor: Actor, image_model: ImageModel, *, amount: Decimal) -> None:
    """Refuse what does not fit into what is left now; nothing is set aside yet.

    :raises OverBudget: naming the tightest budget.
    """
    found = allowance(actor, image_model)
    if found is not None and found.remaining < amount:
        raise _over(found.budget, amount=amount, left=found.remaining, currency=found.currency)


def reserve(*, actor: Actor, job: Job, amount: Decimal) -> None:
    """Set the estimate aside in every budget that applies; joins the caller's transaction.

    :raises OverBudget: if one of them has too little left.
    :raises CurrencyMismatch: if one counts in another currency.
    """
    today = clock.now().date()
    for budget in applicable_budgets(_payer(actor, job), job.image_model):
        period = _reserve(budget, today, amount=amount, currency=job.currency)
        _book(period=period, job=job, attempt=None, kind="reservation", amount=amount)
    event_log.record_many(actor, [_reserved(job, amount)])


def reserve_many(*, actor: Actor, jobs: Sequence[Job], batch: Batch | None = None) -> None:
    """Set the estimates of several jobs of one requester aside, in one statement a budget and model.

    The log is told of them job by job; with `batch`, once for all. Joins the caller's transaction.

    :raises OverBudget: if one of the budgets has too little left for all of them.
    :raises CurrencyMismatch: if one counts in another currency.
    """
    by_model: dict[int, list[Job]] = {}
    for job in jobs:
        by_model.setdefault(job.image_model_id, []).append(job)
    # Always in the same order: the budgets that apply are a provider's, too.
    for key in sorted(by_model):
        _reserve_alike(actor, by_model[key], batch)


def _reserve_alike(actor: Actor, jobs: Sequence[Job], batch: Batch | None) -> None:
    """Set the estimates of several jobs of one model aside."""
    total = sum((job.estimated_cost for job in jobs), start=Decimal(0))
    today = clock.now().date()
    for budget in applicable_budgets(_payer(actor, jobs[0]), jobs[0].image_model):
        period = _reserve(budget, today, amount=total, currency=jobs[0].currency)
        LedgerEntry.objects.bulk_create(
            [
                LedgerEntry(period=period, job=job, kind="reservation", amount=job.estimated_cost)
                for job in jobs
            ],
            batch_size=500,
        )
    if batch is None:
        event_log.record_many(actor, [_reserved(job, job.estimated_cost) for job in jobs])
        return
    event_log.record(
        actor,
        "money.reserved",
        subject=batch,
        data={"amount": total, "currency": jobs[0].currency, "count": len(jobs)},
    )


def _reserved(job: Job, amount: Decimal) -> event_log.NewEvent:
    return event_log.NewEvent(
        "money.reserved",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency},
    )


def _payer(actor: Actor, job: Job) -> Actor:
    """Return whose budgets count: the requester's, whoever of us acts for the job."""
    if isinstance(actor, Person) or job.requester is None:
        return actor
    return Person(job.requester)


def _reserve(budget: Budget, today: date, *, amount: Decimal, currency: str) -> BudgetPeriod:
    """Move an amount into a budget's reserved money.

    :raises OverBudget: if too little is left.
    :raises CurrencyMismatch: if the budget counts in another currency.
    """
    if budget.currency != currency:
        raise currency_mismatch(budget.name, budget.currency, currency)
    period = _period(budget, today)
    moved = BudgetPeriod.objects.filter(
        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)
    ).update(reserved=F("reserved") + exact(amount))
    if not moved:
        period.refresh_from_db()
        raise _over(budget.name, amount=amount, left=period.remaining, currency=budget.currency)
    return period


def currency_mismatch(budget: str, ours: str, theirs: str) -> CurrencyMismatch:
    """Return the refusal of an amount in another currency than the budget's."""
    return CurrencyMismatch(
        _("This image cannot be requested."),
        reason=_("The budget “%(budget)s” counts in %(ours)s, the model is priced in %(theirs)s.")
        % {"budget": budget, "ours": ours, "theirs": theirs},
        remedy=contact_sentence(),
    )


def _over(budget: str, *, amount: Decimal, left: Decimal, currency: str) -> OverBudget:
    return OverBudget(
        _("The remaining budget does not cover this job."),
        reason=_(
            "It would cost about %(cost)s %(currency)s; %(left)s %(currency)s remain in "
            "“%(budget)s”."
        )
        % {
            "cost": format_amount(amount),
            "currency": currency,
            "left": format_amount(max(left, Decimal(0))),
            "budget": budget,
        },
        remedy=contact_sentence(),
    )


def charge(*, actor: Actor, job: Job, attempt: Attempt, amount: Decimal) -> Decimal:
    """Turn money set aside for an attempt into money spent; what does not fit the limit is overage.

    Never more than is still reserved for the job is taken from its reservation. Further attempts of
    the same job are charged from what the budget has left. Returns what is still set aside.
    """
    left = Decimal(0)
    for period, held in _held(job):
        from_hold = min(held, attempt.reserved_cost)
        left = max(left, held - from_hold)
        line = LedgerEntry(period=period, job=job, attempt=attempt)
        _book_spent(line, amount, from_hold=from_hold, actor=actor)
    event_log.record(
        actor,
        "money.charged",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency, "attempt": attempt.pk},
    )
    return left


def charge_extra(*, actor: Actor, job: Job, amount: Decimal, purpose: str) -> None:
    """Book what `screening` or `captioning` has cost: out of what is set aside for the job, if it is."""
    if not amount:
        return
    periods = _held(job)
    if not periods:
        # Refused or answered before it was reserved for.
        today = clock.now().date()
        periods = [
            (_period(budget, today), Decimal(0))
            for budget in applicable_budgets(_payer(actor, job), job.image_model)
            if budget.currency == job.currency
        ]
    for period, held in periods:
        line = LedgerEntry(period=period, job=job, purpose=purpose)
        _book_spent(line, amount, from_hold=min(held, amount), actor=actor)
    event_log.record(
        actor,
        "money.charged",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency, "purpose": purpose},
    )


def _book_spent(line: LedgerEntry, amount: Decimal, *, from_hold: Decimal, actor: Actor) -> None:
    """Spend an amount in one period, and book how: given back, charged, and what does not fit."""
    fitting = _spend(line.period, amount, from_hold=from_hold)
    over = amount - fitting
    booked = {"charge": fitting}
    if from_hold:
        booked = {"release": from_hold, **booked}
    if over:
        booked["overage"] = over
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            period=line.period,
            job=line.job,
            attempt=line.attempt,
            purpose=line.purpose,
            kind=kind,
            amount=moved,
        )
        for kind, moved in booked.items()
    )
    if over:
        BudgetPeriod.objects.filter(pk=line.period_id).update(overage=F("overage") + exact(over))
        event_log.record(
            actor,
            "money.overage",
            subject=line.job,
            job=line.job,
            data={"amount": over, "currency": line.job.currency, "budget": line.period.budget_id},
        )


def release(*, actor: Actor, job: Job) -> None:
    """Give back all that is still set aside for a job."""
    total = Decimal(0)
    for period, held in _held(job, only_some=True):
        if held > 0:
            BudgetPeriod.objects.filter(pk=period.pk).update(reserved=F("reserved") - exact(held))
            _book(period=period, job=job, attempt=None, kind="release", amount=held)
            total = max(total, held)
    if total:
        event_log.record(
            actor,
            "money.released",
            subject=job,
            job=job,
            data={"amount": total, "currency": job.currency},
        )


def reserve_again(*, actor: Actor, job: Job, amount: Decimal) -> None:
    """Set money aside for a further attempt where an earlier one used up the first reservation.

    :raises OverBudget: if a budget has too little left.
    """
    missing = amount - min((held for _period_row, held in _held(job)), default=amount)
    if missing > 0:
        reserve(actor=actor, job=job, amount=missing)


def _spend(period: BudgetPeriod, amount: Decimal, *, from_hold: Decimal) -> Decimal:
    """Give the hold back and spend what then fits of the amount; return that."""
    moved = BudgetPeriod.objects.filter(
        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount - from_hold)
    ).update(spent=F("spent") + exact(amount), reserved=F("reserved") - exact(from_hold))
    if moved:
        return amount
    # Lock the row: the part that still fits must not be taken twice.
    locked = BudgetPeriod.objects.select_for_update().get(pk=period.pk)
    fitting = min(max(locked.remaining + from_hold, Decimal(0)), amount)
    BudgetPeriod.objects.filter(pk=period.pk).update(
        spent=F("spent") + exact(fitting), reserved=F("reserved") - exact(from_hold)
    )
    return fitting


def _held(job: Job, *, only_some: bool = False) -> list[tuple[BudgetPeriod, Decimal]]:
    """Return the periods that hold or held money for a job, and how much, in locking order.

    With `only_some`, those that still hold any.
    """
    sums: dict[int, Decimal] = {}
    periods: dict[int, BudgetPeriod] = {}
    lines = LedgerEntry.objects.filter(job=job, kind__in=["reservation", "release"])
    for line in lines.select_related("period").order_by("period__budget_id", "period_id"):
        periods.setdefault(line.period_id, line.period)
        signed = line.amount if line.kind == "reservation" else -line.amount
        sums[line.period_id] = sums.get(line.period_id, Decimal(0)) + signed
    return [
        (period, sums[key]) for key, period in periods.items() if sums[key] > 0 or not only_some
    ]


def _book(
    *, period: BudgetPeriod, job: Job, attempt: Attempt | None, kind: str, amount: Decimal
) -> None:
    LedgerEntry.objects.create(period=period, job=job, attempt=attempt, kind=kind, amount=amount)


def _period(budget: Budget, today: date) -> BudgetPeriod:
    period, _created = BudgetPeriod.objects.get_or_create(
        budget=budget, starts_on=_start(budget, today), defaults={"limit": budget.limit}
    )
    return period


def _start(budget: Budget, today: date) -> date:
    if budget.period == "day":
        return today
    if budget.period == "month":
        return today.replace(day=1)
    return budget.created_at.date()
