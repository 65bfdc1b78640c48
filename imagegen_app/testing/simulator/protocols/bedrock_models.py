"""What Stability's models take on Amazon Bedrock: fields, their values, images, and where they are."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.protocols.stability_endpoints import SIZES, STYLES
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput

_MAX_TEXT_CHARS = 10_000
_MAX_SEED = 4_294_967_294
_MAX_PIXELS, _MEGAPIXEL, _MAX_RATIO = 9_437_184, 1_048_576, 2.5
_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_ROLES = {"mask": InputRole.MASK, "style_image": InputRole.STYLE}
_EDGES = ("left", "right", "up", "down")
#: Checks one value of a field, and says what is wrong with it.
Rule = Callable[[Any], str]


def _number(low: float, high: float) -> Rule:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"expected type: Number, found: {type(value).__name__}"
        return "" if low <= value <= high else f"{value} is not between {low:g} and {high:g}"

    return check


def _whole(low: int, high: int) -> Rule:
    number = _number(low, high)

    def check(value: Any) -> str:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return number(value) if is_whole else f"expected type: Integer, found: {value!r}"

    return check


def _choice(*values: str) -> Rule:
    return lambda value: "" if value in values else f"{value} is not a valid enum value"


def _text(low: int) -> Rule:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return f"expected type: String, found: {type(value).__name__}"
        fits = low <= len(value.strip()) and len(value) <= _MAX_TEXT_CHARS
        return "" if fits else f"expected {low} to {_MAX_TEXT_CHARS} characters"

    return check


_SHARE = _number(0, 1)
_RULES: Mapping[str, Rule] = {
    "prompt": _text(1),
    "negative_prompt": _text(0),
    "search_prompt": _text(1),
    "select_prompt": _text(1),
    "aspect_ratio": _choice(*SIZES),
    "seed": _whole(0, _MAX_SEED),
    "output_format": _choice("jpeg", "png", "webp"),
    "style_preset": _choice(*STYLES),
    "mode": _choice("text-to-image", "image-to-image"),
    "grow_mask": _whole(0, 20),
    **dict.fromkeys(_EDGES, _whole(0, 2000)),
    **dict.fromkeys(
        ("composition_fidelity", "control_strength", "fidelity", "strength", "style_strength"),
        _SHARE,
    ),
    "change_strength": _number(0.1, 1),
    "creativity": _number(0.1, 0.5),
}
_US = frozenset({"us-east-1", "us-east-2", "us-west-2"})


@dataclass(frozen=True, slots=True)
class Model:
    """What one model takes."""

    name: str
    operation: Operation
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    #: Images that must be there, and images that may.
    images: tuple[str, ...] = ()
    more_images: tuple[str, ...] = ()
    #: Narrower than `_RULES`, or wider.
    rules: Mapping[str, Rule] = field(default_factory=dict)
    min_side: int = 64
    max_side: int = 0
    max_pixels: int = _MAX_PIXELS
    max_ratio: float = _MAX_RATIO
    #: How many times as long the sides of the answer are.
    scale: int = 1
    #: Whether it is offered by way of inference profiles only.
    needs_profile: bool = True
    regions: frozenset[str] = _US

    @property
    def has_images(self) -> bool:
        return bool(self.images)

    def read(self, document: Mapping[str, Any], *, model: str) -> GenerationRequest:
        """Read the body of a call.

        :raises Refused: if something in it is not taken.
        """
        self._require_fields(document)
        names = [name for name in (*self.images, *self.more_images) if name in document]
        inputs = self._with_fitting_mask([self._input(name, document[name]) for name in names])
        images = [image for image in inputs if image.role is not InputRole.MASK]
        return GenerationRequest(
            operation=self._operation(images, has_mask=len(images) < len(inputs)),
            model=model,
            prompt=document.get("prompt", ""),
            size=self._size(document, images=images),
            negative_prompt=document.get("negative_prompt", ""),
            seed=document.get("seed") or None,
            output_format=document.get("output_format", "png"),
            inputs=tuple(inputs),
        )

    def _require_fields(self, document: Mapping[str, Any]) -> None:
        for name in (*self.required, *self.images):
            if name not in document:
                raise malformed(f"#: required key [{name}] not found")
        images = {*self.images, *self.more_images}
        known = {*self.required, *self.optional, "output_format"}
        for name, value in document.items():
            if name in images:
                continue
            rule = self.rules.get(name) or _RULES.get(name)
            if rule is None or name not in known:
                raise malformed(f"#: extraneous key [{name}] is not permitted")
            problem = rule(value)
            if problem:
                raise malformed(f"#/{name}: {problem}")
        if self.operation is Operation.OUTPAINT and not any(document.get(n) for n in _EDGES):
            raise malformed("#: left, right, up or down must be more than 0")
        if "image" in self.more_images:
            self._require_image_to_image(document)

    def _require_image_to_image(self, document: Mapping[str, Any]) -> None:
        is_given = "image" in document
        if is_given and "aspect_ratio" in document:
            raise malformed("#/aspect_ratio: valid for text-to-image only")
        if not is_given and "strength" in document:
            raise malformed("#/strength: valid for image-to-image only")
        if "mode" in self.optional:
            is_meant = document.get("mode", "text-to-image") == "image-to-image"
            if is_meant is not is_given or (is_given and "strength" not in document):
                raise malformed("#/mode: image-to-image requires image and strength")

    def _input(self, name: str, value: Any) -> ImageInput:
        try:
            data = base64.b64decode(value, validate=True)
            with Image.open(io.BytesIO(data), formats=tuple(_KINDS)) as opened:
                kind = _KINDS[opened.format or ""]
            role = _ROLES.get(name, InputRole.IMAGE)
            image = generation.image_input(data, media_type=kind, role=role)
        except (OSError, TypeError, ValueError, binascii.Error):
            raise malformed(f"#/{name}: not a base64 encoded JPEG, PNG or WebP") from None
        shorter, longer = sorted((image.width, image.height))
        if shorter < self.min_side or longer > (self.max_side or longer):
            raise malformed(f"#/{name}: every side must be at least {self.min_side} pixels")
        if image.size.pixels > self.max_pixels:
            raise malformed(f"#/{name}: the total pixel count cannot exceed {self.max_pixels}")
        if longer > self.max_ratio * shorter:
            raise malformed(f"#/{name}: the aspect ratio must be between 1:2.5 and 2.5:1")
        return image

    def _with_fitting_mask(self, inputs: list[ImageInput]) -> list[ImageInput]:
        """Return the images with a mask as large as the first; a mask of another size is resized."""
        return [
            _resized(one, inputs[0].size) if one.role is InputRole.MASK else one for one in inputs
        ]

    def _operation(self, images: list[ImageInput], *, has_mask: bool) -> Operation:
        if self.operation is Operation.GENERATE and images:
            return Operation.EDIT
        # Without a mask the image's own alpha channel counts: drawn as an edit.
        masked = {Operation.INPAINT, Operation.ERASE}
        return Operation.EDIT if self.operation in masked and not has_mask else self.operation

    def _size(self, document: Mapping[str, Any], *, images: list[ImageInput]) -> Size:
        # A guide of the style lends nothing of its shape.
        is_free = not images or "aspect_ratio" in document
        if is_free or (self.operation is Operation.CONTROL and "aspect_ratio" in self.optional):
            return SIZES[document.get("aspect_ratio", "1:1")]
        first = images[0]
        extra = {name: document.get(name, 0) for name in _EDGES}
        return Size(
            first.width * self.scale + extra["left"] + extra["right"],
            first.height * self.scale + extra["up"] + extra["down"],
        )


def malformed(what: str) -> Refused:
    """Return the refusal of a body that breaks a model's schema."""
    return Refused(
        400,
        "ValidationException",
        f"Malformed input request: {what}, please reformat your input and try again.",
    )


