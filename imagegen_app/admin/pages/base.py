"""Give the pages of the admin that are no table one base: addresses, permission, rendering."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin.sites import AdminSite, site
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest

    from imagegen_app.services.policy.access import ActionRefused

    #: Takes the request, the person who acts, and what the address holds.
    PageView = Callable[..., HttpResponse]

_FRAME = "admin/base_site.html"
_EMBEDDED_FRAME = "imagegen_app/admin/embed.html"


@dataclass(frozen=True)
class Route:
    """The address of one page: its path, its view, its name, and who may see it."""

    path: str
    view: PageView
    name: str
    #: Without it a page asks for what it needs by itself, because that depends on its object.
    permission: str = ""
    #: Whether the page is not there (404) for who lacks the permission, instead of refused (403).
    is_hidden: bool = False
    is_post_only: bool = False


class Pages(ABC):
    """Several pages of one subject, hung into an admin site.

    A view is called with the request, the person who acts, and the values of its address.
    """

    #: The template that the pages of this subject extend; a refusal is shown in it, too.
    base_template: ClassVar[str] = "imagegen_app/admin/page.html"
    #: Whether Django's navigation is shown beside the pages.
    has_sidebar: ClassVar[bool] = True
    #: Whether pages of the same site may show these in a frame, without the admin's header.
    is_embeddable: ClassVar[bool] = False

    def __init__(self, admin_site: AdminSite = site) -> None:
        self.site = admin_site

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the addresses of the pages; each class lists its own."""

    def urls(self) -> list[URLPattern]:
        """Return the patterns for the admin site, which lets staff in alone and caches nothing."""
        return [
            path(route.path, self.site.admin_view(self._wrapped(route)), name=route.name)
            for route in self.routes()
        ]

    def _wrapped(self, route: Route) -> PageView:
        @wraps(route.view)
        def view(request: HttpRequest, **values: Any) -> HttpResponse:
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
        """Return what every page of this class shows; a class may add to it."""
        embedded = self.is_embeddable and request.GET.get("embed") == "1"
        context: dict[str, Any] = {
            **self.site.each_context(request),
            "embedded": embedded,
            "frame": _EMBEDDED_FRAME if embedded else _FRAME,
        }
        if not self.has_sidebar:
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
        """Answer with a whole page of the site; the context holds its title."""
        merged = {**self.shared_context(request), **context}
        return TemplateResponse(request, template, merged, status=status)

    def refused(self, request: HttpRequest, refusal: ActionRefused, *, status: int) -> HttpResponse:
        """Answer with a page that says what was refused, why, and what helps."""
        context = {
            "title": refusal.message,
            "refusal": refusal,
            "base_template": self.base_template,
        }
        return self.page(request, "imagegen_app/admin/refused.html", context, status=status)

    def fragment(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], *, etag: str
    ) -> HttpResponse:
        """Answer a poll with the part of a page that changes, or with 304 if it has not changed."""
        quoted = f'"{etag}"'
        if request.headers.get("If-None-Match") == quoted:
            return HttpResponseNotModified(headers={"ETag": quoted})
        return TemplateResponse(request, template, {**context}, headers={"ETag": quoted})
