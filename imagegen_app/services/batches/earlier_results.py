"""Find the images that earlier batches have made for the same rows, and that nobody decided about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Q

from imagegen_app.core.actors import Person
from imagegen_app.core.states import FINAL_STATES, ReviewState
from imagegen_app.models import Asset, Batch, Job
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import UploadedTable
    from imagegen_app.services.gateways.content_fields import Target

#: Batches that are looked at, the newest first.
_MAX_BATCHES = 50
#: Objects per query: databases limit how many values one may have.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class EarlierResults:
    """What one earlier batch holds for rows that are to be made again."""

    batch: Batch
    #: Images that wait for a review.
    to_review: int
    #: Jobs that have not ended.
    unfinished: int


def earlier_results(
    *,
    actor: Actor,
    keys: Sequence[str],
    target: Target | None = None,
    table: UploadedTable | None = None,
) -> list[EarlierResults]:
    """Return the batches with unreviewed images or unfinished jobs for rows of these keys.

    That is, batches for objects of the target; without one, batches of the table. Newest first; only
    batches that the actor may see.
    """
    batches = Batch.objects.filter(
        Q(table=table, mapping__target="") if target is None else Q(mapping__target=target.path)
    )
    if isinstance(actor, Person) and not access.has_permission(actor, "view_batch"):
        batches = batches.filter(requester=actor.user)
    found = {
        batch.pk: batch
        for batch in batches.defer("rows", "invalid_rows").order_by("-created_at")[:_MAX_BATCHES]
    }
    to_review: dict[UUID, int] = {}
    unfinished: dict[UUID, int] = {}
    if found:
        for chunk in _chunks([key for key in keys if key]):
            _add(
                to_review,
                Asset.objects.filter(
                    job__batch__in=list(found),
                    job__row_key__in=chunk,
                    review_state=ReviewState.PENDING.value,
                    is_intermediate=False,
                )
                .order_by()
                .values_list("job__batch")
                .annotate(number=Count("pk")),
            )
            _add(
                unfinished,
                Job.objects.filter(~Q(state__in=sorted(FINAL_STATES)), batch__in=list(found))
                .filter(row_key__in=chunk)
                .order_by()
                .values_list("batch")
                .annotate(number=Count("pk")),
            )
    return [
        EarlierResults(batch, to_review.get(key, 0), unfinished.get(key, 0))
        for key, batch in found.items()
        if key in to_review or key in unfinished
    ]


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _AT_ONCE):
        yield keys[start : start + _AT_ONCE]


def _add(counts: dict[UUID, int], rows: object) -> None:
    for key, number in rows:  # type: ignore[attr-defined]  # a query of pairs
        counts[key] = counts.get(key, 0) + number
