"""Decide how a file of an asset is reached, and open it for those who may have it.

Public addresses name a file by its hash and work only while the asset is approved: each request
asks again, so that withdrawing takes an image down everywhere. Signed addresses show files that are
not public; they are made for people who were checked, and soon expire.

Files are streamed through Django from whatever storage the site uses, a remote one included; the
storage stays private. Sending visitors on to the storage's own signed addresses is not done yet.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from django.core import signing
from django.urls import reverse

from imagegen_app import conf
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Rendition
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor

_SALT = "imagegen.file"
#: What we serve inline; all else is a download of unknown bytes.
MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
#: Short, since a withdrawn image must vanish from caches soon.
PUBLIC_CACHE = "public, max-age=300, must-revalidate"
PRIVATE_CACHE = "private, max-age=0, must-revalidate"
#: No signed address lives longer, whatever `SIGNED_URL_SECONDS` says.
MAX_SIGNED_URL_SECONDS = 900
_HASH_CHARS = 64


class NoSuchFile(LookupError):
    """There is no such file, or it may not be shown; which of both is not told."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that may be sent, and how; its bytes are not touched before they are wanted."""

    key: str
    media_type: str
    name: str
    is_attachment: bool
    etag: str
    cache: str

    def open(self) -> IO[bytes]:
        """Open the file.

        :raises NoSuchFile: if the storage has lost it.
        """
        try:
            file: IO[bytes] = storage.image_storage().open(self.key, "rb")
        except OSError:
            raise NoSuchFile from None
        return file

    def size(self) -> int:
        """Return the file's length in bytes.

        :raises NoSuchFile: if the storage has lost it.
        """
        try:
            return storage.image_storage().size(self.key)
        except OSError:
            raise NoSuchFile from None


def public_url(file: Asset | Rendition) -> str:
    """Return the public address of a file; it works only while its asset is approved."""
    return reverse("imagegen:file", args=[_name(file.sha256, file.storage_key)])


def preview_url(asset: Asset, *, width: int = 320) -> str:
    """Return a signed address of the rendition that fits a width, for people who may see it."""
    return signed_url(best_rendition(asset, width=width) or asset)


def signed_url(file: Asset | Rendition) -> str:
    """Return a signed address of a file; whoever holds it sees the file until it expires."""
    name = _name(file.sha256, file.storage_key)
    return reverse(
        "imagegen:signed_file", args=[_sign(name, kind="inline", key=file.storage_key), name]
    )


@use_case()
def original_url(*, actor: Actor, asset: Asset) -> str:
    """Return a signed address that downloads the provider's own bytes, and record it.

    :raises NotPermitted: without the permission to download originals.
    """
    access.require_permission(actor, "download_original")
    event_log.record(
        actor,
        "asset.downloaded",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"sha256": asset.original_sha256, "kind": "original"},
    )
    name = _name(asset.original_sha256, asset.original_storage_key)
    token = _sign(name, kind="original", key=asset.original_storage_key)
    return reverse("imagegen:signed_file", args=[token, name])


def best_rendition(
    asset: Asset, *, width: int, formats: Iterable[str] = ("webp", "jpeg")
) -> Rendition | None:
    """Return the smallest rendition that is at least as wide, or the widest there is."""
    wanted = set(formats)
    found = sorted((r for r in asset.renditions.all() if r.format in wanted), key=lambda r: r.width)
    return next((r for r in found if r.width >= width), found[-1] if found else None)


def open_public(name: str) -> Delivery:
    """Find a file of an approved asset; asked again at every request, in two queries at most.

    :raises NoSuchFile: if there is none, or it may not be shown.
    """
    sha256, extension = _split(name)
    rendition = (
        Rendition.objects.filter(sha256=sha256, asset__review_state=ReviewState.APPROVED.value)
        .values_list("storage_key", flat=True)
        .first()
    )
    key = rendition or (
        Asset.objects.showable().filter(sha256=sha256).values_list("storage_key", flat=True).first()
    )
    if key is None or key.rpartition(".")[2] != extension:
        raise NoSuchFile
    return _delivery(key, name, is_attachment=False, cache=PUBLIC_CACHE)


def open_signed(token: str, name: str) -> Delivery:
    """Find the file that a signed address names; no query, since the signature says it all.

    :raises NoSuchFile: if the address is forged, expired or for another file.
    """
    _split(name)
    try:
        data: Any = signing.loads(
            token, salt=_SALT, max_age=min(conf.get().signed_url_seconds, MAX_SIGNED_URL_SECONDS)
        )
        signed, kind, key = str(data["name"]), str(data["kind"]), str(data["key"])
    except (signing.BadSignature, KeyError, TypeError):
        raise NoSuchFile from None
    if not hmac.compare_digest(signed.encode(), name.encode()):
        raise NoSuchFile
    return _delivery(key, name, is_attachment=kind != "inline", cache=PRIVATE_CACHE)


def _sign(name: str, *, kind: str, key: str) -> str:
    return signing.dumps({"name": name, "kind": kind, "key": key}, salt=_SALT)


def _name(sha256: str, key: str) -> str:
    return f"{sha256}.{key.rpartition('.')[2]}"


def _split(name: str) -> tuple[str, str]:
    sha256, _dot, extension = name.partition(".")
    is_hash = len(sha256) == _HASH_CHARS and not set(sha256) - set("0123456789abcdef")
    if not is_hash or not extension.isalnum():
        raise NoSuchFile
    return sha256, extension


def _delivery(key: str, name: str, *, is_attachment: bool, cache: str) -> Delivery:
    extension = name.rpartition(".")[2]
    inline = not is_attachment and extension in MEDIA_TYPES
    return Delivery(
        key=key,
        media_type=MEDIA_TYPES[extension] if inline else "application/octet-stream",
        name=name,
        is_attachment=not inline,
        etag=f'"{name.partition(".")[0]}"',
        cache=cache,
    )
