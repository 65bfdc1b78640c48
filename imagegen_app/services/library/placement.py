"""Place assets in the fields of a site's objects, remove them, and record both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.actors import Person
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Placement
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.announcements import send_placement_created
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import _placed_fields, alt_texts, review_requests
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.storage_refusals import ImageFileMissing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor


class CannotPlace(ActionRefused):
    """The asset cannot be placed there."""

    code = "cannot_place"


@use_case()
def attach(*, actor: Actor, asset: Asset, target: models.Model, field: str) -> Placement:
    """Put an approved asset into an image field or a foreign key to assets, and record it.

    An image field gets a copy of the signed master under its own `upload_to` and storage. The
    fields for its width, height and alternative text, and for when the object was last changed,
    are written with it. If the field holds the asset already, its placement is returned and nothing
    changes.

    :raises NotPermitted: if the actor may not place assets, or not change the content.
    :raises CannotPlace: if the asset is not approved or has no words, though the site requires them,
        or the field cannot hold an image.
    :raises ClosedForGood: if it was found in a hard category.
    :raises StorageUnavailable: if the file cannot be copied at present.
    :raises ImageFileMissing: if the asset's file is missing.
    """
    access.require_permission(actor, "place_asset")
    access.require_content_change(actor, target)
    _require_approved(asset)
    _require_words(asset)
    column = _column(target, field)
    _refresh_locked(target, column)
    previous = value_of(target, field)
    placed = _active(target, field).filter(asset=asset, placed_value=previous).first()
    if placed is not None:
        # Placed before: a second copy of the file would be the same picture under another name.
        return placed
    replaced = _placed_fields.put(target, column, asset)
    return record_placement(
        actor=actor,
        asset=asset,
        target=target,
        field=field,
        previous=previous,
        previous_alt_text=replaced,
    )


def is_placed(*, asset: Asset, target: models.Model, field: str) -> bool:
    """Return whether a field holds the asset now, by a placement that is recorded."""
    value = value_of(target, field)
    return bool(value) and _active(target, field).filter(asset=asset, placed_value=value).exists()


def attach_each(*, actor: Actor, pairs: Iterable[tuple[Asset, models.Model]], field: str) -> int:
    """Put each asset into a field of its object, unless it is there; return how many were put.

    :raises ImageFileMissing: if a file is missing, once all others are placed.
    :raises ActionRefused: at the first that is refused for another reason, as by `attach`.
    """
    number = 0
    missing: ImageFileMissing | None = None
    for asset, target in pairs:
        try:
            attach(actor=actor, asset=asset, target=target, field=field)
        except ImageFileMissing as refusal:
            missing = refusal
        else:
            number += 1
    if missing is not None:
        raise missing
    return number


@use_case()
def record_placement(
    *,
    actor: Actor,
    asset: Asset,
    target: models.Model,
    field: str,
    previous: str = "",
    previous_alt_text: str = "",
    value: str | None = None,
) -> Placement:
    """Record a placement that a form or a plugin has already saved.

    An active placement of the same asset and value is returned as it is; others in the same field
    are removed. `previous` is the field's value before, and `previous_alt_text` the alternative text
    that was replaced with it. `value` is the value now; it is needed
    only where `field` names a slot of a plugin instead of a model field.

    :raises NotPermitted: if the actor may not place assets.
    """
    access.require_permission(actor, "place_asset")
    _lock(target)
    kind = ContentType.objects.get_for_model(target)
    placed_value = value_of(target, field) if value is None else value
    for old in _active(target, field).select_related("asset"):
        if old.asset_id == asset.pk and old.placed_value == placed_value:
            return old
        if old.placed_value == previous and old.asset.alt_text.startswith(previous_alt_text):
            # It is the asset's, cut to the field's length; a copy would outlive the text's erasure.
            previous_alt_text = ""
        _remove(actor, old)
    placement = Placement.objects.create(
        asset=asset,
        content_type=kind,
        object_id=str(target.pk),
        field=field,
        object_label=str(target)[:200],
        placed_by=actor.user if isinstance(actor, Person) else None,
        previous_value=previous[:300],
        previous_alt_text=previous_alt_text,
        placed_value=placed_value[:300],
    )
    _record_event(actor, "placement.created", placement, sha256=asset.sha256)
    # Where content may hold an image before it is approved, it now needs a decision.
    review_requests.ask_for_review(actor, asset)
    send_placement_created(placement)
    return placement


@use_case()
def record_found(
    *, actor: Actor, asset: Asset, target: models.Model, field: str, sha256: str
) -> Placement | None:
    """Record that a field holds a copy that nobody placed by this app, such as an upload by hand.

    None if the field holds another value by now, or an image that was placed there and may be
    shown. `sha256` is the hash of the file that was found.
    """
    value = "" if not _lock(target) else _value_now(target, field)
    known = _active(target, field).filter(placed_value=value)
    if not value or known.filter(asset__review_state=ReviewState.APPROVED.value).exists():
        return None
    kind = ContentType.objects.get_for_model(target)
    found: Placement = Placement.objects.create(
        asset=asset,
        content_type=kind,
        object_id=str(target.pk),
        field=field,
        object_label=str(target)[:200],
        placed_value=value[:300],
    )
    _record_event(actor, "placement.found", found, sha256=sha256)
    return found


@use_case()
def detach(
    *, actor: Actor, placement: Placement, is_takedown: bool = False, by_update: bool = False
) -> None:
    """Remove a placement and restore the value that the field had before.

    In a takedown the field is left empty if the image that it held before is gone. With `by_update`,
    the object is not saved, only its row: for a takedown where the site's own code fails.

    :raises NotPermitted: if the actor may not place assets, or not change the content.
    :raises CannotPlace: if it is removed already, the field holds another value now, or the image
        that it held before no longer exists.
    :raises StorageUnavailable: if the storage of the image before fails, and it is no takedown.
    """
    access.require_permission(actor, "place_asset")
    stored = Placement.objects.select_for_update().get(pk=placement.pk)
    placement.removed_at = stored.removed_at
    if placement.removed_at is not None:
        known = past_events.who_and_when(placement.asset, "placement.removed")
        raise CannotPlace(
            _("Nothing was changed."),
            reason=f"{_('The image has already been removed.')} {known}".strip(),
            remedy="",
            is_already_done=True,
        )
    # Not `placement.target`, which may have been read before the content was changed.
    target = stored.target
    if target is not None:
        access.require_content_change(actor, target)
        if value_of(target, placement.field) != placement.placed_value:
            raise CannotPlace(
                _("Nothing was changed."),
                reason=_("The field holds another value now."),
                remedy=_("Change it in the content itself."),
            )
        column = _column(target, placement.field)
        try:
            _placed_fields.restore(
                target,
                column,
                stored.previous_value,
                removed=stored.asset,
                alt_text=_previous_alt_text(stored),
                is_takedown=is_takedown,
                by_update=by_update,
            )
        except _placed_fields.EarlierImageGone:
            raise CannotPlace(
                _("Nothing was changed."),
                reason=_("The earlier image no longer exists and cannot be restored."),
                remedy=_("Choose another image in the content itself, or clear the field there."),
            ) from None
    _remove(actor, placement)


@use_case()
def remove_all_from(*, actor: Actor, target: models.Model) -> int:
    """End all placements of an object that is deleted; return how many."""
    kind = ContentType.objects.get_for_model(target)
    active = Placement.objects.active().filter(content_type=kind, object_id=str(target.pk))
    placements = list(active.select_related("asset__job"))
    for placement in placements:
        _remove(actor, placement)
    return len(placements)


def _remove(actor: Actor, placement: Placement) -> None:
    removed = Placement.objects.filter(pk=placement.pk, removed_at__isnull=True).update(
        removed_at=clock.now()
    )
    if not removed:
        return
    _record_event(actor, "placement.removed", placement)


def _record_event(actor: Actor, event: str, placement: Placement, **more: str) -> None:
    kind = placement.content_type
    event_log.record(
        actor,
        event,
        subject=placement.asset,
        job=placement.asset.job,
        asset=placement.asset,
        data={
            "target": f"{kind.app_label}.{kind.model}:{placement.object_id}",
            "field": placement.field,
            "placement": placement.pk,
            **more,
        },
        personal={"target_label": placement.object_label},
    )


def _previous_alt_text(placement: Placement) -> str:
    """Return the alternative text that a placement replaced; of an earlier placement, its asset's."""
    if placement.previous_alt_text or not placement.previous_value:
        return placement.previous_alt_text
    earlier = Placement.objects.filter(
        content_type=placement.content_type_id,
        object_id=placement.object_id,
        field=placement.field,
        placed_value=placement.previous_value,
    ).select_related("asset")
    found = earlier.order_by("-pk").first()
    return "" if found is None else str(found.asset.alt_text)


