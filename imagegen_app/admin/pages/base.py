"""Base for admin pages that are not a model's list or form: URLs, permissions, rendering."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin.sites import AdminSite, site
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from imagegen_app.admin.parameters import prepare_views
from imagegen_app.forms import themes
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from imagegen_app.services.policy.access import ActionRefused

    #: Takes the request, the person who acts, and the values captured from the URL.
    PageView = Callable[..., HttpResponseBase]

_FRAME = "admin/base_site.html"
_EMBEDDED_FRAME = "imagegen_app/admin/embed.html"


class _RequestElsewhere:
    """The request as if it had come to another address; themes ask it for its user, too."""

    def __init__(self, request: HttpRequest, *, path: str) -> None:
        self._request = request
        self.path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def show_refusal(request: HttpRequest, refusal: ActionRefused) -> None:
    """Show why nothing was done: calmly, where an earlier press or another person has done it."""
    show = messages.info if refusal.is_already_done else messages.error
    show(request, str(refusal))


@dataclass(frozen=True)
class Route:
    """One URL: its path, its view, its name, and the permission that it requires."""

    path: str
    view: PageView
    name: str
    #: Empty: the view checks permissions by itself, because they depend on the object.
    permission: str = ""
    #: Answer 404 instead of 403 to people without the permission.
    is_hidden: bool = False
    is_post_only: bool = False


class Pages(ABC):
    """Several pages of one subject, added to the URLs of an admin site.

    A view is called with the request, the person who acts, and the values captured from the URL.
    """

    #: The template that the pages of this subject extend, also when a request is refused.
    base_template: ClassVar[str] = "imagegen_app/admin/page.html"
    #: Whether Django's navigation is shown beside the pages.
    has_sidebar: ClassVar[bool] = True
    #: Name of the URL whose entry is highlighted in the navigation; Django goes by the path of the
    #: request, which is below that of the jobs for all of these pages. Empty: none is highlighted.
    sidebar_url_name: ClassVar[str] = ""
    #: Whether pages of the same site may embed these in a frame, without the admin's header.
    is_embeddable: ClassVar[bool] = False

    def __init__(self, admin_site: AdminSite = site) -> None:
        self.site = admin_site

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the URLs of this class."""

    def urls(self) -> list[URLPattern]:
        """Return the URL patterns, wrapped by the admin site: staff only, never cached."""
        return prepare_views(
            (
                path(route.path, self.site.admin_view(self._wrapped(route)), name=route.name)
                for route in self.routes()
            ),
            site=self.site,
        )

    def _wrapped(self, route: Route) -> PageView:
        @wraps(route.view)
        def view(request: HttpRequest, **values: Any) -> HttpResponseBase:
            actor = access.actor_for(request.user)
            if route.permission:
                try:
                    access.require_permission(actor, route.permission)
                except NotPermitted as refusal:
                    if route.is_hidden:
                        raise Http404 from None
                    return self.refused(request, refusal, status=403)
            return route.view(request, actor, **values)

        wrapped: PageView = require_POST(view) if route.is_post_only else view
        return xframe_options_sameorigin(wrapped) if self.is_embeddable else wrapped

    def shared_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the context that all pages of this class share; subclasses may add to it."""
        embedded = self.is_embeddable and request.GET.get("embed") == "1"
        context: dict[str, Any] = {
            **self.site.each_context(request),
            "embedded": embedded,
            "frame": _EMBEDDED_FRAME if embedded else _FRAME,
            "sidebar": _RequestElsewhere(
                request, path=admin_url(self.sidebar_url_name) if self.sidebar_url_name else ""
            ),
        }
        if not self.has_sidebar and not themes.is_unfold():
            context["is_nav_sidebar_enabled"] = False
        return context

    def page(
        self,
        request: HttpRequest,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
    ) -> HttpResponse:
        """Render a whole page; the context must contain its title."""
        merged = {**self.shared_context(request), **context}
        return TemplateResponse(request, template, merged, status=status)

    def refused(self, request: HttpRequest, refusal: ActionRefused, *, status: int) -> HttpResponse:
        """Render a page with the refusal's message, reason and remedy."""
        context = {
            "title": refusal.message,
            "refusal": refusal,
            "base_template": self.base_template,
        }
        return self.page(request, "imagegen_app/admin/refused.html", context, status=status)

    def fragment(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], *, etag: str
    ) -> HttpResponse:
        """Answer a poll with the changing part of a page, or with 304 if the ETag still matches."""
        quoted = f'"{etag}"'
        if request.headers.get("If-None-Match") == quoted:
            return HttpResponseNotModified(headers={"ETag": quoted})
        return TemplateResponse(request, template, {**context}, headers={"ETag": quoted})
