"""Know fal's endpoints: what each can do, and by which names its inputs go."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagegen_app.core.capabilities import ANY_SIZE, Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.families import described_requests, masks
from imagegen_app.providers.families.described_requests import TakenInput
from imagegen_app.providers.families.named_models import wordless_operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.families.masks import MaskStyle

_IMAGES = InputRule(max_bytes=20 * 2**20)
_STEPS = Parameter("int", low=1, high=50, help=gettext_noop("More steps take longer."))
_GUIDANCE = Parameter(
    "float", low=0.0, high=20.0, help=gettext_noop("How closely the image follows the prompt.")
)
_STRENGTH = Parameter(
    "float", low=0.01, high=1.0, help=gettext_noop("How much of the image is changed.")
)
_TOLERANCE = Parameter(
    "int", low=1, high=5, help=gettext_noop("How much the filter lets pass; 1 is the least.")
)
_PROMPTLESS = frozenset({Operation.REMOVE_BACKGROUND, Operation.UPSCALE, Operation.RESTORE_FACES})
_WIRE = {"steps": "num_inference_steps", "guidance": "guidance_scale"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: what it can do, and what its fields are called."""

    can: Capabilities
    #: The field for images; a name in the plural takes a list.
    image: str = "image_url"
    mask: MaskStyle = "white"
    #: The field for the quality.
    quality: str = ""
    #: The field for how many times larger an image becomes.
    factor: str = ""
    #: Whether it takes a size; otherwise the image's own stays.
    is_sized: bool = False
    #: What is always sent.
    fixed: Mapping[str, Any] = field(default_factory=dict)


def _endpoint(
    operation: Operation,
    *,
    most: int = 1,
    is_sized: bool = False,
    can: Mapping[str, Any],
    **more: Any,
) -> Endpoint:
    values: dict[str, Any] = {"operations": frozenset({operation}), "sizes": SizeRule()}
    values["promptless"] = values["operations"] & _PROMPTLESS
    if operation is not Operation.GENERATE:
        values |= {"max_inputs": most, "inputs": {InputRole.IMAGE: _IMAGES}}
    if operation is Operation.INPAINT:
        rules = {**values["inputs"], InputRole.MASK: InputRule(formats=("png",), max_count=1)}
        values |= {"supports_mask": True, "inputs": rules}
    sized = is_sized or operation is Operation.GENERATE
    if sized or operation is Operation.UPSCALE:
        values["sizes"] = _PIXELS if sized else ANY_SIZE
    return Endpoint(Capabilities(**values | dict(can)), is_sized=sized, **more)


_PIXELS = SizeRule(step=8, min_pixels=256 * 256, max_pixels=2048 * 2048, max_side=2048)
_RATIOS = SizeRule(ratios=("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21"))
_BASIC: Mapping[str, Any] = {
    "max_count": 4,
    "supports_seed": True,
    "is_reproducible": True,
    "output_formats": ("png", "jpeg"),
}
_FLUX = {**_BASIC, "parameters": {"steps": _STEPS, "guidance": _GUIDANCE}}
_ALTER = {**_BASIC, "parameters": {"strength": _STRENGTH, "steps": _STEPS, "guidance": _GUIDANCE}}
_LORAS = {"max_loras": 8, "lora_weights": (0.0, 4.0)}
_PRO = {**_BASIC, "parameters": {"safety_tolerance": _TOLERANCE}}
_FLUX_2 = _PRO | {"max_count": 1}
_IDEOGRAM = {
    "max_count": 8,
    "supports_seed": True,
    "qualities": ("TURBO", "BALANCED", "QUALITY"),
}
_BANANA = {"max_count": 4, "output_formats": ("png", "jpeg", "webp"), "sizes": _RATIOS}
#: A rewritten prompt is not the one that was judged and recorded.
_PLAIN_PROMPT = {"expand_prompt": False}
#: The first pattern that matches an endpoint's whole name decides.
_ENDPOINTS: tuple[tuple[str, Endpoint], ...] = (
    (r"fal-ai/flux/(dev|schnell|krea)", _endpoint(Operation.GENERATE, can=_FLUX)),
    (r"fal-ai/flux/dev/image-to-image", _endpoint(Operation.EDIT, can=_ALTER)),
    (r"fal-ai/flux-(lora|general)", _endpoint(Operation.GENERATE, can=_FLUX | _LORAS)),
    (
        r"fal-ai/flux-(lora|general)/inpainting",
        _endpoint(Operation.INPAINT, is_sized=True, can=_ALTER | _LORAS),
    ),
    (
        r"fal-ai/flux-(lora|general)/image-to-image",
        _endpoint(Operation.EDIT, is_sized=True, can=_ALTER | _LORAS),
    ),
    (r"fal-ai/flux-pro/v1/fill", _endpoint(Operation.INPAINT, can=_PRO)),
    (
        r"fal-ai/flux-pro/kontext(/max)?",
        _endpoint(Operation.EDIT, is_sized=True, can=_PRO | {"sizes": _RATIOS}),
    ),
    (r"fal-ai/flux-pro/v1\.1", _endpoint(Operation.GENERATE, can=_PRO)),
    (
        r"fal-ai/flux-2-(pro|max)/edit",
        _endpoint(Operation.EDIT, most=8, is_sized=True, can=_FLUX_2, image="image_urls"),
    ),
    (r"fal-ai/flux-2-(pro|max)", _endpoint(Operation.GENERATE, can=_FLUX_2)),
    (
        r"(fal-ai/)?ideogram/v3",
        _endpoint(
            Operation.GENERATE,
            can=_IDEOGRAM | {"supports_negative_prompt": True},
            quality="rendering_speed",
            fixed=_PLAIN_PROMPT,
        ),
    ),
    (
        r"(fal-ai/)?ideogram/v3/edit",
        _endpoint(
            Operation.INPAINT,
            can=_IDEOGRAM,
            mask="black",
            quality="rendering_speed",
            fixed=_PLAIN_PROMPT,
        ),
    ),
    (r"fal-ai/nano-banana(-\w+)?", _endpoint(Operation.GENERATE, can=_BANANA)),
    (
        r"fal-ai/nano-banana(-\w+)?/edit",
        _endpoint(Operation.EDIT, most=14, is_sized=True, can=_BANANA, image="image_urls"),
    ),
    (r"fal-ai/esrgan", _endpoint(Operation.UPSCALE, can={}, factor="scale")),
    # What is not known is taken for the plainest of its kind, as its name has it.
    (r".*(inpaint|/fill).*", _endpoint(Operation.INPAINT, can={})),
    (r".*(/edit|image-to-image|/remix).*", _endpoint(Operation.EDIT, can={})),
    (r".*", _endpoint(Operation.GENERATE, can={})),
)


