"""Answer requests for files, with headers that let them be pictures and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
)
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from imagegen_app.services import delivery

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.services.delivery import Delivery


# The file's own policy says more than the frame option does.
@xframe_options_exempt
@require_safe
def public_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send a file of an approved asset."""
    try:
        found = delivery.open_public(name)
    except delivery.NoSuchFile:
        raise Http404 from None
    return _send(request, found)


@xframe_options_exempt
@require_safe
def signed_file(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """Send a file that a signed address names."""
    try:
        found = delivery.open_signed(token, name)
    except delivery.NoSuchFile:
        raise Http404 from None
    return _send(request, found)


def _send(request: HttpRequest, found: Delivery) -> HttpResponseBase:
    response: HttpResponseBase
    if request.headers.get("If-None-Match") == found.etag:
        found.file.close()
        response = HttpResponseNotModified()
    elif request.method == "HEAD":
        found.file.close()
        response = HttpResponse(content_type=found.media_type)
        response.headers["Content-Length"] = str(found.size)
    else:
        response = FileResponse(found.file, content_type=found.media_type)
        response.headers["Content-Length"] = str(found.size)
    kind = "attachment" if found.is_attachment else "inline"
    for header, value in (
        ("ETag", found.etag),
        ("Cache-Control", found.cache),
        ("Content-Disposition", f'{kind}; filename="{found.name}"'),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("Cross-Origin-Resource-Policy", "same-site"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ):
        response.headers[header] = value
    return response
