"""The AI history of one object of the site: the images it held, and those that were made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import FieldDoesNotExist
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.forms.admin_urls import find_admin_url
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import delivery, object_history

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset

_WIDTH = 320


class ObjectHistoryPage(Pages):
    """The page of an object's history; the object and its field are parameters of the address."""

    sidebar_url_name = "imagegen_asset_changelist"

    def routes(self) -> list[Route]:
        return [Route("objects/history/", self.history, "imagegen_object_history")]

    def history(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what is known of an object's AI images."""
        model = object_history.model_by_path(str(request.GET.get("target", "")))
        if model is None:
            raise Http404
        shown = self._object(request, model)
        found = object_history.history_of(actor, shown)
        meta = model._meta  # noqa: SLF001 - Django's documented API
        context = {
            "title": _("AI history of “%(object)s”") % {"object": shown},
            "kind": capfirst(str(meta.verbose_name)),
            "object": shown,
            "object_url": _object_url(self.site.name, shown),
            "placements": [
                {"placement": one, "field": _field(shown, one.field), **_picture(one.asset)}
                for one in found.placements
            ],
            "unplaced": [_picture(one) for one in found.unplaced],
            "is_partial": found.is_partial,
        }
        return self.page(request, "imagegen_app/admin/results/history.html", context)

    def _object(self, request: HttpRequest, model: type[Model]) -> Any:
        """Return the object as its own admin shows it to the person.

        :raises Http404: if there is none, or its admin does not show it.
        """
        key = content_fields.parse_key(model, str(request.GET.get("object", "")))
        try:
            model_admin = self.site.get_model_admin(model)
        except NotRegistered:
            raise Http404 from None
        found = None if key is None else model_admin.get_queryset(request).filter(pk=key).first()
        if found is None or not model_admin.has_view_or_change_permission(request, found):
            raise Http404
        return found


def _object_url(site: str, shown: Any) -> str:
    """Return where the object is edited: in an editor of its own, such as that of a page, or its form."""
    meta = shown._meta  # noqa: SLF001 - Django's documented API
    name = f"{site}:{meta.app_label}_{meta.model_name}_change"
    return object_history.edit_url(shown) or reverse(name, args=[shown.pk])


def _picture(asset: Asset) -> dict[str, Any]:
    return {
        "asset": asset,
        "url": delivery.preview_url(asset, width=_WIDTH),
        "page": find_admin_url("imagegen_studio_result", asset.pk),
    }


def _field(shown: Any, name: str) -> str:
    try:
        return str(capfirst(str(shown._meta.get_field(name).verbose_name)))  # noqa: SLF001 - Django's documented API
    except (FieldDoesNotExist, AttributeError):
        # It was renamed or removed since, or is a place of a page.
        return name
