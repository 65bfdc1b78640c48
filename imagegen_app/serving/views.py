"""Answer requests for files, with headers that let them be images and nothing else.

Public files may be cached for five minutes and must then be asked for again: a hash never changes
its bytes, but whether it may be shown can, and a withdrawn image has to vanish from caches soon.
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

from imagegen_app.services.library import delivery

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.services.library.delivery import Delivery

#: Holds for refusals too.
_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Cookieless(HttpResponseBase):
    """Carry no cookie, whatever the site's middleware adds: caches keep what has none."""

    def set_cookie(self, *_args: Any, **_kwargs: Any) -> None:
        """Set nothing."""


class _File(_Cookieless, FileResponse):
    """A whole file."""


class _Head(_Cookieless, HttpResponse):
    """What is known of a file, without its bytes."""


class _Unchanged(_Cookieless, HttpResponseNotModified):
    """The visitor has the file."""


class _Missing(_Cookieless, HttpResponseNotFound):
    """There is no such file for this visitor."""


# The file's own policy says more than the frame option does.
@xframe_options_exempt
@require_safe
def public_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send a file of an approved asset."""
    try:
        return _send(request, delivery.open_public(name))
    except delivery.NoSuchFile:
        return _refuse(request)


@xframe_options_exempt
@require_safe
def signed_file(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """Send a file that a signed address names."""
    try:
        return _send(request, delivery.open_signed(token, name))
    except delivery.NoSuchFile:
        return _refuse(request)


def _send(request: HttpRequest, found: Delivery) -> HttpResponseBase:
    response: HttpResponseBase
    if _has_it(request, found):
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


def _has_it(request: HttpRequest, found: Delivery) -> bool:
    # Compared weakly, as RFC 9110 wants it here; middleware that compresses weakens the tag.
    held = {tag.removeprefix("W/") for tag in parse_etags(request.headers.get("If-None-Match", ""))}
    return bool(held & {found.etag, "*"})


def _refuse(request: HttpRequest) -> HttpResponseBase:
    """Answer shortly: nobody reads a page of the site in the place of an image."""
    # Where the site's addresses carry languages, Django would answer a 404 by a redirect to the
    # same address with a language before it; among our own addresses there are none.
    request.urlconf = "imagegen_app.urls"
    response = _Missing("There is no such file.\n", content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    for header, value in _ALWAYS.items():
        response.headers[header] = value
    return response
