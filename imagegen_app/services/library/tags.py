"""Put tags on images and take them off; what an image is found by changes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.models import AssetTag, Tag
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.event_log import NewEvent
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.library import search_text
from imagegen_app.services.library.bulk_selection import require_few
from imagegen_app.services.library.collections import clean_name
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

MAX_NAME_CHARS = 60
_AT_ONCE = 500


@use_case()
def tag(*, actor: Actor, assets: QuerySet[Asset], name: str) -> int:
    """Put a tag on images; return how many did not have it.

    :raises NameMissing: without a name.
    :raises NotPermitted: if one is another person's, and the actor may not change assets.
    :raises TooManyImages: if there are more than one post may change.
    """
    keys = require_few(assets)
    _require_writable(actor, assets)
    text = clean_name(name)[:MAX_NAME_CHARS]
    found, _is_new = Tag.objects.get_or_create(
        key=text.casefold()[:MAX_NAME_CHARS], defaults={"name": text}
    )
    _lock(found)
    known = set(AssetTag.objects.filter(tag=found).values_list("asset", flat=True))
    fresh = [key for key in keys if key not in known]
    for start in range(0, len(fresh), _AT_ONCE):
        chunk = fresh[start : start + _AT_ONCE]
        AssetTag.objects.bulk_create(AssetTag(tag=found, asset_id=key) for key in chunk)
    _finish(actor, "asset.tagged", assets, fresh, found)
    return len(fresh)


@use_case()
def untag(*, actor: Actor, assets: QuerySet[Asset], name: str) -> int:
    """Take a tag off images; return how many had it.

    :raises NameMissing: without a name.
    :raises NotPermitted: if one is another person's, and the actor may not change assets.
    :raises TooManyImages: if there are more than one post may change.
    """
    keys = require_few(assets)
    _require_writable(actor, assets)
    key = clean_name(name).casefold()[:MAX_NAME_CHARS]
    found = Tag.objects.filter(key=key).first()
    if found is None:
        skip_audit_event()
        return 0
    _lock(found)
    tagged = set(AssetTag.objects.filter(tag=found).values_list("asset", flat=True))
    gone = [one for one in keys if one in tagged]
    for start in range(0, len(gone), _AT_ONCE):
        AssetTag.objects.filter(tag=found, asset__in=gone[start : start + _AT_ONCE]).delete()
    _finish(actor, "asset.untagged", assets, gone, found)
    return len(gone)


def _lock(tag: Tag) -> None:
    """Let two tabs change the images of a tag one after the other."""
    list(Tag.objects.select_for_update().filter(pk=tag.pk).values_list("pk"))


def _require_writable(actor: Actor, assets: QuerySet[Asset]) -> None:
    if access.has_permission(actor, "change_asset"):
        return
    others = assets if not isinstance(actor, Person) else assets.exclude(job__requester=actor.user)
    if others.exists():
        raise NotPermitted(
            _("No tag was changed."),
            reason=_("Some of the images belong to other people."),
            remedy=_("Select images of your own only."),
        )


def _finish(
    actor: Actor, kind: str, assets: QuerySet[Asset], keys: Sequence[UUID], tag: Tag
) -> None:
    """Record one event for each image, and find the images by their new words."""
    if not keys:
        skip_audit_event()
        return
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        rows = type(assets)(assets.model).filter(pk__in=chunk).select_related("job")
        event_log.record_many(
            actor,
            [
                NewEvent(
                    kind=kind,
                    subject=asset,
                    job=asset.job,
                    asset=asset,
                    data={"tag": tag.pk},
                    personal={"tag_name": tag.name},
                )
                for asset in rows
            ],
        )
    search_text.renew(keys)
