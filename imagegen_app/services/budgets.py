"""Hold spending to its limits: reserve with the job, charge what it cost, release the rest.

The counters are the gate: a conditional update under a CHECK constraint. The ledger is the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import F, Q, Sum
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.models import Attempt, Budget, BudgetPeriod, Job, LedgerEntry
from imagegen_app.models.amounts import amount as exact
from imagegen_app.services import audit, clock
from imagegen_app.services.access import Refused, whom_to_ask

if TYPE_CHECKING:
    from datetime import date

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import ImageModel


class OverBudget(Refused):
    """The estimate does not fit into what is left of a budget."""

    code = "over_budget"


class CurrencyMismatch(Refused):
    """A budget that applies counts in another currency than the model's price."""

    code = "currency_mismatch"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left for a request, of the tightest budget that applies."""

    budget: str
    left: Decimal
    currency: str


def applying(actor: Actor, image_model: ImageModel) -> list[Budget]:
    """Return the budgets that a request falls under, in the order in which they are locked."""
    mine = Q(scope="site") | Q(scope="provider", provider=image_model.provider_id)
    if isinstance(actor, Person):
        groups = list(actor.account.groups.values_list("pk", flat=True))
        mine |= Q(scope="group", group__in=groups) | Q(scope="user", user=actor.account.pk)
    return list(Budget.objects.filter(mine, is_enabled=True).order_by("pk"))


def allowance(actor: Actor, image_model: ImageModel) -> Allowance | None:
    """Return what is left of the tightest budget, or None where no budget applies."""
    today = clock.now().date()
    tightest: Allowance | None = None
    for budget in applying(actor, image_model):
        period = BudgetPeriod.objects.filter(budget=budget, starts_on=_start(budget, today)).first()
        left = budget.limit if period is None else period.left
        if tightest is None or left < tightest.left:
            tightest = Allowance(budget=budget.name, left=left, currency=budget.currency)
    return tightest


def reserve(*, actor: Actor, job: Job, amount: Decimal) -> None:
    """Set the estimate aside in every budget that applies; joins the caller's transaction.

    :raises OverBudget: if one of them has too little left.
    :raises CurrencyMismatch: if one counts in another currency.
    """
    today = clock.now().date()
    for budget in applying(actor, job.image_model):
        if budget.currency != job.currency:
            raise CurrencyMismatch(
                _("This image cannot be requested."),
                why=_(
                    "The budget “%(budget)s” counts in %(ours)s, the model is priced in %(theirs)s."
                )
                % {"budget": budget.name, "ours": budget.currency, "theirs": job.currency},
                remedy=whom_to_ask(),
            )
        period = _period(budget, today)
        moved = BudgetPeriod.objects.filter(
            pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)
        ).update(reserved=F("reserved") + exact(amount))
        if not moved:
            period.refresh_from_db()
            raise OverBudget(
                _("This image does not fit into the budget."),
                why=_(
                    "It would cost about %(cost)s %(currency)s; %(left)s %(currency)s are left of “%(budget)s”."
                )
                % {
                    "cost": f"{amount:.2f}",
                    "currency": budget.currency,
                    "left": f"{max(period.left, Decimal(0)):.2f}",
                    "budget": budget.name,
                },
                remedy=whom_to_ask(),
            )
        _book(period=period, job=job, attempt=None, kind="reservation", amount=amount)
    audit.record(
        actor,
        "money.reserved",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency},
    )


def charge(*, actor: Actor, job: Job, attempt: Attempt, amount: Decimal) -> None:
    """Turn money set aside for an attempt into money spent; what does not fit the limit is overage.

    Never more than is still reserved for the job is taken from its reservation. Further attempts of
    the same job are charged from what the budget has left.
    """
    for period, held in _held(job):
        from_hold = min(held, attempt.reserved_cost)
        BudgetPeriod.objects.filter(pk=period.pk).update(reserved=F("reserved") - exact(from_hold))
        _book(period=period, job=job, attempt=attempt, kind="release", amount=from_hold)
        fitting = _spend(period, amount)
        _book(period=period, job=job, attempt=attempt, kind="charge", amount=fitting)
        if fitting < amount:
            over = amount - fitting
            BudgetPeriod.objects.filter(pk=period.pk).update(overage=F("overage") + exact(over))
            _book(period=period, job=job, attempt=attempt, kind="overage", amount=over)
            audit.record(
                actor,
                "money.overage",
                subject=job,
                job=job,
                data={"amount": over, "currency": job.currency, "budget": period.budget_id},
            )
    audit.record(
        actor,
        "money.charged",
        subject=job,
        job=job,
        data={"amount": amount, "currency": job.currency, "attempt": attempt.pk},
    )


def release(*, actor: Actor, job: Job) -> None:
    """Give back all that is still set aside for a job."""
    total = Decimal(0)
    for period, held in _held(job):
        if held > 0:
            BudgetPeriod.objects.filter(pk=period.pk).update(reserved=F("reserved") - exact(held))
            _book(period=period, job=job, attempt=None, kind="release", amount=held)
            total = max(total, held)
    if total:
        audit.record(
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


def _spend(period: BudgetPeriod, amount: Decimal) -> Decimal:
    moved = BudgetPeriod.objects.filter(
        pk=period.pk, limit__gte=F("reserved") + F("spent") + exact(amount)
    ).update(spent=F("spent") + exact(amount))
    if moved:
        return amount
    # Lock the row: the part that still fits must not be taken twice.
    locked = BudgetPeriod.objects.select_for_update().get(pk=period.pk)
    fitting = min(max(locked.left, Decimal(0)), amount)
    if fitting:
        BudgetPeriod.objects.filter(pk=period.pk).update(spent=F("spent") + exact(fitting))
    return fitting


def _held(job: Job) -> list[tuple[BudgetPeriod, Decimal]]:
    """Return the periods that hold money for a job, and how much, in locking order."""
    sums: dict[int, Decimal] = {}
    rows = LedgerEntry.objects.filter(job=job, kind__in=["reservation", "release"])
    for row in rows.values("period", "kind").annotate(total=Sum("amount")):
        sign = 1 if row["kind"] == "reservation" else -1
        sums[row["period"]] = sums.get(row["period"], Decimal(0)) + sign * row["total"]
    periods = BudgetPeriod.objects.filter(pk__in=sums).order_by("budget_id", "pk")
    return [(period, sums[period.pk]) for period in periods]


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
