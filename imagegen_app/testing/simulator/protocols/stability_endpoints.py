"""What the endpoints of Stability's v2beta API take: fields, their values, and images."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.forms import Form

_MAX_PROMPT_CHARS = 10_000
_MAX_SEED = 4_294_967_294
_MIN_SIDE, _MIN_PIXELS, _MAX_PIXELS, _MAX_RATIO = 64, 4096, 9_437_184, 2.5
SIZES = {
    "1:1": Size(1024, 1024),
    "16:9": Size(1344, 768),
    "21:9": Size(1536, 640),
    "2:3": Size(832, 1216),
    "3:2": Size(1216, 832),
    "4:5": Size(896, 1088),
    "5:4": Size(1088, 896),
    "9:16": Size(768, 1344),
    "9:21": Size(640, 1536),
}
STYLES = [
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
]
_ENGLISH = re.compile(r"[\x00-\u024f\u2000-\u206f\u20a0-\u20cf]*")
#: Checks one value of a field, and says what is wrong with it.
Rule = Callable[[str], str]


def _number(low: float, high: float) -> Rule:
    def check(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return "must be a number"
        return "" if low <= value <= high else f"must be between {low:g} and {high:g}"

    return check


def _whole(low: int, high: int) -> Rule:
    number = _number(low, high)
    return lambda text: number(text) if re.fullmatch(r"-?\d+", text) else "must be a whole number"


def _choice(*values: str) -> Rule:
    return lambda text: "" if text in values else f"must be one of {', '.join(values)}"


def _text(text: str) -> str:
    if len(text) > _MAX_PROMPT_CHARS:
        return f"must be at most {_MAX_PROMPT_CHARS} characters"
    return "" if text.strip() else "cannot be blank"


_PROMPTS = ("prompt", "search_prompt", "select_prompt", "background_prompt", "foreground_prompt")
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_PROMPTS, _text),
    "negative_prompt": lambda text: "" if len(text) <= _MAX_PROMPT_CHARS else "is too long",
    "aspect_ratio": _choice(*SIZES),
    "seed": _whole(0, _MAX_SEED),
    "output_format": _choice("png", "jpeg", "webp"),
    "style_preset": _choice(*STYLES),
    "model": _choice("sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"),
    "mode": _choice("text-to-image", "image-to-image"),
    "grow_mask": _whole(0, 100),
    "cfg_scale": _number(1, 10),
    **dict.fromkeys(("left", "right", "up", "down"), _whole(0, 2000)),
    **dict.fromkeys(
        (
            "change_strength",
            "composition_fidelity",
            "control_strength",
            "creativity",
            "fidelity",
            "light_source_strength",
            "original_background_depth",
            "preserve_original_subject",
            "strength",
            "style_strength",
        ),
        _number(0, 1),
    ),
    "keep_original_background": _choice("true", "false"),
    "light_source_direction": _choice("above", "below", "left", "right"),
}
_COMMON = "seed output_format"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one endpoint takes."""

    name: str
    operation: Operation
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    #: Files that must be there, and files that may.
    files: tuple[str, ...] = ()
    more_files: tuple[str, ...] = ()
    #: Of these fields and files one at least must be there.
    one_of: tuple[str, ...] = ()
    #: Narrower than `_RULES`.
    rules: Mapping[str, Rule] = field(default_factory=dict)
    is_job: bool = False
    #: How many times as long the sides of the answer are.
    scale: int = 1

    @property
    def has_images(self) -> bool:
        return bool(self.files)

    def read(self, form: Form) -> GenerationRequest:
        """Read a form.

        :raises Refused: if something in it is not taken.
        """
        self._require_fields(form)
        inputs = tuple(_input(name, kind, data) for name, kind, data in form.files)
        images = [image for image in inputs if image.role is InputRole.IMAGE]
        fields = form.fields
        output_format = fields.get("output_format", "png")
        seed = int(fields.get("seed", "0"))
        return GenerationRequest(
            operation=self._operation(images, has_mask=len(images) < len(inputs)),
            model=fields.get("model") or f"stable-image-{self.name.rpartition('/')[2]}",
            prompt=next((fields[name] for name in _PROMPTS if name in fields), ""),
            size=self._size(fields, images=images),
            negative_prompt=fields.get("negative_prompt", ""),
            seed=seed or None,
            output_format=output_format,
            inputs=inputs,
        )

    def _require_fields(self, form: Form) -> None:
        files = [name for name, _, _ in form.files]
        given = {*form.fields, *files}
        for name in (*self.required, *self.files):
            if name not in given:
                raise Refused(400, "", f"{name}: is required")
        if self.one_of and not given.intersection(self.one_of):
            raise Refused(400, "", f"one of {', '.join(self.one_of)} is required")
        for name, value in form.fields.items():
            self._require_value(name, value)
        for name in files:
            if name not in {*self.files, *self.more_files, *self.one_of}:
                raise Refused(400, "", f"{name}: is not a known field")
            if files.count(name) > 1:
                raise Refused(400, "", f"{name}: only one is possible")
        if "image" in files and self.name.startswith("generate/"):
            self._require_image_to_image(form.fields)

    def _require_value(self, name: str, value: str) -> None:
        rule = self.rules.get(name) or _RULES.get(name)
        if rule is None or name not in {*self.required, *self.optional, *self.one_of}:
            raise Refused(400, "", f"{name}: is not a known field")
        problem = rule(value)
        if problem:
            raise Refused(400, "", f"{name}: {problem}")
        if name in _PROMPTS and not _ENGLISH.fullmatch(value):
            raise Refused(422, "invalid_language", "English is the only supported language.")

    def _require_image_to_image(self, fields: Mapping[str, str]) -> None:
        if "strength" not in fields:
            raise Refused(400, "", "strength: is required with an image")
        if self.name == "generate/sd3" and (
            fields.get("mode") != "image-to-image" or "aspect_ratio" in fields
        ):
            raise Refused(400, "", "mode: must be image-to-image, without aspect_ratio")

    def _operation(self, images: list[ImageInput], *, has_mask: bool) -> Operation:
        if self.operation is Operation.GENERATE and images:
            return Operation.EDIT
        # Without a mask the image's own alpha channel counts: drawn as an edit.
        return (
            Operation.EDIT
            if self.operation is Operation.INPAINT and not has_mask
            else self.operation
        )

    def _size(self, fields: Mapping[str, str], *, images: list[ImageInput]) -> Size:
        if not images or "aspect_ratio" in fields:
            return SIZES[fields.get("aspect_ratio", "1:1")]
        first = images[0]
        extra = {name: int(fields.get(name, "0")) for name in ("left", "right", "up", "down")}
        return Size(
            first.width * self.scale + extra["left"] + extra["right"],
            first.height * self.scale + extra["up"] + extra["down"],
        )


