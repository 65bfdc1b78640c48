"""Order queued jobs fairly between requesters (start-time fair queueing).

A new job's queue order is the lowest one now in the queue, or one more than that of its
requester's last queued job if that is higher. Workers claim jobs in this order, so that requesters
alternate however many jobs each of them has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.models import Job

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor


def next_queue_order(actor: Actor, *, priority: int) -> int:
    """Return the queue order of the actor's next job of a priority; two indexed queries."""
    waiting = Job.objects.filter(state=JobState.QUEUED.value, priority=priority)
    lowest = waiting.order_by("queue_order").values_list("queue_order", flat=True).first()
    if lowest is None:
        return 0
    requester = actor.user.pk if isinstance(actor, Person) else None
    own = (
        waiting.filter(requester=requester)
        .order_by("-queue_order")
        .values_list("queue_order", flat=True)
        .first()
    )
    return int(lowest) if own is None else max(int(lowest), int(own) + 1)
