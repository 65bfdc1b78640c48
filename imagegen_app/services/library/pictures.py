"""Build the data of an asset's `<picture>` element, and find the asset placed in a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Placement
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import alt_texts, delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

    from imagegen_app.models import Rendition

#: `css/public.css` has a rule for every so many percent.
FOCAL_STEP = 5
#: Best first: a browser uses the first `<source>` that it supports.
_MODERN = (("avif", "image/avif"), ("webp", "image/webp"))


@dataclass(frozen=True, slots=True)
class Source:
    """One `<source>` element: a media type and its `srcset`."""

    media_type: str
    srcset: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The data of a `<picture>` element with its `<img>`."""

    sources: tuple[Source, ...]
    url: str
    srcset: str
    width: int
    height: int
    alt: str
    #: The focal point in percent of width and height, in the steps of the style sheet; None for none.
    focal_x: int | None = None
    focal_y: int | None = None


def build_picture(asset: Asset, *, alt: str | None = None, preview: bool = False) -> Picture | None:
    """Return the picture of an asset, or None if the asset is not approved.

    With `preview`, URLs are signed and unapproved assets are shown too; the caller must have
    checked that the person may see the asset. `alt` replaces the asset's own alternative text, which
    is that of the active language.
    """
    if asset.hard_category or (not preview and asset.review_state != ReviewState.APPROVED.value):
        return None
    renditions = sorted(asset.renditions.all(), key=lambda r: r.width)
    fallback = [r for r in renditions if r.format in {"jpeg", "png"}]
    best = fallback[-1] if fallback else None
    return Picture(
        sources=tuple(
            Source(media_type, _srcset([r for r in renditions if r.format == name], preview))
            for name, media_type in _MODERN
            if any(r.format == name for r in renditions)
        ),
        url=_url(best or asset, preview),
        srcset=_srcset(fallback, preview),
        width=asset.width,
        height=asset.height,
        alt=alt_texts.text_for(asset) if alt is None else alt,
        focal_x=_step(asset.focal_x),
        focal_y=_step(asset.focal_y),
    )


def _step(part: float | None) -> int | None:
    return None if part is None else FOCAL_STEP * round(100 * part / FOCAL_STEP)


def hidden_reason(asset: object) -> str:
    """Return for developers why nothing of a value is shown to visitors; empty if it is shown."""
    if asset is None:
        return "there is no asset (None)"
    if not isinstance(asset, Asset):
        return f"the value is no Asset, but {type(asset).__name__}"
    if asset.hard_category:
        return f"asset {asset.pk} is closed"
    if asset.review_state != ReviewState.APPROVED.value:
        return f"asset {asset.pk} is not approved, but {asset.review_state}"
    return ""


def image_url(asset: Asset, *, width: int, format: str) -> str:  # noqa: A002 - as in the tag
    """Return the public URL of the best rendition; empty if the asset is not approved."""
    if asset.hard_category or asset.review_state != ReviewState.APPROVED.value:
        return ""
    rendition = delivery.best_rendition(asset, width=width, formats=(format,))
    return delivery.public_url(rendition or asset)


def label_text(asset: Asset) -> str:
    """Return the text of the AI label that visitors see."""
    if asset.digital_source_type == GENERATED:
        return _("AI generated")
    return _("AI modified")


def placed_asset(target: Model, field: str) -> Asset | None:
    """Return the asset placed in an object's field; None if the field now holds something else.

    :raises FieldDoesNotExist: if there is no such field: an AI label must not vanish silently.
    """
    value = _stored_value(target, field)
    if target.pk is None or not value:
        return None
    placement = (
        Placement.objects.active()
        .filter(
            content_type=ContentType.objects.get_for_model(target),
            object_id=str(target.pk),
            field=field,
            placed_value=value,
        )
        .select_related("asset")
        .order_by("-pk")
        .first()
    )
    return placement.asset if placement else None


def placed_assets(targets: Iterable[Model], field: str) -> dict[str, Asset | None]:
    """Return the assets placed in a field of several objects of one model, with one query.

    The keys are the objects' primary keys as text; None where no asset is placed.

    :raises FieldDoesNotExist: if the objects have no such field.
    """
    objects = list(targets)
    values = {str(o.pk): _stored_value(o, field) for o in objects}
    assets: dict[str, Asset | None] = dict.fromkeys(values)
    if not any(values.values()):
        return assets
    placements = (
        Placement.objects.active()
        .filter(
            content_type=ContentType.objects.get_for_model(objects[0]),
            object_id__in=[key for key, value in values.items() if value],
            field=field,
        )
        .select_related("asset")
        .order_by("pk")
    )
    assets.update(
        {p.object_id: p.asset for p in placements if values[p.object_id] == p.placed_value}
    )
    return assets


def held_url(target: Model, field: str) -> str:
    """Return the address of the image that a field holds, whoever put it there; empty for none.

    The storage is not asked whether the file exists. For people who may see the objects.
    """
    value: Any = getattr(target, field, None)
    if isinstance(value, Asset):
        return "" if value.hard_category else delivery.preview_url(value, width=320)
    if not isinstance(value, FieldFile) or not value:
        return ""
    try:
        return storage.GuardedStorage(value.storage).url(str(value.name))
    except storage.StorageFailed:
        return ""


def _stored_value(target: Model, field: str) -> str:
    """Return a field's value as `Placement.placed_value` holds it: a file name or primary key."""
    column = target._meta.get_field(field)  # noqa: SLF001 - Django's documented API
    value = getattr(target, str(getattr(column, "attname", field)), None)
    return str(getattr(value, "name", value) or "")


def _url(file: Asset | Rendition, preview: bool) -> str:
    return delivery.signed_url(file) if preview else delivery.public_url(file)


def _srcset(files: list[Rendition], preview: bool) -> str:
    return ", ".join(f"{_url(f, preview)} {f.width}w" for f in files)
