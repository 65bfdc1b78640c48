"""Say what a page needs to show an asset: sources, sizes, words; and find the asset behind a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Placement
from imagegen_app.services.library import delivery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

    from imagegen_app.models import Rendition

#: Best first; browsers take the first that they can.
_MODERN = (("avif", "image/avif"), ("webp", "image/webp"))


@dataclass(frozen=True, slots=True)
class Source:
    """One `<source>`: a media type and its files by width."""

    media_type: str
    srcset: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All that a `<image>` needs."""

    sources: tuple[Source, ...]
    url: str
    srcset: str
    width: int
    height: int
    alt: str


def build_picture(asset: Asset, *, alt: str | None = None, preview: bool = False) -> Picture | None:
    """Return the image of an asset, or None where it may not be shown.

    With `preview`, addresses are signed, and unapproved assets are shown too: only for people who
    were checked.
    """
    if not preview and asset.review_state != ReviewState.APPROVED.value:
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
        alt="" if asset.is_decorative and alt is None else (asset.alt_text if alt is None else alt),
    )


def image_url(asset: Asset, *, width: int, format: str) -> str:  # noqa: A002 - the word of the tag
    """Return the public address of the rendition that fits, or nothing where it may not be shown."""
    if asset.review_state != ReviewState.APPROVED.value:
        return ""
    found = delivery.best_rendition(asset, width=width, formats=(format,))
    return delivery.public_url(found or asset)


def label_text(asset: Asset) -> str:
    """Return the words of the visible label."""
    if asset.digital_source_type == GENERATED:
        return _("AI generated")
    return _("AI modified")


def placed_asset(target: Model, field: str) -> Asset | None:
    """Return the asset that stands in an object's field, while the field still holds it.

    :raises FieldDoesNotExist: if the object has no such field; a label must not vanish silently.
    """
    value = _held(target, field)
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
    """Return what stands in a field of several objects of one model, by key, in one query.

    :raises FieldDoesNotExist: if the objects have no such field.
    """
    all_of_them = list(targets)
    found = {str(t.pk): _held(t, field) for t in all_of_them}
    standing_here: dict[str, Asset | None] = dict.fromkeys(found)
    if not any(found.values()):
        return standing_here
    standing = (
        Placement.objects.active()
        .filter(
            content_type=ContentType.objects.get_for_model(all_of_them[0]),
            object_id__in=[key for key, value in found.items() if value],
            field=field,
        )
        .select_related("asset")
        .order_by("pk")
    )
    standing_here.update(
        {p.object_id: p.asset for p in standing if found[p.object_id] == p.placed_value}
    )
    return standing_here


def _held(target: Model, field: str) -> str:
    """Return what a field holds as a placement writes it down: a file's name, or a key."""
    column = target._meta.get_field(field)  # noqa: SLF001 - Django's documented API
    held = getattr(target, str(getattr(column, "attname", field)), None)
    return str(getattr(held, "name", held) or "")


def _url(file: Asset | Rendition, preview: bool) -> str:
    return delivery.signed_url(file) if preview else delivery.public_url(file)


def _srcset(files: list[Rendition], preview: bool) -> str:
    return ", ".join(f"{_url(f, preview)} {f.width}w" for f in files)
