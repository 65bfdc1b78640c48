"""Write the field of an object that holds an image, with all that depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.images import get_image_dimensions
from django.db import models
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.models import Asset
from imagegen_app.services.gateways import content_fields, storage
from imagegen_app.services.library import file_names
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Iterable


class EarlierImageGone(Exception):
    """The image that the field held before no longer exists."""


def read_names(target: models.Model, column: Any) -> list[str]:
    """Return the names of the fields that are written together with an image field."""
    return [column.name, *_dimension_names(column), *_alt_names(target, column)]


def put(target: models.Model, column: Any, asset: Asset) -> str:
    """Put an asset into the field, and its alternative text into the field for that; save both.

    Returns the alternative text that was there before.

    :raises StorageUnavailable: if the file cannot be copied at present.
    :raises ImageFileMissing: if the asset's file is missing.
    """
    had_image = bool(getattr(target, column.attname))
    if isinstance(column, models.FileField):
        name = file_names.file_name(asset, label=str(target))
        file = getattr(target, column.name)
        with refuse_on_storage_failure(_("The image was not placed.")):
            data = storage.get(asset.storage_key)
            with storage.storage_errors(file.storage):
                file.save(name, ContentFile(data), save=False)
        _set_dimensions(target, column, (asset.width, asset.height))
    else:
        setattr(target, column.name, asset)
    alt_text = ""
    for name in _alt_names(target, column):
        alt_text = content_fields.set_alt_text(
            target,
            name,
            text=asset.alt_text,
            # A text that was written for another image would be wrong for this one.
            is_replacing=had_image or asset.is_decorative,
        )
    save(target, read_names(target, column))
    return alt_text


def restore(
    target: models.Model,
    column: Any,
    value: str,
    *,
    removed: Asset,
    alt_text: str,
    is_takedown: bool = False,
    by_update: bool = False,
) -> None:
    """Give the field the value that it had before, and save it with all that depends on it.

    With `by_update`, without the site's own code: the row is updated, and no signal is sent.

    An alternative text that came with the removed image goes with it, and `alt_text` takes its place.
    `is_takedown` leaves the field empty where the earlier image is gone: nothing keeps an image from
    being taken down.

    :raises EarlierImageGone: if the earlier image no longer exists, and it is no takedown.
    :raises StorageUnavailable: if the earlier file cannot be measured, and it is no takedown.
    """
    wanted = value
    if isinstance(column, models.FileField):
        try:
            size = _measure(column, value) if value else (None, None)
        except storage.FileMissing:
            if not is_takedown:
                raise EarlierImageGone from None
            value, size = "", (None, None)
        except storage.StorageFailed:
            if not is_takedown:
                with refuse_on_storage_failure(_("Nothing was changed.")):
                    raise
            # A row without its sizes would be measured whenever it is loaded, and the storage fails.
            value, size = "" if _dimension_names(column) else value, (None, None)
        # Not by `setattr`: an image field would open the file again to measure it.
        target.__dict__[column.attname] = value
        _set_dimensions(target, column, size)
    else:
        if value and not Asset.objects.filter(pk=value).exists():
            if not is_takedown:
                raise EarlierImageGone
            value = ""
        setattr(target, column.attname, value or None)
    for name in _alt_names(target, column):
        # A text for an image that is gone would describe nothing.
        before = alt_text if value == wanted else ""
        content_fields.restore_alt_text(target, name, text=removed.alt_text, before=before)
    save(target, read_names(target, column), by_update=by_update)


def _measure(column: models.FileField, value: str) -> tuple[int | None, int | None]:
    store = column.storage
    with storage.storage_errors(store):
        if not store.exists(value):
            raise storage.FileMissing
        if not _dimension_names(column):
            return None, None
        with store.open(value) as file:
            width, height = get_image_dimensions(file)
    return width, height


def _dimension_names(column: Any) -> list[str]:
    names = (getattr(column, "width_field", None), getattr(column, "height_field", None))
    return [name for name in names if name]


def _set_dimensions(target: models.Model, column: Any, size: tuple[int | None, int | None]) -> None:
    sides = (getattr(column, "width_field", None), getattr(column, "height_field", None))
    for name, value in zip(sides, size, strict=True):
        if name:
            field: Any = target._meta.get_field(name)  # noqa: SLF001 - Django's documented API
            setattr(target, name, 0 if value is None and not field.null else value)


def _alt_names(target: models.Model, column: Any) -> list[str]:
    name = content_fields.alt_field_of(target, column.name)
    return [name] if name else []


def save(target: models.Model, names: Iterable[str], *, by_update: bool = False) -> None:
    """Save these fields, and those that hold when the object was last changed."""
    fields = target._meta.concrete_fields  # noqa: SLF001 - Django's documented API
    changed_at = [field for field in fields if getattr(field, "auto_now", False)]
    if not by_update:
        target.save(update_fields=[*names, *(field.name for field in changed_at)])
        return
    for field in changed_at:
        # The field itself sets it to the present time.
        field.pre_save(target, add=False)
    written = {*names, *(field.name for field in changed_at)}
    database.stored(target).update(
        **{f.attname: target.__dict__[f.attname] for f in fields if f.name in written}
    )
