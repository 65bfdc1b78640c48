"""Take back copies of an image from the site's own file fields, with the thumbnails made of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.core.exceptions import FieldDoesNotExist
from django.db import models

from imagegen_app.core.actors import System
from imagegen_app.models import Placement
from imagegen_app.services.gateways import storage, thumbnails
from imagegen_app.services.library import placement
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models.fields.files import FieldFile

    from imagegen_app.models import Asset

logger = logging.getLogger("imagegen.takedown")

#: Clears fields of content that the reviewer may not edit; the withdrawal itself is the reviewer's.
TAKEDOWN = System("takedown")


def file_of(placed: Placement, *, name: str = "") -> FieldFile | None:
    """Return the copy of a placement as a file of its field, whatever the field holds now.

    With `name`, another file of the same field. None if the placement has no copy, or the site no
    longer has the field.
    """
    model = placed.content_type.model_class()
    try:
        column = None if model is None else model._meta.get_field(placed.field)  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        return None
    if model is None or not isinstance(column, models.FileField) or not placed.placed_value:
        return None
    # Some fields choose their storage by the object, as those of django-filer do.
    target = placed.target or model()
    return column.attr_class(target, column, name or placed.placed_value)


def copies_of(asset: Asset) -> Iterator[tuple[Placement, FieldFile]]:
    """Yield the copies of an image in the site's storages, each file once, with a placement of it.

    Also those that an object held before: they stay, since removing the next image restores them.
    """
    seen: set[tuple[int, str, str]] = set()
    rows = Placement.objects.filter(asset=asset).exclude(placed_value="").order_by("pk")
    for placed in rows.select_related("content_type"):
        identity = (placed.content_type_id, placed.field, placed.placed_value)
        if identity in seen:
            continue
        seen.add(identity)
        file = file_of(placed)
        if file is not None:
            yield placed, file


def is_in_field(placed: Placement) -> bool:
    """Return whether the field still holds the copy of the placement."""
    target = placed.target
    file = None if target is None else getattr(target, placed.field, None)
    return isinstance(file, models.fields.files.FieldFile) and file.name == placed.placed_value


def take_back(placed: Placement) -> bool:
    """Clear the field that holds a copy, and have the copy deleted; in the caller's use case.

    The field gets back the value it had before. What the site's own code raises when its object
    is saved does not keep the image up: then the field is cleared without that code. Returns
    False if the field holds another value by now; the copy is deleted anyway.
    """
    Placement.objects.filter(pk=placed.pk).update(has_copy_to_delete=True)
    try:
        placement.detach(actor=TAKEDOWN, placement=placed, is_takedown=True)
    except ActionRefused:
        return False
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        logger.warning(
            "%s could not be saved (%s); its field was cleared without it.",
            placed.content_type,
            type(error).__name__,
        )
        placement.detach(actor=TAKEDOWN, placement=placed, is_takedown=True, by_update=True)
    return True


def delete(file: FieldFile) -> list[str]:
    """Delete a copy and the thumbnails made of it, and return the URLs that served them.

    :raises StorageFailed: if a storage fails; repeating it is safe.
    """
    store = storage.GuardedStorage(file.storage)
    urls = [store.url(str(file.name))]
    # The copy goes first: no thumbnail can be made of it then.
    store.delete(str(file.name))
    for made in thumbnails.thumbnails_of(file):
        urls.append(made.url())
        made.delete()
    thumbnails.forget(file)
    return [url for url in urls if url]
