"""What Ideogram's endpoints take: fields, their values, and files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PIL import Image

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import generation
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.forms import Form

_MAX_BYTES = 25 * 2**20
_MAX_PROMPT_CHARS, MAX_SEED, _MAX_COUNT = 10_000, 2**31 - 1, 8
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
#: Sizes that both generations of models take, and those of one alone.
_BOTH = "1024x1024 864x1152 1152x864 832x1248 1248x832 800x1280 1280x800 896x1120 1120x896"
_SIZES_3 = frozenset(f"{_BOTH} 512x1536 1536x512 1312x736 736x1312 1344x768 768x1344".split())
_SIZES_4 = frozenset(f"{_BOTH} 2048x2048 1280x720 720x1280 1440x2560 2560x1440".split())

#: Tells whether a text fits.
Rule = Callable[[str], bool]


def _whole(low: int, high: int) -> Rule:
    return lambda text: re.fullmatch(r"\d{1,10}", text) is not None and low <= int(text) <= high


def _choice(*values: str) -> Rule:
    return lambda text: text in values


def _is_reachable(url: str) -> bool:
    parts = urlsplit(url)
    # The real one refuses these hosts; tests have no others.
    return parts.scheme == "https" or parts.hostname in _LOCAL


_MAGIC = _choice("AUTO", "ON", "OFF")
_RULES: Mapping[str, Rule] = {
    "prompt": lambda text: 0 < len(text) <= _MAX_PROMPT_CHARS,
    "negative_prompt": bool,
    "num_images": _whole(1, _MAX_COUNT),
    "seed": _whole(0, MAX_SEED),
    "magic_prompt_option": _MAGIC,
    "rendering_speed": _choice("FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY"),
    "style_type": _choice(
        *["AUTO", "GENERAL", "REALISTIC", "DESIGN", "CUSTOM", "FICTION", "STYLIZED"]
    ),
    "resolution": lambda text: text in _SIZES_3,
    "size": lambda text: text in _SIZES_4,
    "resemblance": _whole(1, 100),
    "detail": _whole(1, 100),
    "async": _choice("true", "false"),
    "webhook_url": _is_reachable,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one endpoint takes."""

    operation: Operation
    fields: str = ""
    #: Files that must be there, and files that may, each with how many.
    files: Mapping[str, int] | None = None
    more_files: Mapping[str, int] | None = None
    rules: Mapping[str, Rule] | None = None
    #: Fields that are taken in the address, and nowhere else.
    query: str = ""
    #: The part that holds the fields as JSON.
    wrapper: str = ""
    scale: int = 1

    @property
    def can_wait(self) -> bool:
        """Whether it makes jobs."""
        return "webhook_url" in self.fields or "webhook_url" in self.query

    def asked_for_job(self, form: Form, query: Mapping[str, str]) -> tuple[bool, str]:
        """Return whether a job is asked for, and where its webhook is to be sent.

        :raises Refused: if it is not said as it must be.
        """
        given = query if self.query else form.fields
        for name in query:
            if name not in self.query.split() or not _RULES[name](query[name]):
                raise Refused(400, "", f"Invalid value for {name}")
        webhook = given.get("webhook_url", "")
        return self.can_wait and bool(webhook or given.get("async") == "true"), webhook

    def read(self, form: Form, *, model: str) -> GenerationRequest:
        """Read a form.

        :raises Refused: if something in it is not taken.
        """
        fields = self._unwrapped(form.fields)
        rules = {**_RULES, "magic_prompt": _MAGIC, **(self.rules or {})}
        for name, text in fields.items():
            if name not in self.fields.split() or not rules[name](text):
                raise Refused(400, "", f"Invalid value for {name}")
        if "prompt" in self.fields and "prompt" not in fields and not self.wrapper:
            raise Refused(400, "", "prompt is required")
        inputs = self._images(form)
        size = fields.get("size") or fields.get("resolution")
        first = inputs[0] if inputs else None
        made = Size(first.width * self.scale, first.height * self.scale) if first else None
        return GenerationRequest(
            operation=self.operation,
            model=model,
            prompt=fields.get("prompt", ""),
            size=Size.parse(size) if size else made or Size(1024, 1024),
            count=int(fields.get("num_images", "1")),
            negative_prompt=fields.get("negative_prompt", ""),
            seed=int(fields["seed"]) if "seed" in fields else None,
            inputs=tuple(inputs),
        )

    def _unwrapped(self, fields: Mapping[str, str]) -> dict[str, str]:
        if not self.wrapper:
            return dict(fields)
        try:
            inner = json.loads(fields[self.wrapper])
            return {name: str(value) for name, value in inner.items()}
        except (KeyError, ValueError, AttributeError):
            raise Refused(400, "", f"{self.wrapper} is required") from None

    def _images(self, form: Form) -> list[ImageInput]:
        needed, possible = dict(self.files or {}), dict(self.more_files or {})
        names = [name for name, _, _ in form.files]
        for name in {*names, *needed}:
            most = needed.get(name, possible.get(name, 0))
            if not (name in needed) <= names.count(name) <= most:
                raise Refused(400, "", f"Invalid number of files for {name}")
        found = [_image(name, kind, data) for name, kind, data in form.files]
        masks = [one for one in found if one.role is InputRole.MASK]
        for mask in masks:
            if (mask.width, mask.height) != (found[0].width, found[0].height):
                raise Refused(400, "", "Mask and image must have the same dimensions")
            if not _has_both_colours(mask.data):
                raise Refused(400, "", "Mask must contain both black and white areas")
        return found