def _active(target: models.Model, field: str) -> QuerySet[Placement]:
    found: QuerySet[Placement] = Placement.objects.active().filter(
        content_type=ContentType.objects.get_for_model(target),
        object_id=str(target.pk),
        field=field,
    )
    return found


def _lock(target: models.Model) -> bool:
    """Lock the object until the use case ends; return whether it is still there."""
    rows = database.stored(target)
    if connections[rows.db].in_atomic_block:
        # Not where the object is in another database than our tables.
        rows = rows.select_for_update()
    return bool(rows.values_list("pk"))


def _refresh_locked(target: models.Model, column: Any) -> None:
    """Lock the object until the use case ends, and read anew what is written; others may have, too.

    :raises CannotPlace: if the object was deleted.
    """
    if not _lock(target):
        raise CannotPlace(
            _("The image was not placed."),
            reason=_("It no longer exists."),
            remedy="",
        )
    names = _placed_fields.read_names(target, column)
    target.refresh_from_db(using=database.stored(target).db, fields=names)


def _value_now(target: models.Model, field: str) -> str:
    """Read a field anew, without what the object in memory holds."""
    rows = database.stored(target)
    return str(rows.values_list(field, flat=True).first() or "")


def _require_approved(asset: Asset) -> None:
    closed_content.require_open_asset(asset)
    current = Asset.objects.filter(pk=asset.pk).values_list("review_state", flat=True).first()
    if current != ReviewState.APPROVED.value:
        raise CannotPlace(
            _("The image was not placed."),
            reason=_("It is not approved."),
            remedy=_("Ask a reviewer to approve it first."),
        )


