"""Decide how a file of an asset is reached, and open it for those who may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core import signing

from imagegen_app import conf

if TYPE_CHECKING:
    from imagegen_app.models import Asset, Rendition

_SALT = "imagegen.file"


def preview_address(asset: Asset, *, width: int = 320) -> str:
    """Return a signed address of the rendition nearest to a width, for people who may see it."""
    from django.urls import NoReverseMatch, reverse  # noqa: PLC0415 - replaced below

    best = _nearest(asset, width)
    key, sha256 = (asset.key, asset.sha256) if best is None else (best.key, best.sha256)
    token = signing.dumps(sha256, salt=_SALT)
    name = f"{sha256}.{key.rpartition('.')[2]}"
    try:
        return reverse("imagegen:signed_file", args=[token, name])
    except NoReverseMatch:
        return ""


def _nearest(asset: Asset, width: int) -> Rendition | None:
    found = [r for r in asset.renditions.all() if r.format == "webp"]
    larger = sorted((r for r in found if r.width >= width), key=lambda r: r.width)
    return larger[0] if larger else max(found, key=lambda r: r.width, default=None)


def seconds() -> int:
    """Return how long a signed address holds."""
    return conf.get().url_seconds
