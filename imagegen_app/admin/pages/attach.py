"""Place one image on an object of the site, chosen among those that the person may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.exceptions import NotRegistered
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import chooser, delivery, placement
from imagegen_app.services.policy.access import ActionRefused, NotPermitted

if TYPE_CHECKING:
    import uuid

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Objects listed on one page; a search finds the others.
OFFERED = 30


class AttachPage(Pages):
    """The page that places an image on an object."""

    sidebar_url_name = "imagegen_asset_changelist"

    def routes(self) -> list[Route]:
        return [
            Route(
                "assets/<uuid:pk>/attach/",
                self.attach,
                "imagegen_asset_attach",
                permission="place_asset",
                is_hidden=True,
            )
        ]

    def attach(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Choose a field and an object, and place the image there."""
        asset = get_object_or_404(
            Asset.objects.select_related("job").prefetch_related("renditions"), pk=pk
        )
        try:
            chooser.require_visible(actor, asset)
        except NotPermitted:
            raise Http404 from None
        offered = self._targets(request)
        source = request.POST if request.method == "POST" else request.GET
        wanted = str(source.get("target", ""))
        target = next((t for t in offered if t.path == wanted), offered[0] if offered else None)
        refusal: ActionRefused | None = None
        problem = ""
        if request.method == "POST" and "place" in request.POST and target is not None:
            chosen = (
                self._objects(request, target, "")
                .filter(pk=content_fields.parse_key(target.model, request.POST.get("object", "")))
                .first()
            )
            if chosen is None:
                problem = _("Choose the object that the image belongs to.")
            else:
                try:
                    placement.attach(actor=actor, asset=asset, target=chosen, field=target.field)
                except ActionRefused as error:
                    refusal = error
                else:
                    return self._done(request, target, chosen, pk)
        term = str(source.get("q", ""))[:100]
        found = [] if target is None else list(self._objects(request, target, term)[: OFFERED + 1])
        context: dict[str, Any] = {
            "title": _("Place this image"),
            "asset": asset,
            "preview": delivery.preview_url(asset, width=640),
            "targets": [(t, _name(t)) for t in offered],
            "target": target,
            "objects": found[:OFFERED],
            "there_are_more": len(found) > OFFERED,
            "term": term,
            "refusal": refusal,
            "problem": problem,
            "is_approved": asset.review_state == ReviewState.APPROVED.value,
        }
        status = 200 if refusal is None else 422
        return self.page(request, "imagegen_app/admin/records/attach.html", context, status=status)

    def _admin(self, target: content_fields.Target) -> ModelAdmin[Any] | None:
        try:
            return self.site.get_model_admin(target.model)
        except NotRegistered:
            return None

    def _targets(self, request: HttpRequest) -> list[content_fields.Target]:
        found = []
        for target in content_fields.all_targets():
            model_admin = self._admin(target)
            if model_admin is not None and model_admin.has_change_permission(request):
                found.append(target)
        return found

    def _objects(self, request: HttpRequest, target: content_fields.Target, term: str) -> Any:
        """Return the objects that their model admin shows this person, with its search applied."""
        model_admin = self._admin(target)
        if model_admin is None:
            return target.model._default_manager.none()  # noqa: SLF001 - Django's documented API
        rows = model_admin.get_queryset(request)
        rows, may_repeat = model_admin.get_search_results(request, rows, term)
        ordering = model_admin.get_ordering(request) or ("pk",)
        rows = rows.order_by(*ordering)
        return rows.distinct() if may_repeat else rows

    def _done(
        self, request: HttpRequest, target: content_fields.Target, chosen: Any, pk: uuid.UUID
    ) -> HttpResponse:
        meta = target.model._meta  # noqa: SLF001 - Django's documented API
        address = reverse(
            f"{self.site.name}:{meta.app_label}_{meta.model_name}_change", args=[chosen.pk]
        )
        link = format_html('<a href="{}">{}</a>', address, chosen)
        messages.success(
            request,
            format_html(_("The image was placed on {}."), link),
        )
        return HttpResponseRedirect(admin_url("imagegen_asset_change", pk))


def _name(target: content_fields.Target) -> str:
    meta = target.model._meta  # noqa: SLF001 - Django's documented API
    field = meta.get_field(target.field)
    label = str(getattr(field, "verbose_name", target.field))
    return f"{capfirst(str(meta.verbose_name))}: {label}"
