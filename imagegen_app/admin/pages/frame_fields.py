"""The studio's fields for what is added round the source image, on each of its sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.frames import Frame, anchor_of, framed_size
from imagegen_app.core.types import Operation, Size
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.models import Asset
    from imagegen_app.services.job_requests.model_options import ModelOptions
    from imagegen_app.services.library.content_images import ContentImage

SIDES = ("left", "top", "right", "bottom")
_MOST = 8192
#: Of the image's width, on both sides, where nobody has said anything yet.
_USUAL_SHARE = 4
_FACTOR = 2


def frame_fields(
    asset: Asset | ContentImage | None, options: ModelOptions
) -> dict[str, forms.Field]:
    """Return the fields for an operation that extends the source image; none for others."""
    if asset is None or options.operation is not Operation.OUTPAINT:
        return {}
    step = step_of(options)
    usual = asset.width // _USUAL_SHARE // step * step
    labels = (_("Left"), _("Top"), _("Right"), _("Bottom"))
    return {
        f"frame_{side}": forms.IntegerField(
            label=label,
            required=False,
            min_value=0,
            max_value=_MOST,
            initial=usual if side in {"left", "right"} else 0,
            widget=forms.NumberInput(attrs={"step": step}),
        )
        for side, label in zip(SIDES, labels, strict=True)
    }


def step_of(options: ModelOptions) -> int:
    """Return of how many pixels the sides of an extended image are multiples."""
    return options.capabilities.sizes_for(Operation.OUTPAINT).step


def anchors_of(options: ModelOptions) -> tuple[str, ...]:
    """Return the words that a model has for where the image stays; empty if it extends evenly."""
    parameter = options.parameters.get("anchor")
    return () if parameter is None else tuple(str(choice) for choice in parameter.choices or ())


def with_frame(
    picture: Asset | ContentImage | None,
    data: Mapping[str, Any],
    size: str,
    parameters: dict[str, str],
    options: ModelOptions | None,
) -> tuple[str, dict[str, str]]:
    """Return size and parameters of a request, as the frame says where there is one.

    :raises InvalidJobRequest: if the model cannot extend an image like that.
    """
    frame = Frame(**{side: int(data.get(f"frame_{side}") or 0) for side in SIDES})
    is_framed = options is not None and options.operation is Operation.OUTPAINT
    if picture is None or options is None or not is_framed or frame.is_empty:
        return size, parameters
    anchors = anchors_of(options)
    anchor = anchor_of(frame, anchors)
    if anchor is None:
        names = {"model": options.image_model.name}
        evenly = _("“%(model)s” extends an image evenly on opposite sides.")
        one_side = _("“%(model)s” extends an image evenly on opposite sides, or on one side alone.")
        raise InvalidJobRequest(
            (one_side if anchors else evenly) % names,
            field="frame",
            remedy=_("Add as much on the opposite side, or nothing there."),
        )
    found = framed_size(
        Size(picture.width, picture.height),
        frame,
        options.capabilities.sizes_for(Operation.OUTPAINT),
    )
    return str(found), {**parameters, **({"anchor": anchor} if anchors else {})}


def doubled_size(asset: Asset | ContentImage, options: ModelOptions) -> Size:
    """Return the size of an image that is made twice as large, or as large as the model can."""
    wanted = Size(asset.width * _FACTOR, asset.height * _FACTOR)
    return size_like(wanted, options.capabilities.sizes_for(options.operation))
