"""Renditions and placements in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.admin import paging
from imagegen_app.admin.base import EMPTY, link, two_lines
from imagegen_app.admin.owned import OwnedRecordAdmin
from imagegen_app.admin.saved_views import SavedView
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Placement, Rendition
from imagegen_app.services.library import placement, summary

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


class UsedKinds(admin.RelatedFieldListFilter):
    """Filters by kinds of content that hold images: a site has dozens of others."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, Any]]:
        rows = model_admin.get_queryset(request)
        # Their keys, and no subquery, as Django's own filter has: the site may read its kinds of content
        # from another database than our rows.
        keys = list(rows.order_by().values_list("content_type", flat=True).distinct())
        ordering = self.field_admin_ordering(field, request, model_admin)
        found: list[tuple[str, Any]] = field.get_choices(
            include_blank=False, limit_choices_to={"pk__in": keys}, ordering=ordering
        )
        return found


@admin.register(Rendition)
class RenditionAdmin(OwnedRecordAdmin):
    """Renditions: files derived from an asset in a size and format."""

    owner = "asset__job__requester"
    list_display = ["asset", "format", "width", "height", "size", "created_at"]
    named = ["asset"]
    list_filter = ["format"]
    list_select_related = ["asset"]
    search_fields = ["sha256"]
    ordering = ["-pk"]
    allowed_lookups = ["asset"]
    fields = ["asset", "format", "width", "height", "byte_size", "sha256", "created_at"]

    @admin.display(description=gettext_lazy("size"), ordering="byte_size")
    def size(self, obj: Rendition) -> str:
        """Return the size of the file."""
        return filesizeformat(obj.byte_size)


@admin.register(Placement)
class PlacementAdmin(OwnedRecordAdmin):
    """Where images are used."""

    list_title = gettext_lazy("Where images are used")
    owner = "asset__job__requester"
    list_display = ["object_and_field", "asset", "placed_by_name", "placed_at", "removed_at"]
    named = ["asset"]
    saved_views = (
        SavedView(gettext_lazy("In use"), {"removed_at__isempty": "1"}),
        SavedView(gettext_lazy("Removed"), {"removed_at__isempty": "0"}),
    )
    list_filter = [("removed_at", paging.Empty), ("content_type", UsedKinds)]
    list_select_related = ["asset", "placed_by", "content_type"]
    search_fields = ["object_label", "object_id"]
    people = ["placed_by"]
    ordering = ["-placed_at"]
    allowed_lookups = ["asset"]
    actions = ["remove"]
    fields = [
        "object_label",
        "content_type",
        "field",
        "asset_link",
        "placed_by",
        "placed_at",
        "removed_at",
    ]

    @admin.display(description=gettext_lazy("where"), ordering="object_label")
    def object_and_field(self, obj: Placement) -> SafeString:
        """Return the object, its kind and its field."""
        return two_lines(obj.object_label, f"{capfirst(obj.content_type.name)}, {obj.field}")

    @admin.display(description=gettext_lazy("placed by"), ordering="placed_by")
    def placed_by_name(self, obj: Placement) -> str:
        """Return the name of who placed it."""
        return summary.display_name(obj.placed_by, EMPTY)

    @admin.display(description=gettext_lazy("image"))
    def asset_link(self, obj: Placement) -> SafeString:
        """Return a link to the image."""
        return link(admin_url("imagegen_asset_change", obj.asset_id), obj.asset)

    def has_place_permission(self, request: HttpRequest) -> bool:
        """Return whether the person may place images."""
        return bool(request.user.has_perm("imagegen.place_asset"))

    @admin.action(description=gettext_lazy("Remove from content"), permissions=["place"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Placement]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda actor, row: placement.detach(actor=actor, placement=row),
            done=lambda n: (
                ngettext("%(n)s image was removed.", "%(n)s images were removed.", n) % {"n": n}
            ),
        )
