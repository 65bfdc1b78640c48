"""Choose an image of the library to start from, in the dialog of the studio or on a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query, studio_url
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import use_of_assets

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person


class ReferenceChoicePage(Pages):
    """The page that tells the studio which image was chosen."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [
            Route(
                "studio/reference/<uuid:pk>/",
                self.chosen,
                "imagegen_studio_reference",
                "request_job",
                is_hidden=True,
            )
        ]

    def chosen(self, request: HttpRequest, actor: Person, pk: uuid.UUID) -> HttpResponse:
        """Show the chosen image; in the dialog, the studio's form takes it over by itself."""
        asset = use_of_assets.usable_assets(actor).filter(pk=pk).first()
        if asset is None:
            raise Http404
        # In the dialog, the address names no field of an object.
        in_dialog = {"field": "", "embed": ""} if request.GET.get("field") == "reference" else {}
        context = {
            "title": _("Start from this image"),
            "chosen": {
                "key": str(asset.pk),
                "name": asset.alt_text,
                "alt": asset.alt_text,
                "width": asset.width,
                "height": asset.height,
            },
            "preview": delivery.preview_url(asset, width=640),
            "field": request.GET.get("field", ""),
            "carried": carried_query(request),
            "studio_url": studio_url(request, **in_dialog, take=str(asset.pk)),
        }
        return self.page(request, "imagegen_app/admin/studio/reference.html", context)
