"""Check a request against what a model can do, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import NEEDS_IMAGE, InputRole, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.types import Capabilities, GenerationRequest

_MAX_VALUE_CHARS = 200


def check_request(request: GenerationRequest, *, capabilities: Capabilities) -> None:
    """Refuse what the model does not offer.

    :raises UnsupportedParameter: with the first complaint as its detail.
    """
    for complaint in complaints(request, capabilities=capabilities):
        raise UnsupportedParameter(detail=complaint)


def complaints(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[str]:
    """Say what does not fit, each in a few words that name the parameter."""
    if request.operation not in capabilities.operations:
        yield f"operation: {request.operation} is not offered by this model"
        return
    if not 1 <= request.count <= capabilities.max_count:
        yield f"count: between 1 and {capabilities.max_count} images are possible"
    if len(request.prompt) > capabilities.max_prompt_chars:
        yield f"prompt: at most {capabilities.max_prompt_chars} characters are possible"
    if request.operation is not Operation.REMOVE_BACKGROUND:
        size = capabilities.sizes.complaint(request.size)
        if size:
            yield f"size: {size}"
    yield from _choices(request, capabilities=capabilities)
    yield from _inputs(request, capabilities=capabilities)
    yield from _extra(request, capabilities=capabilities)


def _choices(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[str]:
    for name, value, allowed in (
        ("quality", request.quality, capabilities.qualities),
        ("output_format", request.output_format, capabilities.output_formats),
        ("background", request.background, capabilities.backgrounds),
    ):
        if value and value not in allowed:
            yield f"{name}: " + (
                f"choose one of {', '.join(allowed)}" if allowed else "not offered"
            )
    cut_out = request.operation is Operation.REMOVE_BACKGROUND
    if (cut_out or request.background == "transparent") and request.output_format == "jpeg":
        yield "background: a JPEG cannot be transparent"
    if request.seed is not None and not capabilities.takes_seed:
        yield "seed: not offered"
    if request.negative_prompt and not capabilities.takes_negative_prompt:
        yield "negative_prompt: not offered"


def _inputs(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[str]:
    masks = [i for i in request.inputs if i.role is InputRole.MASK]
    images = [i for i in request.inputs if i.role is not InputRole.MASK]
    if request.operation in NEEDS_IMAGE and not images:
        yield "inputs: this operation needs an image"
    if len(images) > capabilities.max_inputs:
        yield f"inputs: at most {capabilities.max_inputs} images are possible"
    if masks and not capabilities.takes_mask:
        yield "mask: not offered"
    if len(masks) > 1:
        yield "mask: only one is possible"
    if request.operation is Operation.INPAINT and not masks:
        yield "mask: needed for this operation"
    for mask in masks:
        if images and (mask.width, mask.height) != (images[0].width, images[0].height):
            yield "mask: must be as large as the image"


def _extra(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[str]:
    for name, value in request.parameters.items():
        if name not in capabilities.parameters:
            yield f"{name[:40]}: not offered"
            continue
        allowed = capabilities.parameters[name]
        if allowed and str(value) not in allowed:
            yield f"{name}: choose one of {', '.join(allowed)}"
        elif not isinstance(value, str | int | float | bool) or len(str(value)) > _MAX_VALUE_CHARS:
            yield f"{name}: a short value is needed"