def _resized(mask: ImageInput, size: Size) -> ImageInput:
    if mask.size == size:
        return mask
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(mask.data)) as opened:
        opened.convert("L").resize((size.width, size.height)).save(buffer, "PNG")
    return generation.image_input(buffer.getvalue(), media_type="image/png", role=mask.role)


def _model(
    name: str, operation: Operation, required: str = "", optional: str = "", **more: Any
) -> Model:
    return Model(name, operation, tuple(required.split()), tuple(optional.split()), **more)


def _generator(name: str, optional: str = "", **more: Any) -> Model:
    known = f"negative_prompt aspect_ratio seed {optional}"
    # Only there are these offered, and each by its own name.
    place: dict[str, Any] = {"needs_profile": False, "regions": frozenset({"us-west-2"})}
    # Of images to begin with, only the least side is documented.
    return _model(name, Operation.GENERATE, "prompt", known, max_ratio=1e9, **place, **more)


_IMAGE = ("image",)
_STYLED = "negative_prompt seed style_preset"
_NO_WEBP = {"output_format": _choice("jpeg", "png")}
#: By the model's ID, without the geography of an inference profile.
MODELS: Mapping[str, Model] = {
    f"stability.{model.name}": model
    for model in (
        _generator("sd3-5-large-v1:0", "mode strength", more_images=_IMAGE),
        _generator("stable-image-core-v1:1", rules=_NO_WEBP),
        _generator("stable-image-ultra-v1:1", "strength", more_images=_IMAGE, rules=_NO_WEBP),
        _model(
            "stable-image-inpaint-v1:0",
            Operation.INPAINT,
            "prompt",
            f"{_STYLED} grow_mask",
            images=_IMAGE,
            more_images=("mask",),
        ),
        _model(
            "stable-image-erase-object-v1:0",
            Operation.ERASE,
            optional="seed grow_mask",
            images=_IMAGE,
            more_images=("mask",),
        ),
        _model(
            "stable-outpaint-v1:0",
            Operation.OUTPAINT,
            optional=f"prompt seed style_preset creativity {' '.join(_EDGES)}",
            images=_IMAGE,
            rules={"creativity": _number(0.1, 1)},
        ),
        _model(
            "stable-image-search-replace-v1:0",
            Operation.REPLACE,
            "prompt search_prompt",
            f"{_STYLED} grow_mask",
            images=_IMAGE,
        ),
        _model(
            "stable-image-search-recolor-v1:0",
            Operation.RECOLOUR,
            "prompt select_prompt",
            f"{_STYLED} grow_mask",
            images=_IMAGE,
        ),
        _model("stable-image-remove-background-v1:0", Operation.REMOVE_BACKGROUND, images=_IMAGE),
        _model(
            "stable-fast-upscale-v1:0",
            Operation.UPSCALE,
            images=_IMAGE,
            min_side=32,
            max_side=1536,
            max_pixels=_MEGAPIXEL,
            max_ratio=1e9,
            scale=4,
        ),
        _model(
            "stable-conservative-upscale-v1:0",
            Operation.UPSCALE,
            "prompt",
            "negative_prompt seed creativity",
            images=_IMAGE,
            scale=2,
        ),
        _model(
            "stable-creative-upscale-v1:0",
            Operation.UPSCALE,
            "prompt",
            f"{_STYLED} creativity",
            images=_IMAGE,
            max_pixels=_MEGAPIXEL,
            max_ratio=1e9,
            scale=2,
        ),
        *(
            _model(
                f"stable-image-control-{kind}-v1:0",
                Operation.CONTROL,
                "prompt",
                f"{_STYLED} control_strength",
                images=_IMAGE,
            )
            for kind in ("sketch", "structure")
        ),
        _model(
            "stable-image-style-guide-v1:0",
            Operation.CONTROL,
            "prompt",
            f"{_STYLED} aspect_ratio fidelity",
            images=_IMAGE,
        ),
        _model(
            "stable-style-transfer-v1:0",
            Operation.EDIT,
            optional="prompt negative_prompt seed style_strength composition_fidelity "
            "change_strength",
            images=("init_image", "style_image"),
        ),
    )
}
