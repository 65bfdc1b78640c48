"""Choose to get a mail when work that took long is finished."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.monitoring import mail_preferences
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Stands in an address for the key of what a mail tells of.
_NOBODY: Final = uuid.UUID(int=0)
_MAX_DIGITS: Final = 5


class MailPreferencePage(Pages):
    """The page of one's own preference."""

    sidebar_url_name = "imagegen_overview"

    def routes(self) -> list[Route]:
        return [
            Route(
                "preferences/mail/",
                self.edit,
                "imagegen_mail_preference",
                permission="request_job",
                is_hidden=True,
            )
        ]

    def edit(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the preference; on POST keep it.

        :raises Http404: if the site sends no such mails.
        """
        if not mail_preferences.is_offered():
            raise Http404
        minutes = mail_preferences.minutes_of(actor)
        refusal: ActionRefused | None = None
        if request.method == "POST":
            given = str(request.POST.get("minutes", "")).strip()
            number = int(given) if given.isdecimal() and len(given) <= _MAX_DIGITS else -1
            minutes = number if "wanted" in request.POST else 0
            try:
                mail_preferences.choose(actor=actor, minutes=minutes, addresses=_addresses(request))
            except ActionRefused as error:
                refusal = error
            else:
                messages.success(request, _said(actor, minutes))
                return HttpResponseRedirect(request.get_full_path())
        context: dict[str, Any] = {
            "title": _("Mail about finished work"),
            "refusal": refusal,
            "is_wanted": minutes != 0,
            "minutes": minutes if minutes > 0 else mail_preferences.USUAL_MINUTES,
            "least": mail_preferences.LEAST_MINUTES,
            "most": mail_preferences.MOST_MINUTES,
            "address": mail_preferences.address_of(actor.user),
        }
        status = 200 if refusal is None else 422
        return self.page(request, "imagegen_app/admin/mail_preference.html", context, status=status)


def _said(actor: Person, minutes: int) -> str:
    if not minutes:
        return _("You get no mails about finished work.")
    address = mail_preferences.address_of(actor.user)
    return _("Mails about finished work go to %(address)s.") % {"address": address}


def _addresses(request: HttpRequest) -> dict[str, str]:
    """Return the addresses of the pages that a mail leads to, as this person reaches them."""
    session = f"{admin_url('imagegen_studio')}?session={{key}}"
    paths = {
        "session": session,
        "job": _with_key("imagegen_studio_job"),
        "batch": _with_key("imagegen_batch_run"),
        "preference": admin_url("imagegen_mail_preference"),
    }
    origin = request.build_absolute_uri("/").rstrip("/")
    return {kind: f"{origin}{path}" for kind, path in paths.items()}


def _with_key(name: str) -> str:
    return admin_url(name, _NOBODY).replace(str(_NOBODY), "{key}")
