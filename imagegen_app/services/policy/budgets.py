"""Enforce budgets: reserve the estimate with the job, charge what it cost, release the rest.

The counters of a period enforce its limit, by conditional updates and a CHECK constraint. The
ledger holds the single entries that add up to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F, Q
from django.utils import timezone
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
    """The amount exceeds what remains in a budget."""

    code = "over_budget"


class CurrencyMismatch(ActionRefused):
    """A budget that applies has another currency than the model's prices."""

    code = "currency_mismatch"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What remains in the budget that applies and has the least left."""

    #: Its name.
    budget: str
    #: The limit without what is spent and reserved in this period.
    remaining: Decimal
    #: That of the budget.
    currency: str


def applicable_budgets(actor: Actor, image_model: ImageModel) -> list[Budget]:
    """Return the budgets that apply to a request, in the order in which they are locked."""
    applies = Q(scope="site") | Q(scope="provider", provider=image_model.provider_id)
    if isinstance(actor, Person):
        groups = actor.user.groups.all()
        applies |= Q(scope="group", group__in=groups) | Q(scope="user", user=actor.user.pk)
    return list(Budget.objects.filter(applies, is_enabled=True).order_by("pk"))


def allowance(actor: Actor, image_model: ImageModel) -> Allowance | None:
    """Return the budget with the least left, or None if no budget applies."""
    tightest: Allowance | None = None
    budgets = applicable_budgets(actor, image_model)
    if not budgets:
        return None
    today = clock.today()
    for budget in budgets:
        period = BudgetPeriod.objects.filter(budget=budget, starts_on=_start(budget, today)).first()
        remaining = budget.limit if period is None else period.remaining
        if tightest is None or remaining < tightest.remaining:
            tightest = Allowance(budget=budget.name, remaining=remaining, currency=budget.currency)
    return tightest


def require_budget(actor: Actor, image_model: ImageModel, *, amount: Decimal) -> None:
    """Require that an amount fits into the remaining budget; nothing is reserved yet.

    :raises OverBudget: if it does not; the error names the budget with the least left.
    """
    tightest = allowance(actor, image_model)
    if tightest is not None and tightest.remaining < amount:
        raise _over_budget(
            tightest.budget,
            amount=amount,
            remaining=tightest.remaining,
            currency=tightest.currency,
        )


def reserve(*, actor: Actor, job: Job, amount: Decimal) -> None:
    """Reserve an amount for a job in every budget that applies; joins the caller's transaction.

    :raises OverBudget: if one of them has too little remaining.
    :raises CurrencyMismatch: if one has another currency.
    """
    today = clock.today()
    for budget in applicable_budgets(_payer(actor, job), job.image_model):
        period = _reserve(budget, today, amount=amount, currency=job.currency)
        _book(period=period, job=job, attempt=None, kind="reservation", amount=amount)
    event_log.record_many(actor, [_reserved_event(job, amount)])


def reserve_many(*, actor: Actor, jobs: Sequence[Job], batch: Batch | None = None) -> None:
    """Reserve the estimates of several jobs of one requester, with one update per budget and model.

    One event is recorded per job; with `batch`, one for all. Joins the caller's transaction.

    :raises OverBudget: if one of the budgets has too little remaining for all of them.
    :raises CurrencyMismatch: if one has another currency.
    """
    by_model: dict[int, list[Job]] = {}
    for job in jobs:
        by_model.setdefault(job.image_model_id, []).append(job)
    # Always in the same order, so that two transactions cannot deadlock on provider budgets.
    for key in sorted(by_model):
        _reserve_for_model(actor, by_model[key], batch)


def _reserve_for_model(actor: Actor, jobs: Sequence[Job], batch: Batch | None) -> None:
    """Reserve the estimates of several jobs that have the same model and requester."""
    total = sum((job.estimated_cost for job in jobs), start=Decimal(0))
    today = clock.today()
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
        event_log.record_many(actor, [_reserved_event(job, job.estimated_cost) for job in jobs])
        return
    event_log.record(
        actor,
        "money.reserved",
        subject=batch,
        data={"amount": total, "currency": jobs[0].currency, "count": len(jobs)},
    )


def _reserved_event(job: Job, amount: Decimal) -> event_log.NewEvent:
    return event_log.NewEvent(
        "money.reserved",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency},
    )


def _payer(actor: Actor, job: Job) -> Actor:
    """Return whose budgets apply: the requester's, also where the system acts for the job."""
    if isinstance(actor, Person) or job.requester is None:
        return actor
    return Person(job.requester)


