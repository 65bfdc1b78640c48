"""Preview an erasure of personal texts, carry it out, and show the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.services.erasure import commands, preview, scopes
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person

#: Characters of further texts to search for, at most.
MAX_ALSO_CHARS = 10_000
#: Texts that are looked for in all tables while a person waits; the command looks for all.
MOST_TEXTS = 200


class ErasurePages(Pages):
    """The page on which personal texts are erased."""

    sidebar_url_name = "imagegen_erasure"

    def routes(self) -> list[Route]:
        return [
            Route(
                "erasure/",
                self.erasure,
                "imagegen_erasure",
                permission="erase_personal_data",
                is_hidden=True,
            )
        ]

    # Files are deleted once the rows are committed, and then everything is searched.
    @transaction.non_atomic_requests
    def erasure(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what would be erased of a person or job; erase it on POST, and show the proof."""
        values = request.POST if request.method == "POST" else request.GET
        subject = str(values.get("subject", ""))[:200].strip()
        reason = str(values.get("reason", ""))[:1000]
        also = str(values.get("also", ""))[:MAX_ALSO_CHARS]
        context: dict[str, Any] = {
            "title": _("Erase personal texts"),
            "subject": subject,
            "reason": reason,
        }
        status = 200
        if subject:
            try:
                scope = scopes.find_scope(subject)
                context["scope"] = scope
                # Both, since events name people by their identifier.
                names = dict.fromkeys((subject, scope.subject))
                context["person"] = " · ".join(name for name in names if name)
                if request.method == "POST":
                    context["report"] = commands.erase(
                        actor,
                        scope,
                        reason=reason,
                        also_search=also.splitlines(),
                        most_texts=MOST_TEXTS,
                    )
                context["preview"] = preview.preview(actor, scope)
            except ActionRefused as refusal:
                context["refusal"] = refusal
                status = 200 if request.method == "GET" else 409
        return self.page(
            request, "imagegen_app/admin/compliance/erasure.html", context, status=status
        )
