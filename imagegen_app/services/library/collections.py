"""Gather images under a name: collections of one's own, which may be shared with all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.models import Collection, CollectionItem
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library.bulk_selection import require_few
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

MAX_NAME_CHARS = 80
_AT_ONCE = 500


class NameMissing(ActionRefused):
    """A collection, a tag or a view needs a name."""

    code = "name_missing"


def visible_collections(reader: Actor) -> QuerySet[Collection]:
    """Return the collections that a person owns, and those that are shared."""
    shown = Q(is_shared=True)
    if isinstance(reader, Person):
        shown |= Q(owner=reader.user)
    rows: QuerySet[Collection] = Collection.objects.filter(shown)
    return rows


@use_case()
def create(*, actor: Person, name: str, is_shared: bool = False) -> Collection:
    """Begin a collection of the actor's own, or return the one of that name.

    :raises NameMissing: without a name.
    """
    collection: Collection
    collection, is_new = Collection.objects.get_or_create(
        name=clean_name(name), owner=actor.user, defaults={"is_shared": is_shared}
    )
    if not is_new:
        skip_audit_event()
        return collection
    event_log.record(
        actor,
        "collection.created",
        subject=collection,
        data={"is_shared": is_shared},
        personal={"object_label": collection.name},
    )
    return collection


@use_case()
def add(*, actor: Actor, collection: Collection, assets: QuerySet[Asset]) -> int:
    """Add images that the actor may see; return how many were not in it before.

    :raises NotPermitted: if the collection is another person's.
    :raises TooManyImages: if there are more than one post may change.
    """
    _require_own(actor, collection)
    keys = require_few(assets)
    _lock(collection)
    known = set(
        CollectionItem.objects.filter(collection=collection).values_list("asset", flat=True)
    )
    fresh = [key for key in keys if key not in known]
    for start in range(0, len(fresh), _AT_ONCE):
        CollectionItem.objects.bulk_create(
            CollectionItem(collection=collection, asset_id=key)
            for key in fresh[start : start + _AT_ONCE]
        )
    _record_change(actor, collection, "added", len(fresh))
    return len(fresh)


@use_case()
def remove(*, actor: Actor, collection: Collection, assets: QuerySet[Asset]) -> int:
    """Take images out of a collection; return how many were in it.

    :raises NotPermitted: if the collection is another person's.
    :raises TooManyImages: if there are more than one post may change.
    """
    _require_own(actor, collection)
    keys = require_few(assets)
    _lock(collection)
    count = 0
    for start in range(0, len(keys), _AT_ONCE):
        rows = CollectionItem.objects.filter(
            collection=collection, asset__in=keys[start : start + _AT_ONCE]
        )
        count += rows.delete()[0]
    _record_change(actor, collection, "removed", count)
    return count


@use_case()
def delete(*, actor: Actor, collection: Collection) -> None:
    """Delete a collection; its images stay.

    :raises NotPermitted: if it is another person's.
    """
    _require_own(actor, collection)
    count = CollectionItem.objects.filter(collection=collection).delete()[0]
    # A second tab may have deleted it before.
    if not Collection.objects.filter(pk=collection.pk).delete()[0]:
        skip_audit_event()
        return
    event_log.record(actor, "collection.deleted", subject=collection, data={"count": count})


def clean_name(name: str) -> str:
    """Return a name without surplus spaces, cut to what fits.

    :raises NameMissing: if nothing is left.
    """
    text = " ".join(name.split())[:MAX_NAME_CHARS].strip()
    if not text:
        raise NameMissing(_("Nothing was saved."), reason=_("The name is empty."), remedy="")
    return text


def may_change(actor: Actor, collection: Collection) -> bool:
    """Return whether a collection is the actor's own."""
    return isinstance(actor, Person) and collection.owner_id == actor.user.pk


def _require_own(actor: Actor, collection: Collection) -> None:
    if not may_change(actor, collection):
        raise NotPermitted(
            _("The collection was not changed."),
            reason=_("It belongs to another person."),
            remedy=_("Make a collection of your own."),
        )


def _lock(collection: Collection) -> None:
    """Let two tabs change a collection one after the other."""
    list(Collection.objects.select_for_update().filter(pk=collection.pk).values_list("pk"))


def _record_change(actor: Actor, collection: Collection, what: str, count: int) -> None:
    if not count:
        skip_audit_event()
        return
    event_log.record(actor, "collection.changed", subject=collection, data={what: count})
