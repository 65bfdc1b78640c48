"""A few models of Replicate, each with the schema of its inputs, as their pages publish it."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.mask_areas import Polarity

_MAX_DATA_URL_BYTES = 256 * 1024
_RATIOS = ("1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
}
#: Reads a file that an input names by address; None where there is none.
Fetch = Callable[[str], bytes | None]

_PROMPT = {"type": "string", "minLength": 1}
_SEED = {"type": "integer", "nullable": True}
_URI = {"type": "string", "format": "uri"}
_FORMAT = {"type": "string", "enum": ["png", "jpg", "webp"]}
_ASPECT = {"type": "string", "enum": list(_RATIOS)}


@dataclass(frozen=True, slots=True)
class Model:
    """One model and its inputs' JSON Schema."""

    name: str
    version: str
    properties: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...] = ("prompt",)
    #: Official models hide their versions, and are called by their names.
    is_official: bool = True
    polarity: Polarity = "white"
    #: Whether its output is a list.
    is_list: bool = True
    images: tuple[str, ...] = field(default=("image", "input_image", "input_images", "img"))
    #: What it does without a prompt; None for a model that is told.
    does: Operation | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The part of its OpenAPI description that says what it takes and gives."""
        uri = {"type": "string", "format": "uri"}
        output = {"type": "array", "items": uri} if self.is_list else uri
        inputs = {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
        }
        return {"components": {"schemas": {"Input": inputs, "Output": output}}}

    def read(self, inputs: Mapping[str, Any], *, fetch: Fetch) -> GenerationRequest:
        """Read the inputs of a prediction.

        :raises Refused: if something in them does not fit the schema.
        """
        problems = [f"- input: {name} is required" for name in self.required if name not in inputs]
        for name, value in inputs.items():
            wrong = self._problem(name, value)
            problems += [wrong] if wrong else []
        if problems:
            raise Refused(422, "Input validation failed", "\n".join(problems))
        images = self._images(inputs, fetch=fetch)
        has_mask = any(image.role is InputRole.MASK for image in images)
        operation = Operation.GENERATE
        if images:
            operation = self.does or (Operation.INPAINT if has_mask else Operation.EDIT)
        return GenerationRequest(
            operation=operation,
            model=self.name,
            prompt=str(inputs.get("prompt", "")),
            size=_size(inputs, images=images),
            count=int(inputs.get("num_outputs", 1)),
            negative_prompt=str(inputs.get("negative_prompt", "")),
            seed=inputs.get("seed"),
            output_format=str(inputs.get("output_format", "png")).replace("jpg", "jpeg"),
            inputs=tuple(images),
        )

    def _problem(self, name: str, value: Any) -> str:
        """Return what is wrong with an input; empty where nothing is."""
        rule = self.properties.get(name)
        if rule is None:
            return f"- input: Additional property {name} is not allowed"
        if value is None and rule.get("nullable"):
            return ""
        problem = _misfit(value, rule)
        return f"- input.{name}: {problem}" if problem else ""

    def _images(self, inputs: Mapping[str, Any], *, fetch: Fetch) -> list[ImageInput]:
        found = []
        for name in (*self.images, "mask"):
            value = inputs.get(name) or []
            for address in value if isinstance(value, list) else [value]:
                role = InputRole.MASK if name == "mask" else InputRole.IMAGE
                found.append(_image(name, address, role=role, fetch=fetch))
        return found


def _misfit(value: Any, rule: Mapping[str, Any]) -> str:
    """Return why a value does not fit its part of a JSON Schema."""
    wanted, problem = rule["type"], ""
    text = value.strip() if isinstance(value, str) else ""
    length = len(value) if isinstance(value, list) else len(text)
    if not isinstance(value, _TYPES[wanted]) or (wanted != "boolean" and isinstance(value, bool)):
        problem = f"Invalid type. Expected: {wanted}"
    elif "enum" in rule and value not in rule["enum"]:
        listed = ", ".join(f'"{one}"' for one in rule["enum"])
        problem = f"must be one of the following: {listed}"
    elif wanted in {"integer", "number"} and value < rule.get("minimum", -math.inf):
        problem = f"Must be greater than or equal to {rule['minimum']}"
    elif wanted in {"integer", "number"} and value > rule.get("maximum", math.inf):
        problem = f"Must be less than or equal to {rule['maximum']}"
    elif wanted == "array" and length > rule.get("maxItems", math.inf):
        problem = f"Array must have at most {rule['maxItems']} items"
    elif wanted == "string" and length < rule.get("minLength", 0):
        problem = f"String length must be greater than or equal to {rule['minLength']}"
    return problem


def _image(name: str, address: str, *, role: InputRole, fetch: Fetch) -> ImageInput:
    if not isinstance(address, str):
        raise Refused(
            422, "Input validation failed", f"- input.{name}: Does not match format 'uri'"
        )
    media_type, data = "image/png", None
    if address.startswith("data:"):
        if len(address) > _MAX_DATA_URL_BYTES:
            raise Refused(
                422, "Input validation failed", f"- input.{name}: the data URL is too large"
            )
        head, _, text = address.partition(",")
        media_type = head.removeprefix("data:").partition(";")[0]
        try:
            data = base64.b64decode(text, validate=True)
        except binascii.Error:
            data = None
    else:
        data = fetch(address)
    if data is None:
        raise Refused(
            422, "Input validation failed", f"- input.{name}: Does not match format 'uri'"
        )
    try:
        return generation.image_input(data, media_type=media_type, role=role)
    except ValueError:
        raise Refused(422, "Input validation failed", f"- input.{name}: not an image") from None


def _size(inputs: Mapping[str, Any], *, images: list[ImageInput]) -> Size:
    if "width" in inputs and "height" in inputs:
        return Size(inputs["width"], inputs["height"])
    if images and "aspect_ratio" not in inputs:
        return Size(images[0].width, images[0].height)
    across, _, down = str(inputs.get("aspect_ratio", "1:1")).partition(":")
    unit = math.sqrt(1024 * 1024 / (int(across) * int(down)))
    return Size(*(round(int(part) * unit / 16) * 16 for part in (across, down)))


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            "black-forest-labs/flux-2-pro",
            "a" * 64,
            {
                "prompt": _PROMPT,
                "input_images": {"type": "array", "items": _URI, "maxItems": 8},
                "aspect_ratio": _ASPECT,
                "seed": _SEED,
                "output_format": _FORMAT,
                "output_quality": {"type": "integer", "minimum": 0, "maximum": 100},
                "safety_tolerance": {"type": "integer", "minimum": 1, "maximum": 5},
            },
            is_list=False,
        ),
        Model(
            "black-forest-labs/flux-fill-pro",
            "b" * 64,
            {
                "prompt": _PROMPT,
                "image": _URI,
                "mask": _URI,
                "seed": _SEED,
                "steps": {"type": "integer", "minimum": 15, "maximum": 50},
                "guidance": {"type": "number", "minimum": 1.5, "maximum": 100},
                "output_format": _FORMAT,
                "safety_tolerance": {"type": "integer", "minimum": 1, "maximum": 6},
            },
            ("prompt", "image"),
            is_list=False,
        ),
        Model(
            "ideogram-ai/ideogram-v3-turbo",
            "c" * 64,
            {
                "prompt": _PROMPT,
                "image": _URI,
                "mask": _URI,
                "aspect_ratio": _ASPECT,
                "seed": _SEED,
                "magic_prompt_option": {"type": "string", "enum": ["Auto", "On", "Off"]},
            },
            is_list=False,
            polarity="black",
        ),
        Model(
            "black-forest-labs/flux-dev-lora",
            "d" * 64,
            {
                "prompt": _PROMPT,
                "image": _URI,
                "prompt_strength": {"type": "number", "minimum": 0, "maximum": 1},
                "aspect_ratio": _ASPECT,
                "num_outputs": {"type": "integer", "minimum": 1, "maximum": 4},
                "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 50},
                "guidance": {"type": "number", "minimum": 0, "maximum": 10},
                "seed": _SEED,
                "output_format": _FORMAT,
                "lora_weights": {"type": "string"},
                "lora_scale": {"type": "number", "minimum": -1, "maximum": 3},
                "extra_lora": {"type": "string"},
                "extra_lora_scale": {"type": "number", "minimum": -1, "maximum": 3},
            },
        ),
        Model(
            "sczhou/codeformer",
            "7de2ea26c616d5bf2245ad0d5e24f0ff9a6204578a5c876db53142edd9d2cd56",
            {
                "image": _URI,
                "codeformer_fidelity": {"type": "number", "minimum": 0, "maximum": 1},
                "background_enhance": {"type": "boolean"},
                "face_upsample": {"type": "boolean"},
                "upscale": {"type": "integer"},
            },
            ("image",),
            is_official=False,
            is_list=False,
            does=Operation.RESTORE_FACES,
        ),
        Model(
            "tencentarc/gfpgan",
            "0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",
            {
                "img": _URI,
                "version": {"type": "string", "enum": ["v1.2", "v1.3", "v1.4", "RestoreFormer"]},
                "scale": {"type": "number"},
            },
            ("img",),
            is_official=False,
            is_list=False,
            does=Operation.RESTORE_FACES,
        ),
        Model(
            "stability-ai/sdxl",
            "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc",
            {
                "prompt": _PROMPT,
                "negative_prompt": {"type": "string"},
                "image": _URI,
                "mask": _URI,
                "width": {"type": "integer", "minimum": 64, "maximum": 2048},
                "height": {"type": "integer", "minimum": 64, "maximum": 2048},
                "num_outputs": {"type": "integer", "minimum": 1, "maximum": 4},
                "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 500},
                "guidance_scale": {"type": "number", "minimum": 1, "maximum": 50},
                "prompt_strength": {"type": "number", "minimum": 0, "maximum": 1},
                "lora_scale": {"type": "number", "minimum": 0, "maximum": 1},
                "seed": _SEED,
                "disable_safety_checker": {"type": "boolean"},
            },
            is_official=False,
        ),
    )
}
