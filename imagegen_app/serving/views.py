"""Serve files of assets, with headers that prevent any use but as images.

Caches may keep public files, but ask each time whether they may still be shown: the bytes of a URL
never change, but an image may be withdrawn, and must then disappear at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import (
    FileResponse,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotFound,
    HttpResponseNotModified,
)
from django.utils.http import parse_etags
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from imagegen_app.services.gateways.storage import StorageFailed
from imagegen_app.services.library import delivery

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.services.library.delivery import Delivery

#: After a failure of the storage, when to ask again.
RETRY_SECONDS = 30
#: Sent with every response, also with 404 and 503.
_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Cookieless(HttpResponseBase):
    """A response without cookies, whatever the site's middleware sets: caches store only those."""

    def set_cookie(self, *_args: Any, **_kwargs: Any) -> None:
        """Set nothing."""


class _File(_Cookieless, FileResponse):
    """A whole file."""


class _Head(_Cookieless, HttpResponse):
    """The headers of a file, without its bytes."""


class _Unchanged(_Cookieless, HttpResponseNotModified):
    """The client's copy of the file is current."""


class _Unavailable(_Cookieless, HttpResponse):
    """The storage does not answer now; the same URL works later."""

    status_code = 503


class _Missing(_Cookieless, HttpResponseNotFound):
    """There is no such file for this visitor."""


# The content security policy of the file is stricter than the frame option.
@xframe_options_exempt
@require_safe
def public_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send a file of an approved asset."""
    try:
        return _send(request, delivery.open_public(name))
    except delivery.NoSuchFile:
        return _refuse(request)
    except StorageFailed:
        return _ask_to_retry()


@xframe_options_exempt
@require_safe
def signed_file(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """Send the file of a signed URL."""
    try:
        return _send(request, delivery.open_signed(token, name))
    except delivery.NoSuchFile:
        return _refuse(request)
    except StorageFailed:
        return _ask_to_retry()


def _send(request: HttpRequest, found: Delivery) -> HttpResponseBase:
    response: HttpResponseBase
    if _is_current_in_client(request, found):
        response = _Unchanged()
    else:
        size = found.size()
        if request.method == "HEAD":
            response = _Head(content_type=found.media_type)
        else:
            response = _File(found.open(), content_type=found.media_type)
        response.headers["Content-Length"] = str(size)
    kind = "attachment" if found.is_attachment else "inline"
    response.headers["ETag"] = found.etag
    response.headers["Cache-Control"] = found.cache
    response.headers["Content-Disposition"] = f'{kind}; filename="{found.name}"'
    for header, value in _ALWAYS.items():
        response.headers[header] = value
    return response


def _is_current_in_client(request: HttpRequest, found: Delivery) -> bool:
    # Weak comparison, as RFC 9110 requires here; middleware that compresses weakens the tag.
    held = {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}
    return bool(held & {found.etag, "*"})


def _ask_to_retry() -> HttpResponseBase:
    """Return a short 503 response that no cache keeps: the image is not gone."""
    response = _Unavailable(
        "The image cannot be read at present; try again in a minute.\n",
        content_type="text/plain; charset=utf-8",
    )
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    for header, value in _ALWAYS.items():
        response.headers[header] = value
    return response


def _refuse(request: HttpRequest) -> HttpResponseBase:
    """Return a short 404 response instead of the site's page: nobody sees it in place of an image."""
    # On a site with languages in its URLs, Django would turn a 404 into a redirect to the same
    # URL with a language prefix; our own URLs have none.
    request.urlconf = "imagegen_app.urls"
    response = _Missing("There is no such file.\n", content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    for header, value in _ALWAYS.items():
        response.headers[header] = value
    return response
