"""Make the requests of our samples that are more than one of a size for each operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.contract.samples import sample_image, sample_requests


def edits_of_bfl() -> Mapping[Operation, GenerationRequest]:
    """Return the samples of the models that alter a part of an image, or go beyond its edges."""
    inpaint = sample_requests([Operation.INPAINT], model="flux-pro-1.0-fill", size=Size(256, 256))
    outpaint = sample_requests(
        [Operation.OUTPAINT], model="flux-pro-1.0-expand", size=Size(256, 256)
    )
    larger = replace(outpaint[Operation.OUTPAINT], size=Size(320, 256))
    return {**inpaint, Operation.OUTPAINT: larger}


def edits_of_stability() -> Mapping[Operation, GenerationRequest]:
    """Return the samples of its models that alter images, each at a service of its own."""
    made = sample_requests(
        [
            Operation.INPAINT,
            Operation.ERASE,
            Operation.OUTPAINT,
            Operation.REPLACE,
            Operation.RECOLOUR,
            Operation.REMOVE_BACKGROUND,
            Operation.RELIGHT,
            Operation.EDIT,
            Operation.CONTROL,
            Operation.UPSCALE,
        ],
        model="edit",
        size=Size(512, 512),
    )
    others = {Operation.EDIT: "ultra", Operation.CONTROL: "control", Operation.UPSCALE: "fast"}
    made |= {operation: replace(made[operation], model=name) for operation, name in others.items()}
    made[Operation.OUTPAINT] = replace(made[Operation.OUTPAINT], size=Size(640, 512))
    for operation, name in ((Operation.REPLACE, "search"), (Operation.RECOLOUR, "select")):
        made[operation] = replace(made[operation], parameters={f"{name}_prompt": "a mug"})
    return made


#: Each does one thing; sizes are of the input images.
_BEDROCK_MODELS = {
    Operation.INPAINT: "image-inpaint",
    Operation.ERASE: "image-erase-object",
    Operation.OUTPAINT: "outpaint",
    Operation.REPLACE: "image-search-replace",
    Operation.RECOLOUR: "image-search-recolor",
    Operation.REMOVE_BACKGROUND: "image-remove-background",
    Operation.UPSCALE: "creative-upscale",
    Operation.CONTROL: "image-control-sketch",
}


def calls_of_bedrock() -> Mapping[Operation, GenerationRequest]:
    """Return the samples of the models that alter images."""
    made = {
        operation: replace(request, model=f"us.stability.stable-{_BEDROCK_MODELS[operation]}-v1:0")
        for operation, request in sample_requests(
            _BEDROCK_MODELS, model="", size=Size(128, 128)
        ).items()
    }
    made[Operation.OUTPAINT] = replace(made[Operation.OUTPAINT], size=Size(160, 128))
    for operation, name in ((Operation.REPLACE, "search"), (Operation.RECOLOUR, "select")):
        made[operation] = replace(made[operation], parameters={f"{name}_prompt": "a mug"})
    return made


def style_transfer_of_bedrock() -> Mapping[Operation, GenerationRequest]:
    """Return the sample of a model that gives one image the look of another."""
    size = Size(128, 128)
    made = sample_requests(
        [Operation.EDIT], model="us.stability.stable-style-transfer-v1:0", size=size
    )
    images = (sample_image(size), sample_image(size, role=InputRole.STYLE))
    return {Operation.EDIT: replace(made[Operation.EDIT], inputs=images)}


def calls_of_automatic1111() -> Mapping[Operation, GenerationRequest]:
    """Return the samples of a checkpoint; an enlargement has another size than its image."""
    made = sample_requests(
        [
            Operation.GENERATE,
            Operation.EDIT,
            Operation.INPAINT,
            Operation.UPSCALE,
            Operation.RESTORE_FACES,
            Operation.CONTROL,
        ],
        model="sd_xl_base_1.0",
        size=Size(512, 512),
    )
    made[Operation.UPSCALE] = replace(made[Operation.UPSCALE], size=Size(1000, 1000))
    return made


def calls_of_openai(model: str) -> Mapping[Operation, GenerationRequest]:
    """Return the samples of a model of OpenAI's, whoever serves it."""
    return sample_requests(
        [
            Operation.GENERATE,
            Operation.EDIT,
            Operation.INPAINT,
            Operation.OUTPAINT,
            Operation.VARY,
            Operation.REMOVE_BACKGROUND,
        ],
        model=model,
        size=Size(1024, 1024),
    )
