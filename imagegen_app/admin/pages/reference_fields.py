"""The studio's rows for images that are there already to start from, each with what it is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.input_fields import number_of
from imagegen_app.admin.pages.picture_choice import preview_url
from imagegen_app.core.limits import MAX_INPUTS
from imagegen_app.core.types import ControlGuide, InputRole
from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.models import Asset
from imagegen_app.models.labels import LABELS
from imagegen_app.services.gateways import content_fields, picture_sources
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import delivery, site_pictures
from imagegen_app.services.policy import use_of_assets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagegen_app.core.actors import Person
    from imagegen_app.services.gateways.picture_sources import SitePicture
    from imagegen_app.services.job_requests.model_options import ModelOptions

#: Before the number of each row.
PREFIX = "taken_"
_ROW = re.compile(rf"{PREFIX}([0-9]{{1,3}})\Z")
_NUMBERS = ("weight", "start", "end")
#: The roles in the order in which they are offered; a mask is drawn, or handed in, as a rule.
_ROLES = (
    InputRole.IMAGE,
    InputRole.REFERENCE,
    InputRole.STYLE,
    InputRole.CONTROL,
    InputRole.MASK,
)


@dataclass(frozen=True, slots=True)
class TakenImage:
    """An image of our library, or of the site's media library, in the form."""

    number: int
    #: None for one of the site, and if the person may not use it.
    asset: Asset | None
    #: Such as `style` or `control:depth`; empty for the first that the model takes.
    role: str
    #: An image of the site; None for one of ours, and if the person may not see it.
    picture: SitePicture | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the person may use it."""
        return self.asset is not None or self.picture is not None

    @property
    def key(self) -> str:
        """What names it in the form."""
        if self.picture is not None:
            return self.picture.reference
        return "" if self.asset is None else str(self.asset.pk)

    @property
    def name(self) -> str:
        """The name of its field."""
        return f"{PREFIX}{self.number}"


@dataclass(frozen=True, slots=True)
class TakenRow:
    """The fields of one image, as the page shows them."""

    key: str
    #: What it is called; an image of ours without words has no name.
    label: str
    alt_text: str
    width: int
    height: int
    preview: str
    field: Any
    role: Any
    numbers: tuple[Any, ...]


def offered_roles(options: ModelOptions | None) -> list[tuple[str, str]]:
    """Return what an image can be for, as far as the model takes it; kinds of guides are told apart."""
    if options is None:
        return []
    found: list[tuple[str, str]] = []
    for role in _ROLES:
        label = str(LABELS[InputRole][role])
        if not options.most_images(role):
            continue
        found.append((role.value, label))
        if role is InputRole.CONTROL:
            found += [
                (f"{role.value}:{kind}", f"{label}: {capfirst(kind.replace('_', ' '))}")
                for kind in options.capabilities.control_kinds
            ]
    return found


def taken_images(data: Any, *, actor: Person, added: str = "") -> list[TakenImage]:
    """Return the images that a form was sent with, or that its address adds.

    Only those that the person may use are found: the service requires it of each.
    """
    wanted: dict[int, tuple[str, str]] = {}
    if data is None:
        wanted = {number: (key, "") for number, key in enumerate(filter(None, added.split(",")))}
    else:
        for name in data:
            found = _ROW.match(str(name))
            if found and data.get(name):
                wanted[int(found[1])] = (str(data[name]), str(data.get(f"{name}_role") or ""))
    keys = {number: content_fields.parse_key(Asset, key) for number, (key, _role) in wanted.items()}
    usable = (
        use_of_assets.usable_assets(actor).in_bulk([k for k in keys.values() if k]) if keys else {}
    )
    named = [key for key, _role in wanted.values() if ":" in key][: MAX_INPUTS + 1]
    of_site = picture_sources.find_pictures(actor, named) if named else {}
    return [
        TakenImage(number, usable.get(keys[number]), role, of_site.get(key))
        for number, (key, role) in sorted(wanted.items())[: MAX_INPUTS + 1]
    ]


def reference_fields(
    taken: list[TakenImage], options: ModelOptions | None
) -> dict[str, forms.Field]:
    """Return the fields of each image, and the role that it has for this model."""
    roles = offered_roles(options)
    fields: dict[str, forms.Field] = {}
    for one in taken:
        if not one.is_usable:
            continue
        fields[one.name] = forms.CharField(
            required=False, initial=one.key, max_length=40, widget=forms.HiddenInput
        )
        fields[f"{one.name}_role"] = OfferedChoiceField(
            label=_("Role"),
            required=False,
            choices=roles,
            initial=one.role or (roles[0][0] if roles else ""),
        )
        for part, label, low, high, usual in (
            ("weight", _("Weight"), 0, 10, "1"),
            ("start", _("Start"), 0, 1, "0"),
            ("end", _("End"), 0, 1, "1"),
        ):
            attrs = {"min": low, "max": high, "step": "any", "placeholder": usual}
            fields[f"{one.name}_{part}"] = forms.FloatField(
                label=label, required=False, widget=forms.NumberInput(attrs=attrs)
            )
    return fields


def roles_of(taken: list[TakenImage], options: ModelOptions | None) -> frozenset[InputRole]:
    """Return which roles the images have; without a choice, the first that the model takes."""
    usual = next(iter(offered_roles(options)), (InputRole.IMAGE.value, ""))[0]
    found = set()
    for one in taken:
        role, _kind = _parts(one.role or usual)
        if one.is_usable and role is not None:
            found.add(role)
    return frozenset(found)


def given_references(
    taken: list[TakenImage], data: Mapping[str, Any], *, actor: Person, is_draft: bool = False
) -> list[InputSource]:
    """Return the images as input images; for a draft, files of the site are not read.

    :raises InvalidJobRequest: if an image of the site cannot be used any more.
    """
    sources = []
    for one in taken:
        role, kind = _parts(str(data.get(f"{one.name}_role") or one.role))
        if not one.is_usable or role is None or not data.get(one.name):
            continue
        guide = None
        if role is InputRole.CONTROL:
            guide = ControlGuide(
                kind=kind,
                weight=number_of(data, f"{one.name}_weight", 1.0),
                start=number_of(data, f"{one.name}_start", 0.0),
                end=number_of(data, f"{one.name}_end", 1.0),
            )
        if one.picture is None:
            sources.append(InputSource(role=role, asset=one.asset, guide=guide))
        elif is_draft:
            sources.append(site_pictures.planned_source(one.key, role=role, guide=guide))
        else:
            sources.append(site_pictures.input_source(actor, one.key, role=role, guide=guide))
    return sources


def taken_rows(form: Any) -> list[TakenRow]:
    """Return the rows that are shown."""
    return [
        TakenRow(
            key=one.key,
            **_shown(one),
            field=form[one.name],
            role=form[f"{one.name}_role"],
            numbers=tuple(form[f"{one.name}_{part}"] for part in _NUMBERS),
        )
        for one in form.taken
        if one.is_usable and one.name in form.fields and form[one.name].value()
    ]


def _shown(one: TakenImage) -> dict[str, Any]:
    picture: Any = one.picture or one.asset
    is_ours = one.picture is None
    return {
        "label": picture.alt_text if is_ours else picture.name,
        "alt_text": picture.alt_text,
        "width": picture.width,
        "height": picture.height,
        "preview": delivery.preview_url(picture, width=320) if is_ours else preview_url(picture),
    }


def moved_roles(
    values: Mapping[str, str], options: ModelOptions
) -> Iterator[tuple[str, str, str, str]]:
    """Yield each role that the model does not take: its field, the role instead, and both by name.

    The role instead is empty for a model that takes no images.
    """
    roles = dict(offered_roles(options))
    labels = {role.value: str(label) for role, label in LABELS[InputRole].items()}
    for name, value in values.items():
        if not re.fullmatch(rf"{PREFIX}[0-9]{{1,3}}_role", name) or not value or value in roles:
            continue
        base = value.partition(":")[0]
        new = base if base in roles else next(iter(roles), "")
        yield name, new, labels.get(base, base), roles.get(new, "")


def _parts(role: str) -> tuple[InputRole | None, str]:
    name, _colon, kind = role.partition(":")
    try:
        return InputRole(name), kind
    except ValueError:
        return None, ""
