"""Tell the history of one object of the site: which AI images it held, and which were made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType

from imagegen_app.models import Asset, Batch, Job, Placement
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.db.models import Model

    from imagegen_app.core.actors import Person

#: Entries of each kind, at most; the newest ones.
MOST = 60
#: Batches that are looked through for the object's row.
_MOST_BATCHES = 50


@dataclass(frozen=True, slots=True)
class ObjectHistory:
    """What is known of an object's AI images."""

    #: Where an image was placed on it, the newest first; the person may see who placed which.
    placements: list[Placement]
    #: The images that batches made for it and that are not placed on it, the newest first.
    unplaced: list[Asset]
    #: Whether images of other people were left out.
    is_partial: bool


def history_of(reader: Person, target: Model) -> ObjectHistory:
    """Return an object's history; the caller checks that the reader may see the object.

    Images of other people that the reader may not see are left out.
    """
    rows = Placement.objects.filter(
        content_type=ContentType.objects.get_for_model(target), object_id=str(target.pk)
    ).select_related("asset__job", "placed_by")
    rows = rows.prefetch_related("asset__renditions")
    placements = list(rows.order_by("-placed_at", "-pk")[:MOST])
    made = _made_for(target).exclude(pk__in=[one.asset_id for one in placements])
    unplaced = list(made.order_by("-created_at")[:MOST])
    if access.has_permission(reader, "view_asset"):
        return ObjectHistory(placements, unplaced, is_partial=False)
    own_placements = [one for one in placements if one.asset.job.requester_id == reader.user.pk]
    own = [one for one in unplaced if one.job.requester_id == reader.user.pk]
    is_partial = len(own_placements) < len(placements) or len(own) < len(unplaced)
    return ObjectHistory(own_placements, own, is_partial)


def _made_for(target: Model) -> Any:
    paths = [
        one.path
        for one in content_fields.all_targets()
        if one.model is target._meta.concrete_model  # noqa: SLF001 - Django's documented API
    ]
    batches = Batch.objects.filter(mapping__target__in=paths).order_by("-created_at")
    keys = list(batches.values_list("pk", flat=True)[:_MOST_BATCHES])
    jobs = Job.objects.filter(batch__in=keys, row_key=str(target.pk)).values_list("pk", flat=True)
    found = Asset.objects.filter(job__in=list(jobs), is_intermediate=False)
    return found.select_related("job").prefetch_related("renditions")
