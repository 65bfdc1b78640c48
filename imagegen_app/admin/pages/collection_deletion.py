"""Delete a collection, after a page that says what goes with it and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.library import require_reader
from imagegen_app.admin.pages.library_parts import tile_of
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Collection
from imagegen_app.services.foundation import keyset
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import asset_filters, bulk_selection, collections, saved_views
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Images that the page shows of the collection.
_SHOWN = 12


class CollectionDeletionPage(Pages):
    """The page that asks before a collection is deleted; the collection is a parameter of its address."""

    base_template = "imagegen_app/admin/library/base.html"
    has_sidebar = False
    sidebar_url_name = "imagegen_library"

    def routes(self) -> list[Route]:
        return [Route("library/collection/delete/", self.delete, "imagegen_collection_delete")]

    def delete(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what goes and what stays; on POST delete the collection.

        :raises Http404: if there is no such collection that the person may see.
        """
        collection = _collection(request, actor)
        refusal: ActionRefused | None = None
        if request.method == "POST":
            try:
                collections.delete(actor=actor, collection=collection)
            except ActionRefused as error:
                refusal = error
            else:
                text = _(
                    "The collection “%(name)s” was deleted. Its images are still in the library."
                )
                messages.success(request, text % {"name": collection.name})
                return HttpResponseRedirect(admin_url("imagegen_library"))
        wanted = AssetFilter.from_text(f"collection={collection.pk}")
        assets = asset_filters.find(actor, wanted)
        rows = assets.select_related(
            "job__image_model", "job__template_version__template"
        ).prefetch_related("renditions")
        context = {
            "title": _("Delete the collection “%(name)s”?") % {"name": collection.name},
            "collection": collection,
            "may_delete": collections.may_change(actor, collection),
            "refusal": refusal,
            "count": keyset.count_rows(assets, most=bulk_selection.MAX_IMAGES),
            "tiles": [
                tile_of(one, reader=actor, carried={})
                for one in keyset.read_page(rows, size=_SHOWN).rows
            ],
            "views": [
                one.name
                for one in saved_views.views_of(actor)
                if AssetFilter.from_text(one.query).get("collection") == str(collection.pk)
            ],
            "back": f"{admin_url('imagegen_library')}?{wanted.as_query()}",
        }
        status = 200 if refusal is None else 422
        return self.page(
            request, "imagegen_app/admin/library/delete_collection.html", context, status=status
        )


def _collection(request: HttpRequest, actor: Person) -> Collection:
    try:
        require_reader(actor)
    except NotPermitted:
        raise Http404 from None
    source = request.POST if request.method == "POST" else request.GET
    key = content_fields.parse_key(Collection, str(source.get("collection", "")))
    found = collections.visible_collections(actor).filter(pk=key).first() if key else None
    if found is None:
        raise Http404
    return found
