"""Find the family of an image: what it was made from, what was made from it, and what came with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Q

from imagegen_app.models import Asset, Lineage
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from imagegen_app.core.actors import Person

#: Images made from one, at most: a source image of many thousands would fill the page.
MAX_CHILDREN = 24


@dataclass(frozen=True, slots=True)
class Family:
    """The images around one, each with its renditions; only those that the reader may see."""

    parents: list[Asset] = field(default_factory=list)
    children: list[Asset] = field(default_factory=list)
    #: The images of the same turn in their order, the image itself among them.
    turn: list[Asset] = field(default_factory=list)


def family_of(reader: Person, asset: Asset) -> Family:
    """Return the family of an image, with three queries; others' images need the permission."""
    root = pass_chain.root_job(asset.job)
    links = Lineage.objects.filter(Q(child=asset) | Q(parent=asset)).order_by("pk")
    pairs = list(links.values_list("child_id", "parent_id")[: 2 * MAX_CHILDREN])
    parents = [parent for child, parent in pairs if child == asset.pk]
    children = [child for child, parent in pairs if parent == asset.pk][:MAX_CHILDREN]
    chain = Q(job=root) | Q(job__root=root)
    rows = Asset.objects.filter(Q(pk__in=[asset.pk, *parents, *children]) | chain)
    if not access.has_permission(reader, "view_asset"):
        rows = rows.filter(job__requester=reader.user)
    rows = rows.select_related("job").prefetch_related("renditions")
    found = {one.pk: one for one in rows.order_by("position", "pk")}
    turn = [
        one
        for one in found.values()
        if (root.pk in (one.job_id, one.job.root_id))
        and (not one.is_intermediate or one.pk == asset.pk)
    ]
    return Family(_in_order(parents, found), _in_order(children, found), turn)


def _in_order(keys: Iterable[UUID], found: Mapping[UUID, Asset]) -> list[Asset]:
    return [found[key] for key in keys if key in found]
