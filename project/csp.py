"""Send a strict content security policy with the pages that hold it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
)
_ADMIN = re.compile(r"^/(?:[a-z]{2}(?:-[a-z]+)?/)?admin/")
_OURS = re.compile(r"^/(?:[a-z]{2}(?:-[a-z]+)?/)?admin/(?:imagegen/|$)")


class ContentSecurityPolicy:
    """Add the policy to public pages, to the admin's index and to the image app's own pages there.

    Left out are the rest of the admin and any page that carries the CMS toolbar: django CMS
    writes inline scripts and styles into its edit, preview and structure pages, so a policy
    without 'unsafe-inline' would break them, and one with it would promise nothing.
    Only staff are exempt: the CMS shows a sign-in bar to any visitor whose address asks for the
    toolbar, and a link must not be able to take the policy off a visitor's page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if holds_policy(request):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


def holds_policy(request: HttpRequest) -> bool:
    """Return whether nothing inline stands on the requested page."""
    if _ADMIN.match(request.path_info):
        return bool(_OURS.match(request.path_info))
    toolbar = getattr(request, "toolbar", None)
    if toolbar is None or not request.user.is_staff:
        return True
    return not toolbar.show_toolbar
