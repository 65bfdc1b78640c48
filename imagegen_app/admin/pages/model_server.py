"""Ask a model's server what it says of the model, and take that over by a button."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import ImageModel
from imagegen_app.services.policy import model_suggestions
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person

#: Characters of the changes that a page hands back.
MAX_CHANGES_CHARS = 200_000
_LINE_CHARS = 80


class ModelServerPages(Pages):
    """The URLs that the buttons on a model's page, and on the page of the answer, post to."""

    def routes(self) -> list[Route]:
        common: dict[str, Any] = {"permission": "change_imagemodel", "is_post_only": True}
        return [
            Route("<int:pk>/ask-server/", self.ask, "imagegen_imagemodel_ask_server", **common),
            Route("<int:pk>/take-over/", self.take_over, "imagegen_imagemodel_take_over", **common),
        ]

    def ask(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show what the server says; a refusal is shown on the model's page."""
        image_model = _model(pk)
        try:
            suggestion = model_suggestions.ask_server(actor=actor, image_model=image_model)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return _to_model(pk)
        changes = suggestion.changes
        context = {
            "title": _("What the server says of %(model)s") % {"model": image_model.name},
            "image_model": image_model,
            "description": suggestion.description,
            "problems": [_(one.text) % one.values for one in suggestion.description.problems],
            "rows": [(name, _shown(value)) for name, value in changes.items()],
            "changes": json.dumps(changes) if changes else "",
        }
        return self.page(request, "imagegen_app/admin/records/model_server.html", context)

    def take_over(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Add the posted changes to the model's corrected capabilities."""
        image_model, text = _model(pk), str(request.POST.get("changes", ""))
        try:
            changes = load_json(text.encode()) if len(text) <= MAX_CHANGES_CHARS else None
        except InvalidJson:
            changes = None
        try:
            if not isinstance(changes, dict):
                raise InvalidRecord(_("A JSON object is needed, such as {}."))
            model_suggestions.take_over(actor=actor, image_model=image_model, changes=changes)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            messages.success(request, _("The capabilities were taken over."))
        return _to_model(pk)


def _shown(value: object) -> str:
    """Return a value as JSON, on one line where it is short."""
    short = json.dumps(value)
    return short if len(short) <= _LINE_CHARS else json.dumps(value, indent=1)


def _model(pk: int) -> ImageModel:
    return get_object_or_404(ImageModel.objects.select_related("provider"), pk=pk)


def _to_model(pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(admin_url("imagegen_imagemodel_change", pk))
