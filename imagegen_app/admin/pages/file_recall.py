"""Use the recipe of a file again that was downloaded from this site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query, studio_url
from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.services.library import delivery, marked_files, titles
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person


class FileRecallPage(Pages):
    """The page where a file is handed in, and what is offered for it."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [Route("studio/recall/", self.recall, "imagegen_studio_recall", "request_job")]

    def recall(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Offer the recipe of the file that is handed in; a part of it for the studio's script."""
        context: dict[str, Any] = {
            "title": _("Use the recipe of a file"),
            "carried": carried_query(request),
            "studio_url": studio_url(request),
            "offer": None,
            "refusal": None,
        }
        if request.method == "POST":
            try:
                context["offer"] = self._offer(request, actor)
            except ActionRefused as refusal:
                context["refusal"] = refusal
        if request.POST.get("part"):
            return TemplateResponse(request, "imagegen_app/admin/studio/_recall.html", context)
        return self.page(request, "imagegen_app/admin/studio/recall.html", context)

    def _offer(self, request: HttpRequest, actor: Person) -> dict[str, Any]:
        file = request.FILES.get("file")
        data = b"" if file is None else file.read(MAX_INPUT_BYTES + 1)
        asset = marked_files.image_of_file(actor, data)
        key = str(asset.pk)
        return {
            "asset": asset,
            "title": titles.image_title(asset, reader=actor),
            "preview": delivery.preview_url(asset, width=320),
            "all": studio_url(request, recall=key),
            "words": studio_url(request, recall=key, only="prompt"),
            "seed": studio_url(request, recall=key, only="seed") if asset.seed is not None else "",
        }
