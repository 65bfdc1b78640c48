"""Show the credentials that the settings name, and revoke or restore them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.foundation.local_times import format_second
from imagegen_app.services.monitoring import credential_status
from imagegen_app.services.policy import revocations
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

_MAX_NAME_CHARS = 80


class CredentialPages(Pages):
    """The page of credentials, reached from the list of providers."""

    sidebar_url_name = "imagegen_provider_credentials"

    def routes(self) -> list[Route]:
        return [
            Route(
                "credentials/",
                self.credentials,
                "imagegen_provider_credentials",
                permission=revocations.PERMISSION,
                is_hidden=True,
            )
        ]

    def credentials(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the credentials; a POST with `revoke` or `restore` changes the one it names.

        A POST with `check` shows beside each what those say who take it, which is free.
        """
        is_check = request.method == "POST" and "check" in request.POST
        if request.method == "POST" and not is_check:
            self._change(request, actor)
            return HttpResponseRedirect(admin_url("imagegen_provider_credentials"))
        rows = revocations.list_credentials(actor=actor)
        findings = credential_status.credential_findings() if is_check else []
        context = {
            "title": _("Credentials"),
            "rows": [
                {
                    "row": row,
                    "revoked_at": row.revoked_at and format_second(row.revoked_at),
                    "findings": (found := [one for one in findings if one.name == row.name]),
                    "has_error": any(one.level == "error" for one in found),
                }
                for row in rows
            ],
            "is_checked": is_check,
            "max_reason_chars": revocations.MAX_REASON_CHARS,
        }
        return self.page(request, "imagegen_app/admin/records/credentials.html", context)

    def _change(self, request: HttpRequest, actor: Person) -> None:
        given = {key: str(request.POST.get(key, "")) for key in ("revoke", "restore", "reason")}
        is_revoked = bool(given["revoke"])
        change = revocations.revoke if is_revoked else revocations.restore
        name = (given["revoke"] or given["restore"])[:_MAX_NAME_CHARS]
        try:
            change(actor=actor, name=name, reason=given["reason"])
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return
        told = (
            _("“%(name)s” is revoked: nothing is sent with it any more.")
            if is_revoked
            else _("“%(name)s” is used again.")
        )
        messages.success(request, told % {"name": name})
