"""Ask a model's server what it says of the model, and take that over by a button."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from imagegen_app.admin import price_table
from imagegen_app.admin.model_form import ModelForm
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
#: Lines of the text to be copied that are shown at once; the rest is scrolled to.
_MAX_ROWS = 30
#: The fields of a model's form that say whom to ask, and about what.
_ASKED = ("provider", "provider_model_name", "version", "workflow", "capabilities")


class ModelServerPages(Pages):
    """The URLs that the buttons on a model's page, and on the page of the answer, post to."""

    def routes(self) -> list[Route]:
        changing: dict[str, Any] = {"permission": "change_imagemodel", "is_post_only": True}
        adding = {**changing, "permission": "add_imagemodel"}
        name = "imagegen_imagemodel"
        return [
            Route("ask-server/", self.ask_new, f"{name}_ask_server_new", **adding),
            Route("<int:pk>/ask-server/", self.ask, f"{name}_ask_server", **changing),
            Route("<int:pk>/take-over/", self.take_over, f"{name}_take_over", **changing),
        ]

    def ask_new(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show what the server says of a model that is only typed into the form yet."""
        return self._answer(request, actor, ImageModel())

    def ask(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show what the server says of a model as it stands in the form, saved or not."""
        return self._answer(request, actor, _model(pk))

    def _answer(self, request: HttpRequest, actor: Person, asked: ImageModel) -> HttpResponse:
        is_new = asked.pk is None
        title = _("What the server says")
        context: dict[str, Any] = {"title": title, "image_model": asked, "is_new": is_new}
        template = "imagegen_app/admin/records/model_server.html"
        try:
            is_stored = not _take_values(asked, request.POST) and not is_new
            suggestion = model_suggestions.ask_server(actor=actor, image_model=asked)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return self.page(request, template, context)
        changes, price = suggestion.changes, suggestion.price_list
        merged = model_suggestions.merged_changes(asked, changes) if changes else {}
        written = json.dumps(merged, indent=1) if merged else ""
        context |= {
            "title": _("What the server says of %(model)s")
            % {"model": asked.name or asked.provider_model_name},
            "is_stored": is_stored,
            "description": suggestion.description,
            "problems": [_(one.text) % one.values for one in suggestion.description.problems],
            "rows": [(name, _shown(value)) for name, value in changes.items()],
            "changes": json.dumps(changes) if changes else "",
            "merged": written,
            # For browsers whose fields do not grow with what is in them.
            "merged_rows": min(written.count("\n") + 2, _MAX_ROWS),
            "price": price_table.table(price) if price else "",
            "price_list": json.dumps(price) if price else "",
        }
        return self.page(request, template, context)

    def take_over(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Add the posted changes to the model's corrected capabilities, and take the posted prices."""
        image_model = _model(pk)
        try:
            changes = _posted(request, "changes")
            prices = _posted(request, "price_list") if "price_list" in request.POST else None
            model_suggestions.take_over(
                actor=actor, image_model=image_model, changes=changes, price_list=prices
            )
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        else:
            done = _("The prices were taken over.") if prices else ""
            messages.success(request, done or _("The capabilities were taken over."))
        return HttpResponseRedirect(admin_url("imagegen_imagemodel_change", pk))


def _take_values(asked: ImageModel, data: Any) -> bool:
    """Give a model the values of its form, where they came; return whether that changes them.

    :raises ActionRefused: if one of them is not valid.
    """
    if asked.pk and "provider_model_name" not in data:
        return False
    before = [getattr(asked, name) for name in _ASKED] if asked.pk else []
    form = ModelForm(data, instance=asked)
    form.is_valid()
    # What else is in the form may be unfinished, and the server may be asked to learn the version.
    for name in _ASKED:
        is_open = name == "version" and not data.get(name)
        if name in form.errors and not is_open:
            said = " ".join(map(str, form.errors[name]))
            raise ActionRefused(
                _("The server could not be asked."),
                reason=f"{form.fields[name].label}: {said}",
                remedy=_("Change it and try again."),
            )
    # An emptied field corrects nothing.
    asked.capabilities = asked.capabilities or {}
    return before != [getattr(asked, name) for name in _ASKED]


def _posted(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return a JSON object that a page hands back.

    :raises InvalidRecord: if it is none.
    """
    text = str(request.POST.get(name, ""))
    try:
        found = load_json(text.encode()) if len(text) <= MAX_CHANGES_CHARS else None
    except InvalidJson:
        found = None
    if not isinstance(found, dict):
        raise InvalidRecord(_("A JSON object is needed, such as {}."))
    return found


def _shown(value: object) -> str:
    """Return a value as JSON, on one line where it is short."""
    short = json.dumps(value)
    return short if len(short) <= _LINE_CHARS else json.dumps(value, indent=1)


def _model(pk: int) -> ImageModel:
    return get_object_or_404(ImageModel.objects.select_related("provider"), pk=pk)
