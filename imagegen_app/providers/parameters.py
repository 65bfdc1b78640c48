"""Check a request against what a model can do, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.types import (
    IMAGE_INPUT_OPERATIONS,
    Complaint,
    InputRole,
    Operation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.types import Capabilities, GenerationRequest

_MAX_VALUE_CHARS = 200


#: Reasons that several parameters share.
_NOT_OFFERED = Message(gettext_noop("not offered"))
_CHOOSE = gettext_noop("choose one of %(known)s")
_MAX_IMAGES = gettext_noop("at most %(most)s images are possible")


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
            gettext_noop("between 1 and %(most)s images are possible"),
            most=capabilities.max_count,
        )
    if len(request.prompt) > capabilities.max_prompt_chars:
        yield _complaint(
            "prompt",
            gettext_noop("at most %(most)s characters are possible"),
            most=capabilities.max_prompt_chars,
        )
    if request.operation is not Operation.REMOVE_BACKGROUND:
        size = capabilities.sizes.error_for(request.size)
        if size is not None:
            yield size
    yield from _choices(request, capabilities=capabilities)
    yield from _inputs(request, capabilities=capabilities)
    yield from _extra(request, capabilities=capabilities)


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
    if len(images) > capabilities.max_inputs:
        yield _complaint("inputs", _MAX_IMAGES, most=capabilities.max_inputs)
    if masks and not capabilities.supports_mask:
        yield Complaint("mask", _NOT_OFFERED)
    if len(masks) > 1:
        yield _complaint("mask", gettext_noop("only one is possible"))
    if request.operation is Operation.INPAINT and not masks:
        yield _complaint("mask", gettext_noop("needed for this operation"))
    yield from _input_files(request, capabilities=capabilities)
    for mask in masks:
        if images and (mask.width, mask.height) != (images[0].width, images[0].height):
            yield _complaint("mask", gettext_noop("must be as large as the image"))


def _input_files(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for role in InputRole:
        rule = capabilities.input_rule(role)
        part = "mask" if role is InputRole.MASK else "inputs"
        given = [image for image in request.inputs if image.role is role]
        if rule.max_count and len(given) > rule.max_count:
            yield _complaint(part, _MAX_IMAGES, most=rule.max_count)
        for reason in filter(None, map(rule.error_for, given)):
            yield Complaint(part, reason)


def _extra(request: GenerationRequest, *, capabilities: Capabilities) -> Iterator[Complaint]:
    for name, value in request.parameters.items():
        if name not in capabilities.parameters:
            yield Complaint(name[:40], _NOT_OFFERED)
            continue
        allowed = capabilities.parameters[name]
        if allowed and str(value) not in allowed:
            yield _complaint(name, _CHOOSE, known=", ".join(allowed))
        elif not isinstance(value, str | int | float | bool) or len(str(value)) > _MAX_VALUE_CHARS:
            yield _complaint(name, gettext_noop("a short value is needed"))
