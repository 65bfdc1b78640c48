"""The studio's fields for a mask that is drawn over the source image, by pointer, by keys or in numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import frame_fields
from imagegen_app.admin.pages.input_fields import PROMISED_MASK
from imagegen_app.core.mask_drawings import CELL_COUNT, MAX_FEATHER, MaskDrawing, Rectangle
from imagegen_app.core.types import InputRole, Size
from imagegen_app.services.job_requests.values import InputSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.models import Asset
    from imagegen_app.services.job_requests.model_options import ModelOptions
    from imagegen_app.services.library.content_images import ContentImage

    Picture = Asset | ContentImage

#: Of the list of what was done in the editor, so that it can be opened again.
MAX_OPERATIONS_CHARS = 256 * 1024
_RECTANGLE = ("mask_left", "mask_top", "mask_width", "mask_height")
#: A place in pixels that no image reaches.
_FARTHEST = 100_000


def drawing_fields(asset: Picture | None, options: ModelOptions) -> dict[str, forms.Field]:
    """Return the fields of what is drawn over the source image: a mask, and a frame round it."""
    return {**mask_fields(asset), **frame_fields.frame_fields(asset, options)}


def mask_fields(asset: Picture | None) -> dict[str, forms.Field]:
    """Return the fields; without a source image there is nothing to draw over."""
    if asset is None:
        return {}
    labels = (_("Left"), _("Top"), _("Width"), _("Height"))
    return {
        **{
            name: forms.IntegerField(label=label, required=False, min_value=0, max_value=_FARTHEST)
            for name, label in zip(_RECTANGLE, labels, strict=True)
        },
        "mask_cells": forms.MultipleChoiceField(
            label=_("Parts of the image"),
            required=False,
            choices=list(enumerate(cell_names())),
            widget=forms.CheckboxSelectMultiple,
        ),
        "mask_inverted": forms.BooleanField(
            label=_("Everything but the rectangle and these parts"), required=False
        ),
        "mask_feather": forms.IntegerField(
            label=_("Soft edge, in pixels"),
            required=False,
            initial=0,
            min_value=0,
            max_value=MAX_FEATHER,
        ),
        "mask_operations": forms.CharField(
            required=False, max_length=MAX_OPERATIONS_CHARS, widget=forms.HiddenInput
        ),
        "mask_drawn": forms.BooleanField(required=False, widget=forms.HiddenInput),
    }


def cell_names() -> list[str]:
    """Return what the parts of an image are called, in the order of reading."""
    names = [
        _("top left"),
        _("top middle"),
        _("top right"),
        _("middle left"),
        _("middle"),
        _("middle right"),
        _("bottom left"),
        _("bottom middle"),
        _("bottom right"),
    ]
    assert len(names) == CELL_COUNT  # noqa: S101 - of this module alone
    return names


def drawn_names(data: Any) -> set[str]:
    """Return the name of the mask's field if the values that were sent draw one in words."""
    if data is None:
        return set()
    has_rectangle = all(str(data.get(name) or "0").strip("0") for name in _RECTANGLE[2:])
    return {"mask"} if has_rectangle or data.get("mask_cells") else set()


def are_lost(data: Any, files: Any) -> bool:
    """Return whether files were sent that the form cannot show again; a drawn mask it can."""
    kept = {"mask"} if data.get("mask_operations") else set()
    return bool(set(files or ()) - kept)


def kept_values(data: Any) -> dict[str, Any]:
    """Return the initial values of what can be chosen several times."""
    return {"mask_cells": data.getlist("mask_cells")} if hasattr(data, "getlist") else {}


def with_drawing(
    sources: list[InputSource], data: Mapping[str, Any], asset: Picture | None
) -> list[InputSource]:
    """Return the input images with how their mask was drawn over the source image.

    A picture of the mask goes before what the numbers say; without both there is no mask.
    """
    if asset is None:
        return sources
    drawing = _drawing(data, Size(asset.width, asset.height))
    masks = [one for one in sources if one.role is InputRole.MASK]
    if not masks and drawing.has_shapes:
        return [*sources, InputSource(role=InputRole.MASK, drawing=drawing)]
    # One that is not sent along for a price has a drawing of its own, of another size.
    promised = replace(drawing, cells=PROMISED_MASK.cells, is_from_editor=False)
    return [
        replace(one, drawing=drawing if one.data else promised) if one in masks else one
        for one in sources
    ]


def _drawing(data: Mapping[str, Any], size: Size) -> MaskDrawing:
    left, top, width, height = (data.get(name) or 0 for name in _RECTANGLE)
    cells = data.get("mask_cells") or ()
    return MaskDrawing(
        size=size,
        rectangle=Rectangle(int(left), int(top), int(width), int(height))
        if width and height
        else None,
        cells=frozenset(int(cell) for cell in cells),
        is_inverted=bool(data.get("mask_inverted")),
        feather=int(data.get("mask_feather") or 0),
        is_from_editor=bool(data.get("mask_drawn")),
    )
