"""What the library shows of images, filters and views, as its templates take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from imagegen_app.core.colours import Colour
from imagegen_app.core.operations import Operation
from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, ImageModel, PromptTemplate, Tag
from imagegen_app.models.labels import choices
from imagegen_app.services.foundation.local_times import format_day
from imagegen_app.services.library import collections, delivery, pictures, titles
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagegen_app.core.actors import Person

#: Names that a select box offers.
_MOST_OPTIONS = 200
_CHIP_KINDS = {
    ReviewState.APPROVED.value: "is-good",
    ReviewState.PENDING.value: "is-open",
    ReviewState.REJECTED.value: "is-bad",
    ReviewState.WITHDRAWN.value: "is-bad",
}


@dataclass(frozen=True, slots=True)
class Facet:
    """One question of the filter bar with its possible answers."""

    name: str
    label: str
    #: Pairs of value and text.
    options: tuple[tuple[str, str], ...]
    value: str


def tile_of(asset: Asset, *, reader: Person, carried: Mapping[str, str]) -> dict[str, Any]:
    """Return what a tile shows of an image; where an image is chosen for a field or a request, it
    leads on there.
    """
    page = "imagegen_studio_reference" if carried.get("pick") else "imagegen_studio_choose"
    address = (
        f"{admin_url(page, asset.pk)}?{urlencode(carried)}"
        if carried
        else admin_url("imagegen_asset_change", asset.pk)
    )
    return {
        "asset": asset,
        "title": titles.image_title(asset, reader=reader),
        "address": address,
        "preview": delivery.preview_url(asset, width=320),
        "chip": _CHIP_KINDS.get(asset.review_state, ""),
        "facts": f"{asset.job.image_model} · {format_day(asset.created_at)}",
        # Nearly all are made by a model: what was changed by one is worth a word.
        "label": "" if asset.digital_source_type == GENERATED else pictures.label_text(asset),
    }


def facets(reader: Person, wanted: AssetFilter) -> list[Facet]:
    """Return the questions of the filter bar, with what a person can choose."""
    templates = PromptTemplate.objects.filter(is_archived=False).order_by("name")
    models = ImageModel.objects.order_by("name")
    offered: list[tuple[str, str, Iterable[tuple[Any, Any]]]] = [
        ("state", _("Review"), choices(ReviewState)),
        (
            "template",
            _("Template"),
            _options(templates, wanted.get("template"), PromptTemplate.objects.all()),
        ),
        ("model", _("Model"), _options(models, wanted.get("model"))),
        ("operation", _("Made by"), choices(Operation)),
        ("used", _("Use"), [("yes", _("Placed on a page")), ("no", _("Not used yet"))]),
        ("shape", _("Proportions"), _shapes()),
        (
            "label",
            _("AI label"),
            [("generated", _("AI generated")), ("modified", _("AI modified"))],
        ),
        (
            "collection",
            _("Collection"),
            _options(
                collections.visible_collections(reader).order_by("name"), wanted.get("collection")
            ),
        ),
        ("tag", _("Tag"), _options(Tag.objects.order_by("key"), wanted.get("tag"))),
    ]
    return [
        Facet(name, label, tuple((str(v), str(t)) for v, t in options), wanted.get(name))
        for name, label, options in offered
        if options
    ]


def colours(wanted: AssetFilter) -> list[dict[str, Any]]:
    """Return the colours, each with the query that shows it, or all again if it is shown."""
    return [
        {
            "code": code,
            "name": name,
            "is_current": wanted.get("colour") == code,
            "query": wanted.with_value(
                "colour", "" if wanted.get("colour") == code else code
            ).as_query(),
        }
        for code, name in choices(Colour)
    ]


def active_filters(offered: Iterable[Facet], wanted: AssetFilter) -> list[dict[str, str]]:
    """Return the filters that are set, each in words and with the query without it."""
    shown = {f.name: (f.label, dict(f.options)) for f in offered if f.value}
    found = []
    for name, value in wanted.values.items():
        label, texts = shown.get(name, (_own_labels().get(name, name), {}))
        text = texts.get(value, _own_texts(name, value))
        found.append(
            {
                "text": f"{label}: {text}" if text else label,
                "query": wanted.with_value(name, "").as_query(),
            }
        )
    return found


def built_in_views(reader: Person, wanted: AssetFilter) -> list[dict[str, Any]]:
    """Return the views that everybody has; those of one's own first."""
    views: list[tuple[str, dict[str, str]]] = [(_("All"), {})]
    if access.has_permission(reader, "view_asset"):
        views.append((_("Mine"), {"mine": "1"}))
    views += [
        (_("To review"), {"state": ReviewState.PENDING.value}),
        (pgettext("images", "Approved"), {"state": ReviewState.APPROVED.value}),
        (pgettext("images", "Unused"), {"used": "no"}),
    ]
    current = wanted.as_query()
    found = [(text, AssetFilter(values).as_query()) for text, values in views]
    return [{"text": t, "query": q, "is_current": q == current} for t, q in found]


def _options(rows: Any, chosen: str, more: Any = None) -> list[tuple[Any, Any]]:
    found = list(rows.values_list("pk", "name")[:_MOST_OPTIONS])
    if chosen and chosen not in {str(key) for key, _name in found}:
        # An archived template, or one beyond those that are offered.
        found += (rows if more is None else more).filter(pk=int(chosen)).values_list("pk", "name")
    return found


def _shapes() -> list[tuple[str, str]]:
    return [
        ("landscape", _("Landscape")),
        ("portrait", _("Portrait")),
        ("square", _("Square")),
    ]


def _own_labels() -> dict[str, str]:
    return {
        "q": _("Words"),
        "person": _("Person"),
        "mine": _("Mine"),
        "month": _("Month"),
        "colour": _("Colour"),
        "steps": _("With intermediate results"),
    }


def _own_texts(name: str, value: str) -> str:
    if name == "colour":
        return str(dict(choices(Colour))[value])
    return "" if name in {"mine", "steps"} else value
