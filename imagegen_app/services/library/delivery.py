"""Build the URLs of an asset's files, and open the files behind them.

Public URLs name a file by its hash and work only while the asset is approved: the state is checked
at each request, so that withdrawing an image takes it down everywhere. Signed URLs show files that
are not public; the caller checks the person before it makes one, and it expires soon, or when the
image is withdrawn: whoever may still see it then gets a new one.

Files are streamed through Django from the site's storage, which stays private and may be remote.
Redirects to the storage's own signed URLs are not implemented.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

from django.core import signing
from django.templatetags.static import static
from django.urls import reverse

from imagegen_app import conf
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Asset, Rendition
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import access, closed_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import JobInput

_SALT = "imagegen.file"
#: Served inline, by file extension; every other file is a download of unknown type.
MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
#: Caches may keep the bytes, and ask each time whether the image may still be shown; the answer
#: is mostly 304. Otherwise a withdrawn image would stay in browsers.
PUBLIC_CACHE = "public, max-age=0, must-revalidate"
#: Where the site empties its shared caches on a withdrawal, they need not ask each time. Still
#: short, since emptying them may fail.
PURGED_CACHE = "public, max-age=0, must-revalidate, s-maxage=300"
PRIVATE_CACHE = "private, max-age=0, must-revalidate"
#: Upper limit for the lifetime of signed URLs, whatever `SIGNED_URL_SECONDS` says.
MAX_SIGNED_URL_SECONDS = 900
#: The static file that stands in place of what nobody may see.
CLOSED_IMAGE = "imagegen_app/img/closed.svg"
_HASH_CHARS = 64


class NoSuchFile(LookupError):
    """There is no such file, or it may not be shown; the two look alike on purpose."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that may be sent, and its headers; it is opened only when its bytes are needed."""

    key: str
    media_type: str
    name: str
    is_attachment: bool
    etag: str
    cache: str

    def open(self) -> IO[bytes]:
        """Open the file.

        Its first byte is read, since many storages fetch the bytes only then: afterwards the
        headers are on their way, and a failure could only break off the answer.

        :raises NoSuchFile: if the storage does not have it.
        :raises StorageFailed: if the storage fails.
        """
        try:
            file = storage.image_storage().open(self.key)
        except storage.FileMissing:
            raise NoSuchFile from None
        try:
            file.read(1)
            file.seek(0)
        except storage.StorageFailed:
            file.close()
            raise
        return file

    def size(self) -> int:
        """Return the file's length in bytes.

        :raises NoSuchFile: if the storage does not have it.
        :raises StorageFailed: if the storage fails.
        """
        try:
            return storage.image_storage().size(self.key)
        except storage.FileMissing:
            raise NoSuchFile from None


def public_url(file: Asset | Rendition) -> str:
    """Return the public URL of a file; it works only while its asset is approved."""
    return reverse("imagegen:file", args=[_name(file.sha256, file.storage_key)])


def preview_url(asset: Asset, *, width: int = 320) -> str:
    """Return a signed URL of the rendition for a width in pixels; check the person first.

    In place of an image that was closed for good, that of a grey square.
    """
    if asset.hard_category:
        return static(CLOSED_IMAGE)
    return signed_url(best_rendition(asset, width=width) or asset)


def signed_url(file: Asset | Rendition) -> str:
    """Return a signed URL of a file; whoever has it sees the file until it expires."""
    asset = file if isinstance(file, Asset) else file.asset
    name = _name(file.sha256, file.storage_key)
    token = _sign(name, kind="inline", key=file.storage_key, asset=asset)
    return reverse("imagegen:signed_file", args=[token, name])


def input_url(entry: JobInput, *, result: Asset) -> str:
    """Return a signed URL of an input image, as it was sent, for people who may see its result.

    It expires as the result's own does. For an image of the library, that of its preview.
    """
    if entry.asset is not None:
        return preview_url(entry.asset)
    if result.hard_category:
        return static(CLOSED_IMAGE)
    name = _name(entry.storage_key.rpartition("/")[2].partition(".")[0], entry.storage_key)
    token = _sign(name, kind="inline", key=entry.storage_key, asset=result)
    return reverse("imagegen:signed_file", args=[token, name])


