"""Show the panel of the admin's index on a page of its own, for sites whose theme has another index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.services.monitoring import dashboard

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class OverviewPage(Pages):
    """A person's pending work and recent images, and what keeps images from being made."""

    sidebar_url_name = "imagegen_overview"

    def routes(self) -> list[Route]:
        return [Route("overview/", self.overview, "imagegen_overview")]

    def overview(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what the person may see.

        :raises Http404: if that is nothing.
        """
        if not dashboard.has_dashboard(actor):
            raise Http404
        context = {"title": _("Overview")}
        return self.page(request, "imagegen_app/admin/overview.html", context)
