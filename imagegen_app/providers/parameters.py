"""Check a request against what a model can do, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import (
    IMAGE_INPUT_OPERATIONS,
    MASK_OPERATIONS,
    Complaint,
    InputRole,
    Operation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import GenerationRequest, ImageInput


#: Reasons that several parameters share.
_NOT_OFFERED = Message(gettext_noop("not offered"))
_CHOOSE = gettext_noop("choose one of %(known)s")
_MAX_IMAGES = gettext_noop("at most %(most)s images are possible")
_ONE_IMAGE = gettext_noop("only one image is possible")
_IMAGE_RANGE = gettext_noop("between 1 and %(most)s images are possible")
#: What the reasons call the images of a role.
_PARTS = {
    InputRole.MASK: "mask",
    InputRole.CONTROL: "control_images",
    InputRole.STYLE: "style_images",
}
#: Roles that a model must declare to be handed images of.
_DECLARED_ROLES = (InputRole.CONTROL, InputRole.STYLE)
_MAX_WEIGHT = 10.0
_WEIGHT = gettext_noop("a weight must be between %(low)s and %(high)s")


def parse_parameters(values: Mapping[str, Any], *, capabilities: Capabilities) -> dict[str, Any]:
    """Return parameters as values of their declared kinds, where they are given as text."""
    declared = capabilities.parameters
    return {
        name: declared[name].parse(value) if name in declared else value
        for name, value in values.items()
    }


def check_request(request: GenerationRequest, *, capabilities: Capabilities) -> None:
    """Refuse what the model does not offer.

    :raises UnsupportedParameter: with the first complaint as its detail.
    """
    for complaint in validation_errors(request, capabilities=capabilities):
        raise UnsupportedParameter(detail=str(complaint))


def validation_errors(
    request: GenerationRequest, *, capabilities: Capabilities
) -> Iterator[Complaint]:
    """Return what does not fit: the parameter, and why in a few words."""
    if request.operation not in capabilities.operations:
        yield _complaint(
            "operation",
            gettext_noop("“%(operation)s” is not offered by this model"),
            operation=request.operation.value,
        )
        return
    if not 1 <= request.count <= capabilities.max_count:
        yield _complaint(
            "count",
            _ONE_IMAGE if capabilities.max_count == 1 else _IMAGE_RANGE,
            most=capabilities.max_count,
        )
    if len(request.prompt) > capabilities.max_prompt_chars:
        yield _complaint(
            "prompt",
            gettext_noop("at most %(most)s characters are possible"),
            most=capabilities.max_prompt_chars,
        )
    if request.operation is not Operation.REMOVE_BACKGROUND:
        size = capabilities.sizes_for(request.operation).error_for(request.size)
        if size is not None:
            yield size
    yield from _choices(request, capabilities=capabilities)
    yield from _inputs(request, capabilities=capabilities)
    yield from _guides(request, capabilities=capabilities)
    yield from _extra(request, capabilities=capabilities)
    yield from _loras(request, capabilities=capabilities)


def input_count_errors(
    roles: Sequence[InputRole], *, capabilities: Capabilities
) -> Iterator[Complaint]:
    """Return which input images are too many, or have a role that the model does not take."""
    masks = roles.count(InputRole.MASK)
    if len(roles) - masks > capabilities.max_inputs:
        yield _too_many("inputs", capabilities.max_inputs)
    if masks and not capabilities.supports_mask:
        yield Complaint("mask", _NOT_OFFERED)
    if masks > 1:
        yield _complaint("mask", gettext_noop("only one is possible"))
    for role in InputRole:
        part = _PARTS.get(role, "inputs")
        most = capabilities.input_rule(role).max_count
        if role in roles and role in _DECLARED_ROLES and role not in capabilities.inputs:
            yield Complaint(part, _NOT_OFFERED)
        elif most and roles.count(role) > most:
            yield _too_many(part, most)


def _too_many(part: str, most: int) -> Complaint:
    return _complaint(part, _ONE_IMAGE if most == 1 else _MAX_IMAGES, most=most)


def _complaint(part: str, text: str, **values: object) -> Complaint:
    return Complaint(part, Message(text, values))


def _choices(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for name, value, allowed in (
        ("quality", request.quality, capabilities.qualities),
        ("output_format", request.output_format, capabilities.output_formats),
        ("background", request.background, capabilities.backgrounds),
    ):
        if value and value not in allowed:
            if allowed:
                yield _complaint(name, _CHOOSE, known=", ".join(allowed))
            else:
                yield Complaint(name, _NOT_OFFERED)
    cut_out = request.operation is Operation.REMOVE_BACKGROUND
    if (cut_out or request.background == "transparent") and request.output_format == "jpeg":
        yield _complaint("background", gettext_noop("a JPEG cannot be transparent"))
    if request.seed is not None and not capabilities.supports_seed:
        yield Complaint("seed", _NOT_OFFERED)
    if request.negative_prompt and not capabilities.supports_negative_prompt:
        yield Complaint("negative_prompt", _NOT_OFFERED)


def _inputs(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    masks = [i for i in request.inputs if i.role is InputRole.MASK]
    images = [i for i in request.inputs if i.role is not InputRole.MASK]
    if request.operation in IMAGE_INPUT_OPERATIONS and not images:
        yield _complaint("inputs", gettext_noop("this operation needs an image"))
    yield from input_count_errors([i.role for i in request.inputs], capabilities=capabilities)
    if request.operation in MASK_OPERATIONS and not masks:
        yield _complaint("mask", gettext_noop("needed for this operation"))
    yield from _input_files(request, capabilities=capabilities)
    # The image that is changed comes first in a request, unless guides come before it.
    changed = next((i for i in images if i.role is InputRole.IMAGE), next(iter(images), None))
    for mask in masks:
        if changed and (mask.width, mask.height) != (changed.width, changed.height):
            yield _complaint("mask", gettext_noop("must be as large as the image"))


def _input_files(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for image in request.inputs:
        reason = capabilities.input_rule(image.role).error_for(image)
        if reason is not None:
            yield Complaint(_PARTS.get(image.role, "inputs"), reason)


def _guides(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for image in request.inputs:
        if image.guide is None:
            continue
        if image.role is not InputRole.CONTROL:
            yield _complaint("control_images", gettext_noop("only a control image can be a guide"))
            continue
        yield from _guide(image, kinds=capabilities.control_kinds)


def _guide(image: ImageInput, *, kinds: tuple[str, ...]) -> Iterator[Complaint]:
    guide = image.guide
    if guide is None:
        return
    if guide.kind and guide.kind not in kinds:
        known = ", ".join(kinds)
        yield (
            _complaint("control_images", _CHOOSE, known=known)
            if kinds
            else Complaint("control_images", _NOT_OFFERED)
        )
    if not 0.0 <= guide.weight <= _MAX_WEIGHT:
        yield _complaint("control_images", _WEIGHT, low="0", high=f"{_MAX_WEIGHT:g}")
    if not 0.0 <= guide.start < guide.end <= 1.0:
        yield _complaint(
            "control_images", gettext_noop("it must start before it ends, between 0 and 1")
        )


def _extra(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for name, value in request.parameters.items():
        declared = capabilities.parameters.get(name)
        if declared is None or not declared.belongs_to(request.operation):
            yield Complaint(name[:40], _NOT_OFFERED)
        elif (reason := declared.error_for(value)) is not None:
            yield Complaint(name, reason)


def _loras(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    if request.loras and not capabilities.max_loras:
        yield Complaint("loras", _NOT_OFFERED)
    elif len(request.loras) > capabilities.max_loras:
        yield _complaint(
            "loras", gettext_noop("at most %(most)s are possible"), most=capabilities.max_loras
        )
    low, high = capabilities.lora_weights
    # Also refuses what is no number.
    if not all(low <= lora.weight <= high for lora in request.loras):
        yield _complaint("loras", _WEIGHT, low=f"{low:g}", high=f"{high:g}")
