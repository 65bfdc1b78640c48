"""Show how the site is doing: providers, workers, what waits, and what has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.services.monitoring import health

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


class HealthPage(Pages):
    """What keeps images from being made, now and lately."""

    sidebar_url_name = "imagegen_health"

    def routes(self) -> list[Route]:
        return [Route("health/", self.health, "imagegen_health")]

    def health(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what the person may see.

        :raises Http404: if that is nothing.
        """
        if not health.has_health(actor):
            raise Http404
        context = {"title": _("Health"), "health": health.build_health(actor)}
        return self.page(request, "imagegen_app/admin/setup/health.html", context)
