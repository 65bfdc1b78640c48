"""A few endpoints of fal, each with the inputs that its page publishes."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.mask_areas import Polarity

#: Tells whether a value fits.
Rule = Callable[[Any], bool]
_MAX_SIDE = 14_142


class InvalidInput(Exception):
    """A field does not fit; `kind` is the provider's word for why."""

    def __init__(self, field: str, kind: str) -> None:
        super().__init__(f"{field}: {kind}")
        self.field, self.kind = field, kind


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(low: int, high: int) -> Rule:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Rule:
    return lambda value: type(value) in {int, float} and low <= value <= high


def _choice(*values: str) -> Rule:
    return lambda value: value in values


def _size(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"width", "height"}:
        return False
    return all(_whole(1, _MAX_SIDE)(side) for side in value.values())


def _loras(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    return all(
        isinstance(one, dict)
        and set(one) == {"path", "scale"}
        and _text(one["path"])
        and _number(0, 4)(one["scale"])
        for one in value
    )


def _addresses(most: int) -> Rule:
    return lambda value: (
        isinstance(value, list) and 0 < len(value) <= most and all(map(_text, value))
    )


_SEED = _whole(0, 2**53)
_FLUX: Mapping[str, Rule] = {
    "prompt": _text,
    "image_size": _size,
    "num_inference_steps": _whole(1, 50),
    "guidance_scale": _number(0, 20),
    "num_images": _whole(1, 4),
    "seed": _SEED,
    "output_format": _choice("jpeg", "png"),
}
_RATIOS = {
    "21:9": Size(1536, 640),
    "16:9": Size(1344, 768),
    "3:2": Size(1216, 832),
    "4:3": Size(1152, 896),
    "1:1": Size(1024, 1024),
    "3:4": Size(896, 1152),
    "2:3": Size(832, 1216),
    "9:16": Size(768, 1344),
    "9:21": Size(640, 1536),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one endpoint takes."""

    name: str
    operation: Operation
    fields: Mapping[str, Rule]
    required: tuple[str, ...] = ("prompt",)
    polarity: Polarity = "white"
    #: Whether its result holds one `image` instead of a list.
    is_single: bool = False

    @property
    def app(self) -> str:
        """The owner and the app: what the addresses of its requests begin with."""
        return "/".join(self.name.split("/")[:2])

    def read(self, inputs: Mapping[str, Any]) -> GenerationRequest:
        """Read the input of a request.

        :raises InvalidInput: if something in it does not fit.
        """
        for name in self.required:
            if name not in inputs:
                raise InvalidInput(name, "missing")
        for name, value in inputs.items():
            if name not in self.fields:
                raise InvalidInput(name, "extra_forbidden")
            if not self.fields[name](value):
                raise InvalidInput(name, "value_error")
        given = inputs.get("image_urls") or [inputs.get("image_url")]
        images = [_image("image_url", one, role=InputRole.IMAGE) for one in given if one]
        if "mask_url" in inputs:
            images.append(_image("mask_url", inputs["mask_url"], role=InputRole.MASK))
            self._require_fitting(images)
        return GenerationRequest(
            operation=self.operation,
            model=self.name,
            prompt=str(inputs.get("prompt", "")),
            size=_made_size(inputs, images=images),
            count=inputs.get("num_images", 1),
            negative_prompt=str(inputs.get("negative_prompt", "")),
            seed=inputs.get("seed"),
            output_format=str(inputs.get("output_format", "png")),
            inputs=tuple(images),
        )

    def _require_fitting(self, images: list[ImageInput]) -> None:
        image, mask = images[0], images[-1]
        if (image.width, image.height) != (mask.width, mask.height):
            raise InvalidInput("mask_url", "value_error")
        if self.polarity == "black":
            with Image.open(io.BytesIO(mask.data)) as opened:
                lowest, highest = opened.convert("L").point(lambda v: v // 128).getextrema()
            if lowest == highest:
                raise InvalidInput("mask_url", "value_error")


def _image(field: str, address: Any, *, role: InputRole) -> ImageInput:
    head, comma, text = str(address).partition(",")
    if not head.startswith("data:image/") or not comma:
        # The simulator fetches nothing.
        raise InvalidInput(field, "file_download_error")
    try:
        data = base64.b64decode(text, validate=True)
        media_type = head.removeprefix("data:").partition(";")[0]
        return generation.image_input(data, media_type=media_type, role=role)
    except (ValueError, binascii.Error):
        raise InvalidInput(field, "image_load_error") from None


def _made_size(inputs: Mapping[str, Any], *, images: list[ImageInput]) -> Size:
    if "image_size" in inputs:
        return Size(inputs["image_size"]["width"], inputs["image_size"]["height"])
    if "aspect_ratio" in inputs or not images:
        return _RATIOS[inputs.get("aspect_ratio", "1:1")]
    factor = inputs.get("scale", 1)
    return Size(round(images[0].width * factor), round(images[0].height * factor))


ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("fal-ai/flux/dev", Operation.GENERATE, _FLUX),
        Endpoint(
            "fal-ai/flux-general/inpainting",
            Operation.INPAINT,
            {
                **_FLUX,
                "image_url": _text,
                "mask_url": _text,
                "strength": _number(0.01, 1),
                "loras": _loras,
            },
            ("prompt", "image_url", "mask_url"),
        ),
        Endpoint(
            "fal-ai/ideogram/v3/edit",
            Operation.INPAINT,
            {
                "prompt": _text,
                "image_url": _text,
                "mask_url": _text,
                "num_images": _whole(1, 8),
                "seed": _SEED,
                "expand_prompt": lambda value: isinstance(value, bool),
                "rendering_speed": _choice("TURBO", "BALANCED", "QUALITY"),
            },
            ("prompt", "image_url", "mask_url"),
            polarity="black",
        ),
        Endpoint(
            "fal-ai/nano-banana-2/edit",
            Operation.EDIT,
            {
                "prompt": _text,
                "image_urls": _addresses(14),
                "num_images": _whole(1, 4),
                "aspect_ratio": _choice(*_RATIOS),
                "output_format": _choice("jpeg", "png", "webp"),
            },
            ("prompt", "image_urls"),
        ),
        Endpoint(
            "fal-ai/birefnet",
            Operation.REMOVE_BACKGROUND,
            {"image_url": _text},
            ("image_url",),
            is_single=True,
        ),
        Endpoint(
            "fal-ai/codeformer",
            Operation.RESTORE_FACES,
            {"image_url": _text},
            ("image_url",),
            is_single=True,
        ),
        Endpoint(
            "fal-ai/esrgan",
            Operation.UPSCALE,
            {"image_url": _text, "scale": _number(1, 8)},
            ("image_url",),
            is_single=True,
        ),
    )
}
