"""Import a model as its provider's server describes it, and add models from the catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import label_for_field
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.admin import price_table
from imagegen_app.admin.base import EMPTY
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.admin.pages.parameter_fields import parameter_fields
from imagegen_app.core.catalog_entries import InvalidCatalog
from imagegen_app.core.types import Operation
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import ImageModel, Provider, labels
from imagegen_app.services.gateways import catalog_files, model_lookup
from imagegen_app.services.policy import catalog_sync, model_import
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.catalog_sync import SyncAction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

    from imagegen_app.core.actors import Person
    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.i18n import Message
    from imagegen_app.services.policy.catalog_sync import FieldDifference, SyncedModel

_TEMPLATES = "imagegen_app/admin/records"
#: Sizes that are named; with more, their number is.
_MAX_SIZES = 12
_LINE_CHARS = 160


class ModelImportPages(Pages):
    """The pages behind the two buttons of a provider's page."""

    def routes(self) -> list[Route]:
        common: dict[str, Any] = {"permission": "add_imagemodel"}
        name = "imagegen_provider"
        return [
            Route("<int:pk>/import/", self.choose, f"{name}_import", **common),
            Route(
                "<int:pk>/import/preview/",
                self.preview,
                f"{name}_import_preview",
                is_post_only=True,
                **common,
            ),
            Route(
                "<int:pk>/import/create/",
                self.create,
                f"{name}_import_create",
                is_post_only=True,
                **common,
            ),
            Route("<int:pk>/catalog/", self.catalog, f"{name}_catalog", **common),
            Route(
                "<int:pk>/catalog/sync/",
                self.sync,
                f"{name}_catalog_sync",
                is_post_only=True,
                **common,
            ),
        ]

    def choose(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show the models that the server names, and a field for a name where it names none."""
        provider = _provider(pk)
        search, page = (str(request.GET.get(name, "")) for name in ("q", "page"))
        context: dict[str, Any] = {
            "title": _("Import a model of %(provider)s") % {"provider": provider.name},
            "provider": provider,
            "search": search,
            "max_chars": model_import.MAX_NAME_CHARS,
        }
        try:
            found = model_import.list_models(
                actor=actor, provider=provider, search=search, page=page
            )
            context |= {
                "listed": found.models,
                "next_page": found.next_page,
                "has_workflows": model_lookup.has_workflows(provider),
            }
        except ActionRefused as refusal:
            context |= {"refusal": refusal}
        return self.page(request, f"{_TEMPLATES}/model_import.html", context)

    def preview(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show what the server says of one model; a refusal is shown above the list."""
        provider, name = _provider(pk), str(request.POST.get("name", ""))
        try:
            seen = model_import.preview_model(actor=actor, provider=provider, name=name)
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return _to("imagegen_provider_import", pk)
        row = seen.image_model
        context = {
            "title": _("Import %(model)s") % {"model": row.name},
            "provider": provider,
            "row": row,
            "existing": seen.existing,
            "is_told": seen.description.capabilities is not None,
            "lines": [] if seen.capabilities is None else _lines(seen.capabilities),
            "form": None if seen.capabilities is None else ParameterPreview(seen.capabilities),
            "price": price_table.table(row.price_list) if row.price_list else "",
            "problems": _sentences(seen.problems),
            "unknown": _sentences(seen.description.unknown),
            "token": seen.token,
        }
        return self.page(request, f"{_TEMPLATES}/model_import_preview.html", context)

    def create(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Register the model that was shown, and show its form."""
        try:
            row = model_import.create_model(
                actor=actor, provider=_provider(pk), token=str(request.POST.get("token", ""))
            )
        except ActionRefused as refusal:
            show_refusal(request, refusal)
            return _to("imagegen_provider_import", pk)
        text = _("The model was imported as a draft. Look at it, then activate it.")
        messages.success(request, text)
        return _to("imagegen_imagemodel_change", row.pk)

    def catalog(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Show what the catalogue would add and change at this provider."""
        provider = _provider(pk)
        context: dict[str, Any] = {
            "title": _("Add models from the catalogue to %(provider)s")
            % {"provider": provider.name},
            "provider": provider,
        }
        try:
            found = catalog_sync.preview(
                actor=actor, entries=catalog_files.read_file(), providers=[provider]
            )
        except (InvalidCatalog, ActionRefused) as refusal:
            context |= {"refusal": refusal}
        else:
            context |= {
                "rows": [_row(one) for one in found],
                "is_needed": any(one.changes for one in found),
            }
        return self.page(request, f"{_TEMPLATES}/model_catalog.html", context)

    def sync(self, request: HttpRequest, actor: Person, pk: int) -> HttpResponse:
        """Add and update what the catalogue page showed."""
        provider = _provider(pk)
        try:
            found = catalog_sync.sync(
                actor=actor, entries=catalog_files.read_file(), providers=[provider]
            )
        except ActionRefused as refusal:
            show_refusal(request, refusal)
        except InvalidCatalog as error:
            messages.error(request, str(error))
        else:
            added = sum(one.action is SyncAction.CREATE for one in found)
            updated = sum(one.action is SyncAction.UPDATE for one in found)
            texts = (
                ngettext(
                    "%(n)s model was added as a draft.", "%(n)s models were added as drafts.", added
                )
                % {"n": added},
                ngettext("%(n)s model was updated.", "%(n)s models were updated.", updated)
                % {"n": updated},
            )
            messages.success(request, " ".join(texts))
        return _to("imagegen_provider_catalog", pk)


def _provider(pk: int) -> Provider:
    return get_object_or_404(Provider, pk=pk)


def _to(name: str, pk: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(admin_url(f"{name}", pk))


def _sentences(problems: Sequence[Message]) -> list[str]:
    """Return problems in the active language, each as a sentence."""
    found = []
    for one in problems:
        text = _(one.text) % one.values
        found.append(text[:1].upper() + text[1:].rstrip(".") + ".")
    return found


def _lines(can: Capabilities) -> list[tuple[str, str]]:
    """Return what a model can do, as names and values for people."""
    words = labels.LABELS[Operation]
    lines = [
        (_("Operations"), ", ".join(str(words[o]) for o in sorted(can.operations))),
        (_("Sizes"), _sizes(can.sizes)),
        (_("Images of one call"), str(can.max_count)),
        (_("Input images"), str(can.max_inputs)),
        (_("Output formats"), ", ".join(can.output_formats)),
        (_("Qualities"), ", ".join(can.qualities)),
        (_("Seed"), _("yes") if can.supports_seed else _("no")),
        (_("Negative prompt"), _("yes") if can.supports_negative_prompt else _("no")),
    ]
    return [(name, value) for name, value in lines if value]


def _sizes(rule: SizeRule) -> str:
    if rule.allowed:
        named = [str(size).replace("x", " × ") for size in rule.allowed[:_MAX_SIZES]]  # noqa: RUF001 - for people
        more = len(rule.allowed) - len(named)
        return ", ".join(named) + (" " + _("and %(n)s more") % {"n": more} if more else "")
    if rule.ratios:
        return ", ".join(rule.ratios)
    if not rule.max_side and not rule.max_pixels:
        return _("The model decides.")
    parts = []
    if rule.max_side:
        parts.append(_("sides of up to %(n)s pixels") % {"n": rule.max_side})
    if rule.max_pixels:
        parts.append(_("up to %(n)s megapixels") % {"n": round(rule.max_pixels / 1_000_000, 1)})
    if rule.step > 1:
        parts.append(_("in steps of %(n)s") % {"n": rule.step})
    return capfirst(", ".join(parts))


class ParameterPreview(forms.Form):
    """A model's parameters as people will see them; nothing can be entered."""

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.fields |= parameter_fields(capabilities.parameters)
        for field in self.fields.values():
            field.disabled = True


def _row(one: SyncedModel) -> dict[str, Any]:
    entry = one.entry
    words = {
        SyncAction.CREATE: _("added as a draft"),
        SyncAction.UPDATE: _("updated"),
        SyncAction.UNCHANGED: _("unchanged"),
        SyncAction.NOT_ADDED: (
            _("not added: it is retired")
            if catalog_sync.is_over(entry)
            else _("not added: it retires soon")
        ),
        SyncAction.NOT_DEPLOYED: _(
            "not added: name its deployment in the provider's option “deployments”"
        ),
    }
    return {
        "name": entry.name,
        "model": one.model,
        "action": words[one.action],
        "is_change": one.action in {SyncAction.CREATE, SyncAction.UPDATE},
        "price": price_table.lowest_price(entry.price_list) if entry.price_list else "",
        "checked_on": entry.price_list.get("checked_on", ""),
        "source": entry.price_list.get("source", ""),
        "retires_on": entry.retires_on,
        "is_over": catalog_sync.is_over(entry),
        "changes": [] if one.action is SyncAction.CREATE else [_shown(d) for d in one.changes],
        "kept": [_shown(d) for d in one.kept],
    }


def _shown(one: FieldDifference) -> tuple[str, str, str]:
    """Return a field with both of its values, as text; of documents, what differs."""
    current, catalog = one.current, one.catalog
    label = str(label_for_field(one.field, ImageModel))
    if isinstance(current, dict) and isinstance(catalog, dict):
        if one.field == "price_list":
            now, then = (price_table.in_words(document) for document in (current, catalog))
            return label, Truncator(now).chars(_LINE_CHARS), Truncator(then).chars(_LINE_CHARS)
        equal = {name for name in current if current[name] == catalog.get(name)}
        current, catalog = (
            {name: value for name, value in document.items() if name not in equal}
            for document in (current, catalog)
        )
    return label, _as_text(current), _as_text(catalog)


def _as_text(value: object) -> str:
    if value in (None, "", {}):
        return EMPTY
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Truncator(text).chars(_LINE_CHARS)
