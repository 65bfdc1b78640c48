"""Import prompt templates from a file: it is shown what each of them becomes before anything is written."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.core.description_files import MAX_FILE_BYTES
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.job_requests import template_files
from imagegen_app.services.job_requests.template_files import FileAction, InvalidTemplateFile
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.services.job_requests.template_files import FileChange

_TEMPLATE = "imagegen_app/admin/records/template_import.html"


class TemplateFilePages(Pages):
    """The page behind the button of the list of templates."""

    def routes(self) -> list[Route]:
        return [
            Route(
                "import/",
                self.choose_file,
                "imagegen_prompttemplate_import",
                permission="view_prompttemplate",
            ),
            Route(
                "import/apply/",
                self.apply,
                "imagegen_prompttemplate_import_apply",
                permission="view_prompttemplate",
                is_post_only=True,
            ),
        ]

    def choose_file(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Ask for a file, and show what it would do."""
        context: dict[str, Any] = {}
        upload = request.FILES.get("file")
        if request.method == "POST" and not upload:
            context["refusal"] = _("Choose a file first.")
        elif upload:
            try:
                # One byte more tells a file that is too large.
                data = upload.read(MAX_FILE_BYTES + 1)
                document = template_files.parse(data, ending=PurePath(upload.name or "").suffix)
                found = template_files.plan(actor=actor, document=document)
                context = {"rows": _rows(found), "document": json.dumps(document, default=str)}
                context["is_needed"] = any(one.action is not FileAction.UNCHANGED for one in found)
            except ActionRefused as refusal:
                context = _refused(refusal)
        return self._page(request, context)

    def apply(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Import what was shown, unless something of it is not valid any more."""
        try:
            document = template_files.parse(
                str(request.POST.get("document", "")).encode("utf-8", "replace"), ending=".json"
            )
            found = template_files.import_templates(actor=actor, document=document)
        except ActionRefused as refusal:
            return self._page(request, _refused(refusal))
        count = sum(one.action is not FileAction.UNCHANGED for one in found)
        text = ngettext("%(n)s template was imported.", "%(n)s templates were imported.", count)
        messages.success(request, text % {"n": count})
        return HttpResponseRedirect(admin_url("imagegen_prompttemplate_changelist"))

    def _page(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        title = _("Import prompt templates")
        return self.page(request, _TEMPLATE, {"title": title, **context})


def _refused(refusal: ActionRefused) -> dict[str, Any]:
    if isinstance(refusal, InvalidTemplateFile):
        return {"refusal": refusal.message, "problems": refusal.problems}
    return {"refusal": str(refusal)}


def _rows(found: Sequence[FileChange]) -> list[dict[str, Any]]:
    words = {
        FileAction.CREATE: _("is added"),
        FileAction.UPDATE: _("gets a new version"),
        FileAction.UNCHANGED: _("stays as it is"),
    }
    return [
        {
            "name": one.name,
            "slug": one.slug,
            "action": words[one.action],
            "is_change": one.action is not FileAction.UNCHANGED,
            "parts": ", ".join(one.parts),
            "notes": one.notes,
        }
        for one in found
    ]
