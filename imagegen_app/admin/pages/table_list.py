"""List the tables of the admin, each with what it holds, for people who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages.base import Pages, Route

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: What each table holds, by the name of its model.
PURPOSES: Final = {
    "asset": gettext_lazy("Images that were made, with their review, marks and use."),
    "attempt": gettext_lazy("Single calls to a provider, each of which may have been billed."),
    "auditevent": gettext_lazy("What happened, in the order in which it was sealed."),
    "batch": gettext_lazy("Many jobs from one template."),
    "brandkit": gettext_lazy("What the images of a brand have in common."),
    "brandkitversion": gettext_lazy("Each state that a brand kit has had."),
    "budget": gettext_lazy("How much may be spent, by whom or where, in which period."),
    "budgetperiod": gettext_lazy("What a budget has spent and reserved in each period."),
    "checkpoint": gettext_lazy("Signed statements of how long the log is, and of its hash."),
    "grant": gettext_lazy("Which group may use which model, and for what."),
    "imagemodel": gettext_lazy("Models of the providers, with prices and abilities."),
    "incident": gettext_lazy("Outages of providers and models, with the jobs that they affected."),
    "job": gettext_lazy("Requests for images, from the first word to the last image."),
    "keptanswer": gettext_lazy("Paid answers of providers that could not be read at first."),
    "ledgerentry": gettext_lazy("Each amount that was reserved, spent or given back."),
    "placement": gettext_lazy("Where on the site images are shown, and until when."),
    "prompttemplate": gettext_lazy("Texts with blanks from which people ask for images."),
    "provider": gettext_lazy("Accounts at the services that make images."),
    "rendition": gettext_lazy("Files of an image in other sizes and formats."),
    "templateversion": gettext_lazy("Each state that a template has had."),
    "textcall": gettext_lazy("Suggested texts that were asked of a service, and what each cost."),
    "verdict": gettext_lazy("What content checks and people decided about words and images."),
    "webhookdelivery": gettext_lazy("Messages that providers sent to this site."),
    "worker": gettext_lazy("Processes that carry out the jobs, with their last sign of life."),
    "workflowversion": gettext_lazy("Workflows for servers that run them, such as ComfyUI."),
}


class TablePage(Pages):
    """The way from our pages to the rows behind them."""

    sidebar_url_name = "imagegen_tables"

    def routes(self) -> list[Route]:
        return [Route("tables/", self.tables, "imagegen_tables")]

    def tables(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """List the tables that the person may read.

        :raises Http404: if there is none.
        """
        found = [
            {
                "name": entry["name"],
                "address": entry["admin_url"],
                "purpose": PURPOSES.get(_model_name(entry), ""),
            }
            for section in self.site.get_app_list(request, "imagegen")
            for entry in section["models"]
            if "model" in entry and entry["admin_url"]
        ]
        if not found:
            raise Http404
        found.sort(key=lambda one: str(one["name"]).casefold())
        context = {"title": _("All tables"), "tables": found}
        return self.page(request, "imagegen_app/admin/setup/tables.html", context)


def _model_name(entry: dict[str, Any]) -> str:
    return str(entry["model"]._meta.model_name)  # noqa: SLF001 - Django's documented API
