"""Compare two images: one over the other, beside each other or subtracted, and how they were requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.carried import carried_query
from imagegen_app.admin.pages.results import visible_asset
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.forms.image_actions import with_query
from imagegen_app.models import Asset
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.library import comparison, delivery

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

_WIDTH = 1280
_LETTERS = ("A", "B")


class ComparePage(Pages):
    """The page that compares two images."""

    base_template = "imagegen_app/admin/studio/base.html"
    has_sidebar = False
    is_embeddable = True

    def routes(self) -> list[Route]:
        return [Route("studio/compare/", self.compare, "imagegen_studio_compare")]

    def shared_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().shared_context(request), "carried": carried_query(request)}

    def compare(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show two images and what differs between their requests."""
        left, right = (_asked(request, actor, name) for name in ("a", "b"))
        found = comparison.compare(actor, left, right)
        carried = carried_query(request)
        context = {
            "title": _("Comparison"),
            "sides": [
                {
                    "letter": letter,
                    "asset": one,
                    "url": delivery.preview_url(one, width=_WIDTH),
                    "page": with_query(admin_url("imagegen_studio_result", one.pk), carried),
                }
                for letter, one in zip(_LETTERS, (left, right), strict=True)
            ],
            "has_other_shape": abs(left.width * right.height - right.width * left.height)
            > left.width * right.height / 100,
            "comparison": found,
            "swapped": with_query(
                admin_url("imagegen_studio_compare"), carried, a=right.pk, b=left.pk
            ),
        }
        return self.page(request, "imagegen_app/admin/results/compare.html", context)


def _asked(request: HttpRequest, actor: Person, name: str) -> Asset:
    key = content_fields.parse_key(Asset, str(request.GET.get(name, "")))
    if key is None:
        raise Http404
    return visible_asset(actor, key)
