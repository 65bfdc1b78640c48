"""Order queued jobs fairly between requesters (start-time fair queueing).

A job's turn is the present one of the queue, or one after the requester's own last waiting job.
Taken up in the order of turns, requesters alternate however much each of them has asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.models import Job

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor


def next_queue_order(actor: Actor, *, priority: int) -> int:
    """Return the turn of the next job of an actor; two look-ups by index."""
    waiting = Job.objects.filter(state=JobState.QUEUED.value, priority=priority)
    present = waiting.order_by("queue_order").values_list("queue_order", flat=True).first()
    if present is None:
        return 0
    account = actor.user.pk if isinstance(actor, Person) else None
    own = (
        waiting.filter(requester=account)
        .order_by("-queue_order")
        .values_list("queue_order", flat=True)
        .first()
    )
    return int(present) if own is None else max(int(present), int(own) + 1)
