"""The library: all images that a person may see, with filters, and a chooser made of the same grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.carried import chosen_for
from imagegen_app.admin.pages.library_parts import (
    active_filters,
    built_in_views,
    colours,
    facets,
    tile_of,
)
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Collection, SavedView
from imagegen_app.services.foundation import keyset
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import asset_filters, bulk_selection, collections, saved_views
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person

#: Divides by 2, 3, 4, 5, 6 and 10: no page ends within a row.
PAGE_SIZE = 60


class LibraryPages(Pages):
    """The library and its saved views."""

    base_template = "imagegen_app/admin/library/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [
            Route("library/", self.library, "imagegen_library"),
            Route("library/page/", self.more, "imagegen_library_page", is_hidden=True),
            Route("library/views/", self.views, "imagegen_library_views", is_post_only=True),
        ]

    def library(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show a page of images with filters, saved views and months."""
        _require_reader_or_404(actor)
        wanted = AssetFilter.from_query(request.GET)
        shown = self._shown(request, actor, wanted)
        assets, page = shown["assets"], shown["page"]
        is_chooser = bool(shown["carried"])
        offered = facets(actor, wanted)
        context = {
            "title": _("Choose an image") if is_chooser else _("Library"),
            **shown,
            "wanted": wanted,
            "is_chooser": is_chooser,
            "count": keyset.count_newest(assets, page),
            "facets": offered,
            "colours": colours(wanted),
            "active": active_filters(offered, wanted),
            "builtin": built_in_views(actor, wanted),
            "saved": [
                {"view": view, "is_current": view.query == wanted.as_query()}
                for view in saved_views.views_of(actor)
            ],
            "months": asset_filters.months_between(assets)
            if page.has_newer or page.has_older
            else [],
            "signed": bulk_selection.sign_filter(actor=actor, query=wanted.as_query()),
            "own_collection": None if is_chooser else _own_collection(actor, wanted),
            "may_approve": access.has_permission(actor, "approve_asset"),
            "may_export": access.has_permission(actor, "export_audit"),
        }
        return self.page(request, "imagegen_app/admin/library/page.html", context)

    def more(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Return one more page of images, as the library itself shows it."""
        _require_reader_or_404(actor)
        context = self._shown(request, actor, AssetFilter.from_query(request.GET))
        return TemplateResponse(request, "imagegen_app/admin/library/_page.html", context)

    def views(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Keep the filter of the page under a name, or forget one."""
        wanted = AssetFilter.from_text(str(request.POST.get("query", "")))
        try:
            if key := str(request.POST.get("remove", "")):
                number = content_fields.parse_key(SavedView, key)
                view = get_object_or_404(SavedView, pk=number, owner=actor.user)
                saved_views.remove(actor=actor, view=view)
                messages.success(request, _("The view was removed."))
            else:
                saved_views.save(actor=actor, name=str(request.POST.get("name", "")), wanted=wanted)
                messages.success(request, _("The view was saved."))
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        return HttpResponseRedirect(f"{admin_url('imagegen_library')}?{wanted.as_query()}")

    def _shown(self, request: HttpRequest, actor: Person, wanted: AssetFilter) -> dict[str, Any]:
        carried = chosen_for(request)
        assets = asset_filters.find(actor, wanted, for_use=bool(carried))
        rows = assets.select_related(
            "job__image_model", "job__template_version__template"
        ).prefetch_related("renditions")
        page = keyset.read_page(
            rows,
            size=PAGE_SIZE,
            after=str(request.GET.get("after", "")),
            before=str(request.GET.get("before", "")),
        )
        query = "&".join(part for part in (wanted.as_query(), urlencode(carried)) if part)
        return {
            "assets": assets,
            "page": page,
            "tiles": [tile_of(asset, reader=actor, carried=carried) for asset in page.rows],
            "carried": carried,
            "query": query,
            "joined": f"{query}&" if query else "",
        }


def _own_collection(actor: Person, wanted: AssetFilter) -> Collection | None:
    """Return the collection that the filter shows, if the person may delete it."""
    key = wanted.get("collection")
    found = collections.visible_collections(actor).filter(pk=key).first() if key else None
    return found if found is not None and collections.may_change(actor, found) else None


def _require_reader_or_404(actor: Person) -> None:
    try:
        require_reader(actor)
    except ActionRefused:
        raise Http404 from None


def require_reader(actor: Person) -> None:
    """Require that a person may see images at all: all of them, or their own.

    :raises NotPermitted: if not.
    """
    if not access.has_permission(actor, "request_job"):
        access.require_permission(actor, "view_asset")
