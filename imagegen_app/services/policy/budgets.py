"""Enforce budgets: reserve the estimate with the job, charge what it cost, release the rest.

The counters of a period enforce its limit, by conditional updates and a CHECK constraint. The
ledger holds the single entries that add up to them.
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
from imagegen_app.services.policy._budget_counters import (
    book,
    book_spent,
    held_for,
    period_of,
    reserve_in,
    start_of,
)
from imagegen_app.services.policy.access import contact_sentence
from imagegen_app.services.policy.budget_refusals import OverBudget, currency_mismatch, over_budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Cost
    from imagegen_app.models import Batch, ImageModel
    from imagegen_app.services.policy.access import ActionRefused


@dataclass(frozen=True, slots=True)
class Allowance:
    """What remains in the budget that applies and has the least left."""

    #: Its name.
    budget: str
    #: The limit without what is spent and reserved in this period.
    remaining: Decimal
    #: That of the budget.
    currency: str


def applicable_budgets(actor: Actor, image_model: ImageModel | None) -> list[Budget]:
    """Return the budgets that apply to a request, in the order in which they are locked.

    Those of providers apply to image models alone.
    """
    applies = Q(scope="site")
    if image_model is not None:
        applies |= Q(scope="provider", provider=image_model.provider_id)
    if isinstance(actor, Person):
        groups = actor.user.groups.all()
        applies |= Q(scope="group", group__in=groups) | Q(scope="user", user=actor.user.pk)
    return list(Budget.objects.filter(applies, is_enabled=True).order_by("pk"))


def allowance(actor: Actor, image_model: ImageModel | None) -> Allowance | None:
    """Return the budget with the least left, or None if no budget applies."""
    tightest: Allowance | None = None
    budgets = applicable_budgets(actor, image_model)
    if not budgets:
        return None
    today = clock.today()
    for budget in budgets:
        period = BudgetPeriod.objects.filter(
            budget=budget, starts_on=start_of(budget, today)
        ).first()
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
        raise over_budget(
            tightest.budget,
            amount=amount,
            remaining=tightest.remaining,
            currency=tightest.currency,
        )


def refusal_for(cost: Cost, allowance: Allowance | None) -> ActionRefused | None:
    """Return the refusal of a cost that exceeds the remaining budget; None if it fits."""
    if allowance is None:
        return None
    if allowance.currency != cost.currency:
        return currency_mismatch(allowance.budget, allowance.currency, cost.currency)
    if allowance.remaining >= cost.amount:
        return None
    return OverBudget(
        _("The remaining budget does not cover this job."),
        reason=_(
            "It would cost %(cost)s %(currency)s; %(remaining)s %(currency)s remain in the budget."
        )
        % {
            "cost": format_amount(cost.amount),
            "currency": cost.currency,
            "remaining": format_amount(max(allowance.remaining, Decimal(0))),
        },
        remedy=contact_sentence(),
    )


def reserve(*, actor: Actor, job: Job, amount: Decimal) -> None:
    """Reserve an amount for a job in every budget that applies; joins the caller's transaction.

    :raises OverBudget: if one of them has too little remaining.
    :raises CurrencyMismatch: if one has another currency.
    """
    today = clock.today()
    for budget in applicable_budgets(_payer(actor, job), job.image_model):
        period = reserve_in(budget, today, amount=amount, currency=job.currency)
        book(period=period, cause=job, kind="reservation", amount=amount)
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
        period = reserve_in(budget, today, amount=total, currency=jobs[0].currency)
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


def charge(*, actor: Actor, job: Job, attempt: Attempt, amount: Decimal) -> Decimal:
    """Charge what an attempt cost, and return what is still reserved for its job.

    The attempt's share of the job's reservation is released first. What the budget's limit does
    not cover is booked as overage.
    """
    still_reserved = Decimal(0)
    for period, held in held_for(job):
        from_hold = min(held, attempt.reserved_cost)
        still_reserved = max(still_reserved, held - from_hold)
        line = LedgerEntry(period=period, job=job, attempt=attempt)
        book_spent(line, amount, from_hold=from_hold, actor=actor)
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
    periods = held_for(job)
    if not periods:
        # Blocked, or answered from the cache: nothing was reserved.
        today = clock.today()
        periods = [
            (period_of(budget, today), Decimal(0))
            for budget in applicable_budgets(_payer(actor, job), job.image_model)
            if budget.currency == job.currency
        ]
    for period, held in periods:
        line = LedgerEntry(period=period, job=job, purpose=purpose)
        book_spent(line, amount, from_hold=min(held, amount), actor=actor)
    event_log.record(
        actor,
        "money.charged",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency, "purpose": purpose},
    )


def release(*, actor: Actor, job: Job) -> None:
    """Release everything that is still reserved for a job."""
    total = Decimal(0)
    for period, held in held_for(job, only_positive=True):
        if held > 0:
            BudgetPeriod.objects.filter(pk=period.pk).update(reserved=F("reserved") - exact(held))
            book(period=period, cause=job, kind="release", amount=held)
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
    missing = amount - min((held for _period_row, held in held_for(job)), default=amount)
    if missing > 0:
        reserve(actor=actor, job=job, amount=missing)