def _require_words(asset: Asset) -> None:
    current = Asset.objects.only("alt_text", "is_decorative").get(pk=asset.pk)
    if missing := alt_texts.missing_reason(current):
        raise CannotPlace(
            _("The image was not placed."),
            reason=missing,
            remedy=_("Describe it on its page, or mark it as decorative there."),
        )


def _column(target: models.Model, field: str) -> Any:
    try:
        column = target._meta.get_field(field)  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        raise CannotPlace(
            _("The image was not placed."),
            reason=_("“%(field)s” is not a valid field.") % {"field": field[:40]},
            remedy=_("Name one of its image fields."),
        ) from None
    is_asset_relation = isinstance(column, models.ForeignKey) and column.related_model is Asset
    if not isinstance(column, models.FileField) and not is_asset_relation:
        raise CannotPlace(
            _("The image was not placed."),
            reason=_("“%(field)s” is not an image field.") % {"field": field[:40]},
            remedy=_("Name one of its image fields."),
        )
    return column


def value_of(target: models.Model, field: str) -> str:
    """Return what a field of an object holds, as placements store it; empty for nothing."""
    column = target._meta.get_field(field)  # noqa: SLF001 - Django's documented API
    if isinstance(column, models.FileField):
        return str(getattr(target, field).name or "")
    return str(getattr(target, str(getattr(column, "attname", field))) or "")