@use_case()
def original_url(*, actor: Actor, asset: Asset) -> str:
    """Return a signed URL that downloads the provider's original bytes, and record the download.

    :raises NotPermitted: without the permission to download originals.
    :raises ClosedForGood: if it was found in a hard category.
    """
    access.require_permission(actor, "download_original")
    return _download(actor, asset, "original", asset.original_sha256, asset.original_storage_key)


@use_case()
def download_url(*, actor: Actor, asset: Asset) -> str:
    """Return a signed URL that downloads the published file, which bears the credentials; record it.

    :raises NotPermitted: if the actor may not see the asset.
    :raises ClosedForGood: if it was found in a hard category.
    """
    chooser.require_visible(actor, asset)
    return _download(actor, asset, "published", asset.sha256, asset.storage_key)


def _download(actor: Actor, asset: Asset, kind: str, sha256: str, key: str) -> str:
    closed_content.require_open_asset(asset)
    event_log.record(
        actor,
        "asset.downloaded",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"sha256": sha256, "kind": kind},
    )
    name = _name(sha256, key)
    return reverse(
        "imagegen:signed_file", args=[_sign(name, kind=kind, key=key, asset=asset), name]
    )


def best_rendition(
    asset: Asset, *, width: int, formats: Iterable[str] = ("webp", "jpeg")
) -> Rendition | None:
    """Return the smallest rendition at least as wide as `width` pixels, or else the widest.

    None where the asset has no rendition in these formats.
    """
    wanted = set(formats)
    candidates = sorted(
        (r for r in asset.renditions.all() if r.format in wanted), key=lambda r: r.width
    )
    widest = candidates[-1] if candidates else None
    return next((r for r in candidates if r.width >= width), widest)


def open_public(name: str) -> Delivery:
    """Find the file that a public URL names, with at most two queries.

    :raises NoSuchFile: if there is none, or its asset is not approved.
    """
    sha256, extension = _split(name)
    rendition = (
        Rendition.objects.filter(sha256=sha256, asset__in=Asset.objects.showable())
        .values_list("storage_key", flat=True)
        .first()
    )
    key = rendition or (
        Asset.objects.showable().filter(sha256=sha256).values_list("storage_key", flat=True).first()
    )
    if key is None or key.rpartition(".")[2] != extension:
        raise NoSuchFile
    cache = PURGED_CACHE if conf.get().purge else PUBLIC_CACHE
    return _delivery(key, name, is_attachment=False, cache=cache)


def open_signed(token: str, name: str) -> Delivery:
    """Find the file that a signed URL names, with one query.

    :raises NoSuchFile: if the token is forged, expired or for another file, or its asset was
        withdrawn since it was signed, or found in a hard category.
    """
    _split(name)
    try:
        data: Any = signing.loads(
            token, salt=_SALT, max_age=min(conf.get().signed_url_seconds, MAX_SIGNED_URL_SECONDS)
        )
        signed_name, kind, key = str(data["name"]), str(data["kind"]), str(data["key"])
        asset_id, withdrawal = UUID(str(data["asset"])), str(data["withdrawal"])
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise NoSuchFile from None
    if not hmac.compare_digest(signed_name.encode(), name.encode()):
        raise NoSuchFile
    columns = ("review_state", "reviewed_at", "hard_category")
    asset = Asset.objects.only(*columns).filter(pk=asset_id).first()
    if asset is None or asset.hard_category or _withdrawal(asset) not in ("", withdrawal):
        raise NoSuchFile
    return _delivery(key, name, is_attachment=kind != "inline", cache=PRIVATE_CACHE)


def _sign(name: str, *, kind: str, key: str, asset: Asset) -> str:
    data = {
        "name": name,
        "kind": kind,
        "key": key,
        "asset": str(asset.pk),
        "withdrawal": _withdrawal(asset),
    }
    return signing.dumps(data, salt=_SALT)


def _withdrawal(asset: Asset) -> str:
    """Return a text that is different for each withdrawal of an asset; empty if it is not withdrawn."""
    if asset.review_state != ReviewState.WITHDRAWN.value:
        return ""
    return "-" if asset.reviewed_at is None else f"{asset.reviewed_at.timestamp():.6f}"


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
