"""The fields of a template's form for control images that it fixes: an asset, how it guides, its picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.db.models import Q
from django.forms import Script
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import link
from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.admin.pages.fixed_fields import guide_settings
from imagegen_app.core import types
from imagegen_app.core.limits import MAX_FIXED_GUIDES
from imagegen_app.core.states import ReviewState
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Asset, JobInput
from imagegen_app.services.job_requests import fixed_guides
from imagegen_app.services.library import chooser, delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion

#: Stands for an ID in the addresses that the script fills in.
_NO_ID = UUID(int=0)
#: In pixels, twice as wide as it is shown.
_PICTURE_WIDTH = 160
_PARTS = ("asset", "kind", "weight", "start", "end")


def row_names(number: int) -> tuple[str, ...]:
    """Return the names of the fields of one control image."""
    return tuple(f"guide_{number}_{part}" for part in _PARTS)


def guide_fields(
    version: TemplateVersion | None, *, actor: Person | None
) -> dict[str, forms.Field]:
    """Return the fields of all control images, with those of a version as their initial values."""
    stored = fixed_guides.fixed_guides(version)
    usable = Asset.objects.none() if actor is None else chooser.usable_guides(actor)
    offered = Asset.objects.filter(
        # What is there may stay: the service says if it cannot be used any more.
        Q(pk__in=usable.values("pk")) | Q(pk__in=[one.asset_id for one in stored])
    )
    fields: dict[str, forms.Field] = {}
    for number in range(MAX_FIXED_GUIDES):
        one = stored[number] if number < len(stored) else None
        fields |= _row(number, one, offered=offered, usable=usable)
    return fields


def given_guides(data: Mapping[str, Any]) -> list[fixed_guides.FixedGuide]:
    """Return the control images of a form whose fields are valid."""
    return [
        fixed_guides.FixedGuide(
            data[f"guide_{number}_asset"].pk,
            types.ControlGuide(
                kind=data.get(f"guide_{number}_kind") or "",
                weight=_number(data, f"guide_{number}_weight", 1.0),
                start=_number(data, f"guide_{number}_start", 0.0),
                end=_number(data, f"guide_{number}_end", 1.0),
            ),
        )
        for number in range(MAX_FIXED_GUIDES)
        if data.get(f"guide_{number}_asset")
    ]


def incomplete_rows(data: Mapping[str, Any]) -> list[str]:
    """Return the fields for assets that are empty, though their rows have values."""
    return [
        names[0]
        for names in map(row_names, range(MAX_FIXED_GUIDES))
        if not data.get(names[0]) and any(data.get(name) not in {None, ""} for name in names[1:])
    ]


def described(one: fixed_guides.FixedGuide) -> tuple[str, SafeString]:
    """Return a control image as a line of a version's settings."""
    page = admin_url("imagegen_asset_change", one.asset_id)
    return _("Guide"), link(page, guide_settings(one.guide))


class GuidePicturePages(Pages):
    """The address of a guide's picture."""

    def routes(self) -> list[Route]:
        # Who may use no image is shown none, whatever else they may do.
        return [Route("guide/<uuid:pk>/", self.picture, "imagegen_prompttemplate_guide")]

    def picture(self, request: HttpRequest, actor: Person, pk: UUID) -> HttpResponse:
        """Lead to the picture of an image that the person may use as a guide."""
        del request
        asset = get_object_or_404(chooser.usable_guides(actor), pk=pk)
        return HttpResponseRedirect(delivery.preview_url(asset, width=_PICTURE_WIDTH))


class ApprovedAssetWidget(ForeignKeyRawIdWidget):
    """Choose an asset in a window that lists the approved ones only: no other may guide.

    Its picture is beside it, and follows what is chosen.
    """

    template_name = "imagegen_app/admin/widgets/guide.html"

    class Media:
        js = (Script("imagegen_app/js/elements/guide.js", type="module"),)

    def __init__(self, *args: Any, usable: QuerySet[Asset], **options: Any) -> None:
        super().__init__(*args, **options)
        self._usable = usable

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        asset = self._usable.filter(pk=value).first() if _is_id(value) else None
        context |= {
            "picture_pattern": admin_url("imagegen_prompttemplate_guide", _NO_ID),
            "page_pattern": admin_url("imagegen_asset_change", _NO_ID),
            "picture_label": _("The chosen image"),
            "picture": asset and admin_url("imagegen_prompttemplate_guide", asset.pk),
            "page": asset and admin_url("imagegen_asset_change", asset.pk),
        }
        return context

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """Return no words: the picture says which one it is."""
        del value
        return "", ""

    def base_url_parameters(self) -> dict[str, str]:
        """Return what the window's list is filtered by."""
        approved = {"review_state__exact": ReviewState.APPROVED.value}
        return {**super().base_url_parameters(), **approved}


def _row(
    number: int,
    stored: fixed_guides.FixedGuide | None,
    *,
    offered: QuerySet[Asset],
    usable: QuerySet[Asset],
) -> dict[str, forms.Field]:
    guide = types.ControlGuide() if stored is None else stored.guide
    relation = JobInput.asset.field.remote_field
    asset = forms.ModelChoiceField(
        queryset=offered,
        required=False,
        label=_("Guide %(number)s") % {"number": number + 1},
        initial=None if stored is None else stored.asset_id,
        widget=ApprovedAssetWidget(relation, admin.site, usable=usable),
        error_messages={
            "invalid_choice": gettext_lazy(
                "This image is not available to you; choose an approved one."
            )
        },
    )
    kind = forms.CharField(
        label=_("Kind"),
        required=False,
        max_length=40,
        initial=guide.kind,
        help_text=_("Such as depth or pose; empty for the model's usual one."),
    )
    numbers = {
        "weight": (_("Weight"), guide.weight, 1.0),
        "start": (_("Start"), guide.start, 0.0),
        "end": (_("End"), guide.end, 1.0),
    }
    fields: dict[str, forms.Field] = {"asset": asset, "kind": kind}
    for name, (label, value, usual) in numbers.items():
        fields[name] = forms.FloatField(
            label=label,
            required=False,
            initial=None if value == usual else value,
            widget=forms.NumberInput(attrs={"step": "any", "placeholder": f"{usual:g}"}),
        )
    return {f"guide_{number}_{part}": fields[part] for part in _PARTS}


def _is_id(value: Any) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _number(data: Mapping[str, Any], name: str, usual: float) -> float:
    value = data.get(name)
    return usual if value is None else float(value)
