"""Turn uploads and assets into the input images of a request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core.limits import MAX_INPUT_BYTES, MAX_INPUTS
from imagegen_app.core.source_types import marked_source_type
from imagegen_app.core.types import ImageInput, InputRole, Size
from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.providers.parameters import input_count_errors
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.gateways import decoding, manifests, storage
from imagegen_app.services.job_requests.values import (
    InputOrigin,
    InvalidJobRequest,
    describe_complaint,
)
from imagegen_app.services.policy import closed_content
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.imaging.input_images import NormalisedImage
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import InputSource


def read_input_images(
    inputs: Sequence[InputSource], *, image_model: ImageModel, capabilities: Capabilities
) -> tuple[tuple[ImageInput, ...], tuple[InputOrigin, ...]]:
    """Return what is sent of the input images, and where they come from.

    This is the one place where uploads and assets become input images: upright, sRGB, and without
    metadata. A follow-up pass gets the same of the image before it, see `worker._ingest`.

    :raises InvalidJobRequest: if there are more than the model takes, or one is not accepted.
    :raises StorageUnavailable: if an asset cannot be read at present.
    :raises ImageFileMissing: if the file of an asset is missing.
    :raises ClosedForGood: if an asset was found in a hard category.
    """
    # Before any of them is decoded.
    roles = [source.role for source in inputs]
    complaint = next(input_count_errors(roles, capabilities=capabilities), None)
    if complaint is not None:
        raise InvalidJobRequest(
            describe_complaint(image_model, complaint),
            field=complaint.part,
            remedy=_("Choose fewer images or another model."),
        )
    if len(inputs) > MAX_INPUTS:
        raise InvalidJobRequest(
            _("At most %(most)s input images are accepted.") % {"most": MAX_INPUTS}, field="inputs"
        )
    if not inputs:
        return (), ()
    patience = decoding.Patience()
    sent: dict[int, NormalisedImage | ImageInput] = {}
    origins: dict[int, InputOrigin] = {}
    picture: NormalisedImage | None = None
    # The picture first, and masks last: they are made as large as the picture.
    for number, source in sorted(enumerate(inputs), key=lambda one: _order(one[1].role)):
        if source.planned:
            sent[number] = _planned(source, capabilities)
            origins[number] = InputOrigin(asset=source.asset, content=source.content)
            continue
        is_mask = source.role is InputRole.MASK
        data = source.data
        if source.asset:
            closed_content.require_open_asset(source.asset)
            with refuse_on_storage_failure(_("The images were not requested.")):
                data = storage.get(source.asset.storage_key)
        field = "mask" if is_mask else "inputs"
        if len(data) > MAX_INPUT_BYTES:
            raise InvalidJobRequest(_("An input image is too large."), field=field)
        rule = capabilities.input_rule(source.role)
        try:
            if is_mask:
                image = decoding.normalise_mask(
                    data, rule=rule, picture=picture, patience=patience, drawing=source.drawing
                )
            else:
                image = decoding.normalise_picture(data, rule=rule, patience=patience)
                picture = picture or image
            origins[number] = _origin(source, image, data=data, patience=patience)
        except InvalidImage as error:
            raise InvalidJobRequest(_refusal_reason(error, picture), field=field) from None
        sent[number] = image
    images = tuple(
        ImageInput(
            role=source.role,
            media_type=sent[number].media_type,
            sha256=sent[number].sha256,
            width=sent[number].width,
            height=sent[number].height,
            data=sent[number].data,
            guide=source.guide,
        )
        for number, source in enumerate(inputs)
    )
    return images, tuple(origins[number] for number in range(len(inputs)))


def _planned(source: InputSource, capabilities: Capabilities) -> ImageInput:
    """Return what stands for an image that is not read yet, as the model would take it."""
    rule, asset = capabilities.input_rule(source.role), source.asset
    shape = Size(1024, 1024) if asset is None else Size(asset.width, asset.height)
    fitted = rule.fitted(shape)
    return ImageInput(
        role=source.role,
        data=b"",
        media_type=f"image/{rule.formats[0]}",
        # Of the reference: no image has it, so that no earlier result is taken for this one's.
        sha256=hashlib.sha256(source.planned.encode()).hexdigest(),
        width=fitted.width,
        height=fitted.height,
    )


def _refusal_reason(error: InvalidImage, picture: NormalisedImage | None) -> str:
    reason = stored_messages.translate_stored(str(error))
    if error.reason != "mask_shape" or picture is None:
        return reason
    sizes = _("The mask has %(mask)s pixels, the image %(image)s.") % {
        "mask": error.detail,
        "image": f"{picture.width}x{picture.height}",
    }
    return f"{reason} {sizes}"


def _order(role: InputRole) -> int:
    return {InputRole.IMAGE: 0, InputRole.MASK: 2}.get(role, 1)


def _origin(
    source: InputSource, image: NormalisedImage, *, data: bytes, patience: decoding.Patience
) -> InputOrigin:
    if source.asset is not None:
        return InputOrigin(asset=source.asset)
    if not data:
        # Drawn here, as the words of a form say.
        return InputOrigin()
    # They hold for the bytes as they were received, which may not be kept.
    manifest = manifests.read_manifest(data, patience=patience)
    return InputOrigin(
        original=data if conf.get().images.keep_original_inputs else b"",
        extension=image.source.extension,
        digital_source_type=marked_source_type(
            image.digital_source_type,
            manifest.facts.digital_source_type,
            source.digital_source_type,
        ),
        manifest=manifest,
        content=source.content,
        found_at=source.found_at,
    )
