"""Show assets to visitors: `{% load imagegen %}`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django import template

from imagegen_app import conf
from imagegen_app.models import Asset
from imagegen_app.services.library import pictures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

register = template.Library()
logger = logging.getLogger("imagegen.templates")


@register.inclusion_tag("imagegen_app/public/_picture.html")
def imagegen_picture(
    asset: Asset | None,
    *,
    alt: str | None = None,
    sizes: str = "100vw",
    lazy: bool = True,
    css_class: str = "",
    placeholder: bool = False,
    preview: bool = False,
    labelled: bool = False,
) -> dict[str, Any]:
    """Show a responsive image: AVIF, WebP, and JPEG for all others.

    Where the reviewer required the AI label, it follows the image; `labelled=True` says that the page
    shows it already. An asset that is not approved shows nothing, or a neutral box with `placeholder=True`. Why is
    logged at DEBUG, and said in a comment of the page where `settings.DEBUG` is on.
    """
    shown = (
        pictures.build_picture(asset, alt=alt, preview=preview)
        if isinstance(asset, Asset)
        else None
    )
    return {
        "picture": shown,
        "sizes": sizes,
        "lazy": lazy,
        "css_class": css_class,
        "placeholder": placeholder,
        "label": pictures.label_text(asset)
        if shown and not labelled and isinstance(asset, Asset) and asset.is_label_required
        else "",
        "hidden_reason": "" if shown else _log_hidden("imagegen_picture", asset),
    }


@register.simple_tag
def imagegen_url(asset: Asset | None, width: int = 1280, format: str = "jpeg") -> str:  # noqa: A002 - the word of the tag
    """Return a rendition's public URL, or an empty text for an asset that is not approved."""
    url = (
        pictures.image_url(asset, width=int(width), format=format)
        if isinstance(asset, Asset)
        else ""
    )
    if not url:
        _log_hidden("imagegen_url", asset)
    return url


def _log_hidden(tag: str, asset: object) -> str:
    """Log why a tag shows nothing; return it where visitors are developers."""
    reason = pictures.hidden_reason(asset)
    logger.debug("%s shows nothing: %s", tag, reason)
    return reason if conf.is_debug() else ""


@register.inclusion_tag("imagegen_app/public/_label.html")
def imagegen_label(asset: Asset | None, css_class: str = "") -> dict[str, Any]:
    """Show the visible label that an image was made or changed by AI."""
    text = pictures.label_text(asset) if isinstance(asset, Asset) else ""
    return {"label": text, "css_class": css_class}


@register.simple_tag
def imagegen_asset_for(target: Model | None, field: str) -> Asset | None:
    """Return the asset that is placed in an object's field, or None."""
    return None if target is None else pictures.placed_asset(target, field)


@register.inclusion_tag("imagegen_app/public/_label.html", takes_context=True)
def imagegen_label_for(
    context: Any,
    target: Model | None,
    field: str,
    *,
    css_class: str = "",
    among: Iterable[Model] | None = None,
) -> dict[str, Any]:
    """Show the label for an object's field if its image is one of our assets.

    In a list, pass the list as `among`: all its labels then need one query.
    """
    if among is not None and target is not None:
        key = f"imagegen-placed-{id(among)}-{field}"
        if key not in context.render_context:
            # The list is stored with the result: while it exists, no other list can have its id.
            context.render_context[key] = (among, pictures.placed_assets(among, field))
        placed = context.render_context[key][1]
        # An object that is not in the list is looked up by itself, so that it never lacks its label.
        if str(target.pk) in placed:
            return imagegen_label(placed[str(target.pk)], css_class=css_class)
    return imagegen_label(imagegen_asset_for(target, field), css_class=css_class)
