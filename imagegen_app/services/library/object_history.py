"""Tell the history of one object of the site: which AI images it held, and which were made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType

from imagegen_app.models import Asset, Batch, Job, Placement
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import Model

    from imagegen_app.core.actors import Person


#: Entries of each kind, at most; the newest ones.
MOST = 60
#: Batches that are looked through for the object's row.
_MOST_BATCHES = 50


@dataclass(frozen=True, slots=True)
class Content:
    """A model without an image field in `IMAGEGEN["TARGETS"]`, such as that of the pages of a CMS."""

    #: From an object to the keys of all rows that hold the same content at different times.
    versions: Callable[[Any], Iterable[Any]]
    #: From an object to the address where it is edited.
    edit_url: Callable[[Any], str]


_registered: dict[type[Model], Content] = {}


@dataclass(frozen=True, slots=True)
class ObjectHistory:
    """What is known of an object's AI images."""

    #: Where an image was placed on it, the newest first; the person may see who placed which.
    placements: list[Placement]
    #: The images that batches made for it and that are not placed on it, the newest first.
    unplaced: list[Asset]
    #: Whether images of other people were left out.
    is_partial: bool


def register_content(model: type[Model], content: Content) -> None:
    """Let the objects of a model have a history, though they have no image field of their own."""
    _registered[model] = content


def edit_url(target: Model) -> str:
    """Return where an object of registered content is edited; empty for other objects."""
    content = _registered.get(type(target))
    return "" if content is None else content.edit_url(target)


def model_by_path(path: str) -> type[Model] | None:
    """Return the model that a target, or registered content (`app_label.Model`), is about."""
    target = content_fields.target_by_path(path)
    if target is not None:
        return target.model
    named = (model for model in _registered if model._meta.label.lower() == path.lower())  # noqa: SLF001 - Django's documented API
    return next(named, None)


def history_of(reader: Person, target: Model) -> ObjectHistory:
    """Return an object's history; the caller checks that the reader may see the object.

    Images of other people that the reader may not see are left out.
    """
    content = _registered.get(type(target))
    keys = [target.pk] if content is None else [*content.versions(target)]
    rows = Placement.objects.filter(
        content_type=ContentType.objects.get_for_model(target),
        object_id__in=[str(key) for key in keys],
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
