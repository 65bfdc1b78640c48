"""The life of a call for a text that belongs to no job: begun with its money, ended with its cost.

The call itself is made between the two, outside of any transaction. It is made once: where its outcome
is lost, it may have been billed, and counts as if it had cost what was reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

from imagegen_app.core.actors import Person
from imagegen_app.models import Asset, TextCall
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import text_budgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor

Task = Literal["alt_text", "suggest_prompt", "improve_prompt", "row_text"]
State = Literal["succeeded", "failed", "blocked"]
#: How long a call may be under way before its outcome counts as lost: longer than any limit of time in
#: the settings, and than the content checks of what it answers.
LEASE_SECONDS: Final = 300
_PURPOSES: Final = {
    "alt_text": "captioning",
    "suggest_prompt": "writing",
    "improve_prompt": "writing",
    "row_text": "writing",
}
_ENDS: Final[dict[State, str]] = {
    "succeeded": "text.succeeded",
    "failed": "text.failed",
    "blocked": "text.blocked",
}
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class TextOutcome:
    """What became of a call."""

    state: State
    cost: Decimal = Decimal(0)
    #: As the settings call the service, and the version of its model.
    service: str = ""
    model: str = ""
    #: The content checks that blocked what was sent or what came back.
    blocked_by: tuple[str, ...] = ()


@use_case()
def begin(
    *,
    actor: Actor,
    task: Task,
    estimated_cost: Decimal,
    currency: str,
    language: str = "",
) -> TextCall:
    """Begin a call that is made at once, and reserve its money.

    :raises OverBudget: if a budget has too little remaining.
    :raises CurrencyMismatch: if a budget has another currency.
    """
    call = TextCall(
        task=task,
        requester=actor.user if isinstance(actor, Person) else None,
        language=language,
        estimated_cost=estimated_cost,
        currency=currency,
        lease_until=clock.now() + timedelta(seconds=LEASE_SECONDS),
    )
    _begin(actor, [call])
    return call


@use_case()
def begin_descriptions(
    *, actor: Actor, assets: Sequence[Asset], language: str, estimated_cost: Decimal
) -> list[TextCall]:
    """Begin a call for each of some images, which a worker makes, and reserve their money.

    :raises OverBudget: if a budget has too little remaining for all of them.
    :raises CurrencyMismatch: if a budget has another currency.
    """
    calls = [
        TextCall(
            task="alt_text",
            requester=actor.user if isinstance(actor, Person) else None,
            asset=asset,
            language=language,
            estimated_cost=estimated_cost,
            currency=asset.job.currency,
        )
        for asset in assets
    ]
    _begin(actor, calls)
    return calls


@use_case()
def end(*, actor: Actor, call: TextCall, outcome: TextOutcome) -> bool:
    """End a call, charge its cost and release the rest; return False if it has ended before."""
    moved = TextCall.objects.filter(pk=call.pk, state="waiting").update(
        state=outcome.state,
        cost=outcome.cost,
        service=outcome.service[:80],
        model=outcome.model[:200],
        lease_until=None,
        ended_at=clock.now(),
    )
    if not moved:
        return False
    text_budgets.settle(actor=actor, call=call, amount=outcome.cost, purpose=_PURPOSES[call.task])
    event_log.record(
        actor,
        _ENDS[outcome.state],
        subject=call,
        asset=call.asset,
        job=call.asset.job if call.asset else None,
        data={
            "task": call.task,
            "service": outcome.service,
            "model": outcome.model,
            **({"language": call.language} if call.language else {}),
            **({"blocked_by": list(outcome.blocked_by)} if outcome.blocked_by else {}),
        },
    )
    return True


def has_waiting() -> bool:
    """Return whether a worker has calls to make."""
    return _to_make().exists()


@use_case(audited=False)
def claim(*, limit: int) -> list[TextCall]:
    """Take up to `limit` calls that wait for a worker, the oldest first."""
    until = clock.now() + timedelta(seconds=LEASE_SECONDS)
    taken = [
        key
        for key in _to_make().order_by("created_at", "pk").values_list("pk", flat=True)[:limit]
        if TextCall.objects.filter(pk=key, state="waiting", lease_until__isnull=True).update(
            lease_until=until
        )
    ]
    calls: list[TextCall] = list(
        TextCall.objects.filter(pk__in=taken)
        .select_related("asset__job", "requester")
        .prefetch_related("asset__renditions")
    )
    return calls


def end_lost(actor: Actor) -> int:
    """End the calls whose outcome was lost, such as with a process that died; return how many."""
    lost = TextCall.objects.filter(state="waiting", lease_until__lt=clock.now())
    return sum(
        end(actor=actor, call=call, outcome=TextOutcome("failed", cost=call.estimated_cost))
        for call in lost.select_related("asset__job").order_by("pk")[:_BATCH]
    )


def _to_make() -> QuerySet[TextCall]:
    rows: QuerySet[TextCall] = TextCall.objects.filter(state="waiting", lease_until__isnull=True)
    return rows


def _begin(actor: Actor, calls: list[TextCall]) -> None:
    TextCall.objects.bulk_create(calls, batch_size=_BATCH)
    by_currency = sorted(calls, key=lambda call: call.currency)
    for _currency, some in groupby(by_currency, key=lambda call: call.currency):
        text_budgets.reserve(actor=actor, calls=list(some))
    event_log.record_many(
        actor,
        [
            event_log.NewEvent(
                "text.requested",
                subject=call,
                asset=call.asset,
                job=call.asset.job if call.asset else None,
                data={
                    "task": call.task,
                    **({"language": call.language} if call.language else {}),
                },
            )
            for call in calls
        ],
    )
