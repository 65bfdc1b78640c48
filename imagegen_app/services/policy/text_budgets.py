"""Enforce budgets for calls for texts, which belong to no job: reserve before, charge afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.models import LedgerEntry
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.policy._budget_counters import book, book_spent, held_for, reserve_in
from imagegen_app.services.policy.budgets import applicable_budgets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import TextCall


def reserve(*, actor: Actor, calls: Sequence[TextCall]) -> None:
    """Reserve the estimates of calls of one requester in every budget that applies.

    Those of providers do not: the service is none of them. Joins the caller's transaction.

    :raises OverBudget: if one of the budgets has too little remaining for all of them.
    :raises CurrencyMismatch: if one has another currency.
    """
    total = sum(call.estimated_cost for call in calls)
    if not total:
        return
    today = clock.today()
    for budget in applicable_budgets(actor, None):
        period = reserve_in(budget, today, amount=total, currency=calls[0].currency)
        for call in calls:
            book(period=period, cause=call, kind="reservation", amount=call.estimated_cost)
    event_log.record_many(
        actor,
        [
            event_log.NewEvent(
                "money.reserved",
                subject=call,
                data={"amount": call.estimated_cost, "currency": call.currency},
            )
            for call in calls
        ],
    )


def settle(*, actor: Actor, call: TextCall, amount: Decimal, purpose: str) -> None:
    """Charge what a call cost, nothing included, and release the rest of its reservation.

    `purpose` is `captioning` or `writing`.
    """
    for period, held in held_for(call, only_positive=True):
        line = LedgerEntry(period=period, text_call=call, purpose=purpose)
        book_spent(line, amount, from_hold=held, actor=actor)
    if call.estimated_cost or amount:
        kind = "money.charged" if amount else "money.released"
        event_log.record(
            actor,
            kind,
            subject=call,
            data={
                "amount": amount or call.estimated_cost,
                "currency": call.currency,
                **({"purpose": purpose} if amount else {}),
            },
        )
