"""Move the counters of budgets, and book each movement in the ledger.

The counters enforce the limits, by conditional updates and a CHECK constraint. What money is for, a job
or a call for a text, is its cause: the ledger's entries belong to one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import F
from django.utils import timezone

from imagegen_app.models import Attempt, Budget, BudgetPeriod, Job, LedgerEntry, TextCall
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.services.foundation import event_log
from imagegen_app.services.policy.budget_refusals import currency_mismatch, over_budget

if TYPE_CHECKING:
    from datetime import date

    from imagegen_app.core.actors import Actor


def cause_fields(cause: Job | TextCall) -> dict[str, Any]:
    """Return the columns of the ledger that name a cause."""
    return {"job": cause} if isinstance(cause, Job) else {"text_call": cause}


def reserve_in(budget: Budget, today: date, *, amount: Decimal, currency: str) -> BudgetPeriod:
    """Add an amount to a budget's reserved money, and return the period.

    :raises OverBudget: if too little remains.
    :raises CurrencyMismatch: if the budget has another currency.
    """
    if budget.currency != currency:
        raise currency_mismatch(budget.name, budget.currency, currency)
    period = period_of(budget, today)
    moved = BudgetPeriod.objects.filter(
        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)
    ).update(reserved=F("reserved") + exact(amount))
    if not moved:
        period.refresh_from_db()
        raise over_budget(
            budget.name, amount=amount, remaining=period.remaining, currency=budget.currency
        )
    return period


def book_spent(line: LedgerEntry, amount: Decimal, *, from_hold: Decimal, actor: Actor) -> None:
    """Spend an amount in one period, and book the release, the charge and any overage."""
    fitting = spend(line.period, amount, from_hold=from_hold)
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
            text_call=line.text_call,
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
            subject=line.cause,
            job=line.job,
            data={"amount": over, "currency": line.cause.currency, "budget": line.period.budget_id},
        )


def spend(period: BudgetPeriod, amount: Decimal, *, from_hold: Decimal) -> Decimal:
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


def held_for(
    cause: Job | TextCall, *, only_positive: bool = False
) -> list[tuple[BudgetPeriod, Decimal]]:
    """Return the budget periods with reservations for a cause and the amounts, in locking order.

    With `only_positive`, periods where everything was released are left out.
    """
    sums: dict[int, Decimal] = {}
    periods: dict[int, BudgetPeriod] = {}
    lines = LedgerEntry.objects.filter(kind__in=["reservation", "release"], **cause_fields(cause))
    for line in lines.select_related("period").order_by("period__budget_id", "period_id"):
        periods.setdefault(line.period_id, line.period)
        signed = line.amount if line.kind == "reservation" else -line.amount
        sums[line.period_id] = sums.get(line.period_id, Decimal(0)) + signed
    return [
        (period, sums[key]) for key, period in periods.items() if sums[key] > 0 or not only_positive
    ]


def book(
    *,
    period: BudgetPeriod,
    cause: Job | TextCall,
    kind: str,
    amount: Decimal,
    attempt: Attempt | None = None,
) -> None:
    """Book one entry in the ledger."""
    LedgerEntry.objects.create(
        period=period, attempt=attempt, kind=kind, amount=amount, **cause_fields(cause)
    )


def period_of(budget: Budget, today: date) -> BudgetPeriod:
    """Return the period of a budget in which a day lies; it is made if there is none."""
    period, _created = BudgetPeriod.objects.get_or_create(
        budget=budget, starts_on=start_of(budget, today), defaults={"limit": budget.limit}
    )
    return period


def start_of(budget: Budget, today: date) -> date:
    """Return the first day of the period of a budget in which a day lies."""
    if budget.period == "day":
        return today
    if budget.period == "month":
        return today.replace(day=1)
    first: date | None = budget.periods.values_list("starts_on", flat=True).order_by("pk").first()
    # Its only period: another `TIME_ZONE` must not begin a second one.
    return first or timezone.localdate(budget.created_at, timezone.get_default_timezone())