def _reserve(budget: Budget, today: date, *, amount: Decimal, currency: str) -> BudgetPeriod:
    """Add an amount to a budget's reserved money, and return the period.

    :raises OverBudget: if too little remains.
    :raises CurrencyMismatch: if the budget has another currency.
    """
    if budget.currency != currency:
        raise currency_mismatch(budget.name, budget.currency, currency)
    period = _period(budget, today)
    moved = BudgetPeriod.objects.filter(
        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)
    ).update(reserved=F("reserved") + exact(amount))
    if not moved:
        period.refresh_from_db()
        raise _over_budget(
            budget.name, amount=amount, remaining=period.remaining, currency=budget.currency
        )
    return period


def currency_mismatch(budget: str, budget_currency: str, model_currency: str) -> CurrencyMismatch:
    """Return the refusal of a model priced in another currency than the budget's."""
    return CurrencyMismatch(
        _("This image cannot be requested."),
        reason=_(
            "The budget “%(budget)s” is in %(budget_currency)s, but the model is priced in "
            "%(model_currency)s."
        )
        % {
            "budget": budget,
            "budget_currency": budget_currency,
            "model_currency": model_currency,
        },
        remedy=contact_sentence(),
    )


def _over_budget(budget: str, *, amount: Decimal, remaining: Decimal, currency: str) -> OverBudget:
    return OverBudget(
        _("The remaining budget does not cover this job."),
        reason=_(
            "It would cost about %(cost)s %(currency)s; %(remaining)s %(currency)s remain in "
            "“%(budget)s”."
        )
        % {
            "cost": format_amount(amount),
            "currency": currency,
            "remaining": format_amount(max(remaining, Decimal(0))),
            "budget": budget,
        },
        remedy=contact_sentence(),
    )


def charge(*, actor: Actor, job: Job, attempt: Attempt, amount: Decimal) -> Decimal:
    """Charge what an attempt cost, and return what is still reserved for its job.

    The attempt's share of the job's reservation is released first. What the budget's limit does
    not cover is booked as overage.
    """
    still_reserved = Decimal(0)
    for period, held in _held(job):
        from_hold = min(held, attempt.reserved_cost)
        still_reserved = max(still_reserved, held - from_hold)
        line = LedgerEntry(period=period, job=job, attempt=attempt)
        _book_spent(line, amount, from_hold=from_hold, actor=actor)
    event_log.record(
        actor,
        "money.charged",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency, "attempt": attempt.pk},
    )
    return still_reserved


def charge_extra(*, actor: Actor, job: Job, amount: Decimal, purpose: str) -> None:
    """Charge what content checks or alternative texts of a job cost, from its reservation if any.

    `purpose` is `screening` or `captioning`.
    """
    if not amount:
        return
    periods = _held(job)
    if not periods:
        # Blocked, or answered from the cache: nothing was reserved.
        today = clock.today()
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
    """Spend an amount in one period, and book the release, the charge and any overage."""
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
            amount=booked_amount,
        )
        for kind, booked_amount in booked.items()
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
    """Release everything that is still reserved for a job."""
    total = Decimal(0)
    for period, held in _held(job, only_positive=True):
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
    """Reserve what a further attempt needs beyond what is still reserved for the job.

    :raises OverBudget: if a budget has too little remaining.
    """
    missing = amount - min((held for _period_row, held in _held(job)), default=amount)
    if missing > 0:
        reserve(actor=actor, job=job, amount=missing)


def _spend(period: BudgetPeriod, amount: Decimal, *, from_hold: Decimal) -> Decimal:
    """Release `from_hold` and spend as much of the amount as the limit allows; return how much."""
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


def _held(job: Job, *, only_positive: bool = False) -> list[tuple[BudgetPeriod, Decimal]]:
    """Return the budget periods with reservations for a job and the amounts, in locking order.

    With `only_positive`, periods where everything was released are left out.
    """
    sums: dict[int, Decimal] = {}
    periods: dict[int, BudgetPeriod] = {}
    lines = LedgerEntry.objects.filter(job=job, kind__in=["reservation", "release"])
    for line in lines.select_related("period").order_by("period__budget_id", "period_id"):
        periods.setdefault(line.period_id, line.period)
        signed = line.amount if line.kind == "reservation" else -line.amount
        sums[line.period_id] = sums.get(line.period_id, Decimal(0)) + signed
    return [
        (period, sums[key]) for key, period in periods.items() if sums[key] > 0 or not only_positive
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
    first: date | None = budget.periods.values_list("starts_on", flat=True).order_by("pk").first()
    # Its only period: another `TIME_ZONE` must not begin a second one.
    return first or timezone.localdate(budget.created_at, timezone.get_default_timezone())