_WORDLESS = {
    Operation.UPSCALE: _endpoint(Operation.UPSCALE, can={}, factor="upscale_factor"),
    Operation.REMOVE_BACKGROUND: _endpoint(Operation.REMOVE_BACKGROUND, can={}),
    Operation.RESTORE_FACES: _endpoint(Operation.RESTORE_FACES, can={}),
}


def endpoint_of(model: str) -> Endpoint:
    """Return what is known of an endpoint, by its name."""
    name = model.strip("/")
    known = next(endpoint for pattern, endpoint in _ENDPOINTS if re.fullmatch(pattern, name))
    does = wordless_operations(name)
    return next((_WORDLESS[one] for one in does if not known.factor), known)


def input_fields(request: GenerationRequest, *, offer: Capabilities) -> dict[str, Any]:
    """Write a request as the input of its endpoint; `offer` is what that can do.

    :raises UnsupportedParameter: if it cannot be expressed.
    """
    endpoint = endpoint_of(request.model)
    takes = _takes(endpoint, request.operation, offer=offer)
    fields = described_requests.fields_of(
        request,
        takes=takes,
        # How many times larger it becomes is said below.
        offer=replace(offer, sizes=SizeRule()) if endpoint.factor else offer,
        quality=endpoint.quality or "quality",
        renamed=_WIRE,
    )
    if endpoint.factor:
        fields[endpoint.factor] = _factor(request)
    return {**endpoint.fixed, **fields, **_images(request, endpoint, takes)}


def _takes(
    endpoint: Endpoint, operation: Operation, *, offer: Capabilities
) -> described_requests.TakenInputs:
    """Return the names that an endpoint takes, by what it can do."""
    ratios = offer.sizes_for(operation).ratios
    takes = {
        "prompt": operation not in offer.promptless,
        "num_images": offer.max_count > 1,
        "output_format": len(offer.output_formats) > 1,
        "aspect_ratio": bool(ratios),
        "image_size": endpoint.is_sized and not ratios,
        "loras": True,
        "mask_url": True,
        endpoint.image: True,
    }
    choices = {"output_format": offer.output_formats, "aspect_ratio": ratios}
    return {
        name: TakenInput(is_list=name.endswith("s"), choices=choices.get(name, ()))
        for name, is_taken in takes.items()
        if is_taken
    }


def _images(
    request: GenerationRequest, endpoint: Endpoint, takes: described_requests.TakenInputs
) -> dict[str, Any]:
    images, mask = masks.split(
        request.inputs, style=endpoint.mask, must_be_partial=endpoint.mask == "black"
    )
    fields: dict[str, Any] = {}
    for name, files in described_requests.files_of(images, takes=takes).items():
        urls = [one.data_url for one in files]
        fields[name] = urls if takes[name].is_list else urls[0]
    return fields if mask is None else fields | {"mask_url": mask.data_url}


def _factor(request: GenerationRequest) -> float:
    image = next(i for i in request.inputs if i.role is not InputRole.MASK)
    across, down = request.size.width / image.width, request.size.height / image.height
    if not math.isclose(across, down, rel_tol=0.02) or across < 1:
        raise UnsupportedParameter(detail="size: must be the image's, some times larger")
    return round(across, 2)