_JOB_FIELDS = "prompt quality num_images seed async webhook_url"
_V3 = "prompt rendering_speed magic_prompt num_images seed style_type"
_FINE = {"quality": _choice("low", "medium", "high")}
_CHEAP = {"quality": _choice("very_low", "low", "medium", "high")}
_LOWER = {"magic_prompt": _choice("auto", "on", "off")}
ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/ideogram-v3/generate": Endpoint(Operation.GENERATE, f"{_V3} resolution negative_prompt"),
    "/v1/ideogram-v3/inpaint": Endpoint(Operation.INPAINT, _V3, {"image": 1, "mask": 1}),
    "/v1/edit": Endpoint(
        Operation.EDIT, "prompt resolution magic_prompt num_images seed", {"images": 10}
    ),
    "/v1/remove-background": Endpoint(Operation.REMOVE_BACKGROUND, "", {"image": 1}),
    "/upscale": Endpoint(
        Operation.UPSCALE,
        "prompt resemblance detail magic_prompt_option num_images seed",
        {"image_file": 1},
        wrapper="image_request",
        scale=2,
    ),
    "/v2/image/generate/ideogram-4-5": Endpoint(
        Operation.GENERATE, f"{_JOB_FIELDS} size magic_prompt", rules=_FINE | _LOWER
    ),
    "/v2/image/generate/ideogram-4-6": Endpoint(
        Operation.GENERATE,
        "prompt quality num_images seed size magic_prompt",
        more_files={"images": 10},
        rules=_CHEAP | _LOWER,
        query="async webhook_url",
    ),
    "/v2/image/precise-edit/ideogram-4-5": Endpoint(
        Operation.EDIT,
        _JOB_FIELDS,
        {"image": 1},
        {"reference_images": 4, "mask": 1},
        _CHEAP,
    ),
}


def _image(name: str, media_type: str, data: bytes) -> ImageInput:
    role = InputRole.MASK if name == "mask" else InputRole.IMAGE
    if len(data) > _MAX_BYTES:
        raise Refused(400, "", f"{name} is larger than 25MB")
    try:
        return generation.image_input(data, media_type=media_type, role=role)
    except ValueError:
        raise Refused(400, "", f"{name} is no image") from None


def _has_both_colours(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as mask:
        return len(mask.convert("L").point(lambda value: value // 128).getcolors() or ()) > 1