def _input(name: str, media_type: str, data: bytes) -> ImageInput:
    role = InputRole.MASK if name == "mask" else InputRole.IMAGE
    try:
        image = generation.image_input(data, media_type=media_type, role=role)
    except ValueError:
        raise Refused(400, "", f"{name}: cannot be read as an image") from None
    sides = (image.width, image.height)
    if min(sides) < _MIN_SIDE or not _MIN_PIXELS <= image.width * image.height <= _MAX_PIXELS:
        raise Refused(400, "", f"{name}: must have 4,096 to 9,437,184 pixels, 64 a side at least")
    if max(sides) > _MAX_RATIO * min(sides):
        raise Refused(400, "", f"{name}: the aspect ratio must be between 1:2.5 and 2.5:1")
    return image


def _endpoint(
    name: str, operation: Operation, required: str = "", optional: str = "", **more: Any
) -> Endpoint:
    known = f"{optional} {_COMMON}".split()
    return Endpoint(name, operation, tuple(required.split()), tuple(known), **more)


_IMAGE = ("image",)
_NO_WEBP = {"output_format": _choice("png", "jpeg")}
_NO_JPEG = {"output_format": _choice("png", "webp")}
ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for endpoint in (
        _endpoint(
            "generate/ultra",
            Operation.GENERATE,
            "prompt",
            "negative_prompt aspect_ratio style_preset strength",
            more_files=_IMAGE,
        ),
        _endpoint(
            "generate/core",
            Operation.GENERATE,
            "prompt",
            "negative_prompt aspect_ratio style_preset",
        ),
        _endpoint(
            "generate/sd3",
            Operation.GENERATE,
            "prompt",
            "model mode negative_prompt aspect_ratio style_preset cfg_scale strength",
            more_files=_IMAGE,
            rules=_NO_WEBP,
        ),
        _endpoint(
            "edit/erase",
            Operation.INPAINT,
            optional="grow_mask",
            files=_IMAGE,
            more_files=("mask",),
            rules={"grow_mask": _whole(0, 20)},
        ),
        _endpoint(
            "edit/inpaint",
            Operation.INPAINT,
            "prompt",
            "negative_prompt grow_mask style_preset",
            files=_IMAGE,
            more_files=("mask",),
        ),
        _endpoint(
            "edit/outpaint",
            Operation.OUTPAINT,
            optional="prompt creativity style_preset",
            files=_IMAGE,
            one_of=("left", "right", "up", "down"),
        ),
        _endpoint(
            "edit/search-and-replace",
            Operation.EDIT,
            "prompt search_prompt",
            "negative_prompt grow_mask style_preset",
            files=_IMAGE,
        ),
        _endpoint(
            "edit/search-and-recolor",
            Operation.EDIT,
            "prompt select_prompt",
            "negative_prompt grow_mask style_preset",
            files=_IMAGE,
        ),
        _endpoint(
            "edit/remove-background", Operation.REMOVE_BACKGROUND, files=_IMAGE, rules=_NO_JPEG
        ),
        _endpoint(
            "edit/replace-background-and-relight",
            Operation.EDIT,
            optional="foreground_prompt negative_prompt preserve_original_subject "
            "original_background_depth keep_original_background light_source_direction "
            "light_source_strength",
            files=("subject_image",),
            more_files=("light_reference",),
            one_of=("background_prompt", "background_reference"),
            is_job=True,
        ),
        _endpoint("upscale/fast", Operation.UPSCALE, files=_IMAGE, scale=4),
        _endpoint(
            "upscale/conservative",
            Operation.UPSCALE,
            "prompt",
            "negative_prompt creativity",
            files=_IMAGE,
            rules={"creativity": _number(0.2, 0.5)},
            scale=2,
        ),
        _endpoint(
            "upscale/creative",
            Operation.UPSCALE,
            "prompt",
            "negative_prompt creativity style_preset",
            files=_IMAGE,
            rules={"creativity": _number(0.1, 0.5)},
            is_job=True,
            scale=2,
        ),
        *(
            _endpoint(
                f"control/{kind}",
                Operation.CONTROL,
                "prompt",
                "negative_prompt control_strength style_preset",
                files=_IMAGE,
            )
            for kind in ("sketch", "structure")
        ),
        _endpoint(
            "control/style",
            Operation.CONTROL,
            "prompt",
            "negative_prompt aspect_ratio fidelity style_preset",
            files=_IMAGE,
        ),
        _endpoint(
            "control/style-transfer",
            Operation.CONTROL,
            optional="prompt negative_prompt style_strength composition_fidelity change_strength",
            files=("init_image", "style_image"),
            rules={"change_strength": _number(0.1, 1)},
        ),
    )
}
