"""Speak Recraft's API: JSON in, base64 or addresses out, and errors that are often plain text."""

from __future__ import annotations

import base64
import binascii
import io
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput

_PREFIX = "/recraft/v1/images/"
_MAX_BYTES, _MAX_PIXELS, _SIDES = 10 * 2**20, 16_000_000, range(256, 4097)
_SAFE_SCORE, _UNSAFE_SCORE = 0.01, 0.98
_SIZES_3 = "1024x1024 1365x1024 1024x1365 1536x1024 1024x1536 1280x1024 1024x1280"
_SIZES_4 = "1024x1024 1216x896 896x1216 1280x832 832x1280 1344x768 768x1344"
_PRO = "2048x2048 2432x1792 1792x2432 2688x1536 1536x2688"
#: The sizes, and the units that an image costs, by model.
_MODELS: Mapping[str, tuple[str, int]] = {
    "recraftv2": (_SIZES_3, 22),
    "recraftv3": (_SIZES_3, 40),
    "recraftv4": (_SIZES_4, 40),
    "recraftv4_1": (_SIZES_4, 35),
    "recraftv4_1_pro": (_PRO, 210),
}
_STYLED = frozenset({"recraftv2", "recraftv3"})
_UNITS = {"crispUpscale": 4, "creativeUpscale": 250, "removeBackground": 10, "eraseRegion": 2}
#: Whole errors of this API that are no JSON.
_TEXTS = {401: "request unauthorized", 404: "404 page not found", 500: "internal server error"}

#: Tells whether a value fits.
Rule = Callable[[Any], bool]


def _whole(low: int, high: int) -> Rule:
    return lambda value: type(value) is int and low <= value <= high


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_colour(value: Any) -> bool:
    rgb = value.get("rgb") if isinstance(value, dict) else None
    return isinstance(rgb, list) and len(rgb) == len("rgb") and all(map(_whole(0, 255), rgb))


_CONTROLS: Mapping[str, Rule] = {
    "colors": lambda value: isinstance(value, list) and all(map(_is_colour, value)),
    "background_color": _is_colour,
    "no_text": _is_flag,
    "artistic_level": _whole(0, 5),
}


def _are_controls(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in _CONTROLS and _CONTROLS[name](one) for name, one in value.items()
    )


_RULES: Mapping[str, Rule] = {
    "prompt": lambda value: _is_text(value) and bool(value.strip()),
    "negative_prompt": _is_text,
    "model": _is_text,
    "n": _whole(1, 6),
    "size": _is_text,
    "style": _is_text,
    "style_id": _is_text,
    "controls": _are_controls,
    "random_seed": _whole(0, 2**32 - 1),
    "strength": lambda value: type(value) in {int, float} and 0 <= value <= 1,
    "image_url": _is_text,
    "mask_url": _is_text,
    "block_nsfw": _is_flag,
    "calculate_features": _is_flag,
    "response_format": lambda value: value in {"url", "b64_json"},
    "image_format": lambda value: value in {"png", "webp"},
}
_DRAWN = "prompt model n random_seed controls negative_prompt style style_id block_nsfw"


@dataclass(frozen=True, slots=True)
class _Endpoint:
    operation: Operation
    required: str
    fields: str = ""
    scale: int = 1

    @property
    def is_single(self) -> bool:
        """Whether its answer has one `image` instead of a list."""
        return "prompt" not in self.required

    def read(self, document: Mapping[str, Any]) -> GenerationRequest:
        """Read the body of a call.

        :raises Refused: if something in it is not taken.
        """
        known = {*self.required.split(), *self.fields.split(), "response_format", "image_format"}
        for name in self.required.split():
            if name not in document:
                raise _invalid(f"{name} is required")
        for name, value in document.items():
            if name not in known or not _RULES[name](value):
                raise _invalid(f"{name} is invalid")
        model = str(document.get("model", "recraftv3"))
        if not self.is_single:
            self._require_model(document, model=model)
        inputs = _inputs(document)
        first = inputs[0] if inputs else None
        size = Size(first.width * self.scale, first.height * self.scale) if first else None
        return GenerationRequest(
            operation=self.operation,
            model=model,
            prompt=str(document.get("prompt", "")),
            size=size or Size.parse(document.get("size", _MODELS[model][0].split()[0])),
            count=document.get("n", 1),
            negative_prompt=str(document.get("negative_prompt", "")),
            seed=document.get("random_seed"),
            output_format=document.get("image_format", "webp"),
            inputs=tuple(inputs),
        )

    def _require_model(self, document: Mapping[str, Any], *, model: str) -> None:
        if model not in _MODELS:
            raise _invalid(f"unknown model {model}")
        if self.operation is Operation.INPAINT and model != "recraftv3":
            raise _invalid(f"{model} cannot inpaint")
        if "size" in document and document["size"] not in _MODELS[model][0].split():
            raise _invalid("size is invalid")
        if model not in _STYLED and {"style", "style_id", "negative_prompt"} & set(document):
            raise _invalid(f"{model} takes no style and no negative prompt")


_ENDPOINTS: Mapping[str, _Endpoint] = {
    "generations": _Endpoint(Operation.GENERATE, "prompt", f"{_DRAWN} size calculate_features"),
    "imageToImage": _Endpoint(
        Operation.EDIT, "prompt image_url strength", f"{_DRAWN} calculate_features"
    ),
    "inpaint": _Endpoint(
        Operation.INPAINT, "prompt image_url mask_url", f"{_DRAWN} calculate_features"
    ),
    "eraseRegion": _Endpoint(Operation.ERASE, "image_url mask_url"),
    "removeBackground": _Endpoint(Operation.REMOVE_BACKGROUND, "image_url"),
    "crispUpscale": _Endpoint(Operation.UPSCALE, "image_url", scale=2),
    "creativeUpscale": _Endpoint(Operation.UPSCALE, "image_url", scale=2),
}


class RecraftProtocol(Protocol):
    """The endpoints under /v1/images."""

    name: ClassVar[str] = "recraft"
    #: OpenAI's API has the same paths.
    base_path: ClassVar[str] = "/recraft/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith(f"{self.base_path}/"):
            return None
        try:
            return await self._make(call)
        except Refused as refused:
            return _error(refused)

    async def _make(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "")
        name = call.path.removeprefix(_PREFIX)
        if (call.method, call.path) == ("GET", f"{self.base_path}/users/me"):
            return asgi.reply({"credits": 1000, "email": "", "id": "simulator", "name": ""})
        endpoint = _ENDPOINTS.get(name)
        if call.method != "POST" or endpoint is None:
            raise Refused(404, "")
        fault = self.state.script.next("edits" if endpoint.is_single else "generations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        if call.query.get("billing", "api") not in {"api", "subscription"}:
            raise _invalid("billing is invalid")
        try:
            document = call.json()
        except ValueError:
            raise _invalid("the body is no JSON object") from None
        request = endpoint.read(document)
        self.state.received.add(request, polarity="white")
        refuse_as_planned(fault, prompt=request.prompt)
        units = _UNITS.get(name) or _MODELS[request.model][1]
        is_withheld = fault is not None and fault.kind == "output_block"

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            items = [
                {
                    "image_id": str(uuid.uuid4()),
                    "features": {"nsfw_score": _UNSAFE_SCORE if is_withheld else _SAFE_SCORE},
                    **({} if is_withheld else self._image(one, call, document, fault=fault)),
                }
                for one in drawn
            ]
            found = {"image": items[0]} if endpoint.is_single else {"data": items}
            answer = asgi.reply(
                {"created": int(time.time()), "credits": units * request.count, **found}
            )
            body = generation.with_escapes(answer.body, spelling=self.state.script.spelling)
            return replace(answer, body=body)

        return await make_images(
            self.state, request, call_id=str(uuid.uuid4()), fault=fault, answer_with=answer_with
        )

    def _image(
        self,
        one: generation.DrawnImage,
        call: asgi.Call,
        document: Mapping[str, Any],
        *,
        fault: Any,
    ) -> dict[str, str]:
        script = self.state.script
        if document.get("response_format", "url") == "url" or script.results_host:
            name = str(uuid.uuid4())
            self.state.files.add(name, one)
            return {"url": self.state.file_url(name, origin=call.origin)}
        return {"b64_json": generation.base64_of(one, fault=fault, spelling=script.spelling)}


def _inputs(document: Mapping[str, Any]) -> list[ImageInput]:
    found = []
    for name, role in (("image_url", InputRole.IMAGE), ("mask_url", InputRole.MASK)):
        if name in document:
            found.append(_input(name, document[name], role=role))
    if len(found) > 1:
        image, mask = found
        if (image.width, image.height) != (mask.width, mask.height):
            raise _invalid("the mask must have the size of the image")
        with Image.open(io.BytesIO(mask.data)) as opened:
            if not set(opened.convert("L").tobytes()) <= {0, 255}:
                raise _invalid("the mask must be black and white")
    return found


def _input(name: str, address: str, *, role: InputRole) -> ImageInput:
    head, comma, text = address.partition(",")
    if not head.startswith("data:image/") or not comma:
        # The simulator fetches nothing.
        raise _invalid(f"{name} cannot be fetched")
    try:
        data = base64.b64decode(text, validate=True)
        media_type = head.removeprefix("data:").partition(";")[0]
        image = generation.image_input(data, media_type=media_type, role=role)
    except (ValueError, binascii.Error):
        raise _invalid(f"{name} is no image") from None
    is_small = len(data) <= _MAX_BYTES and image.width * image.height <= _MAX_PIXELS
    if not is_small or not {image.width, image.height} <= set(_SIDES):
        raise _invalid(f"{name} is too large or too small")
    return image


def _invalid(message: str) -> Refused:
    return Refused(400, "invalid_request", message)


def _error(refused: Refused) -> asgi.Answer:
    status, code, message = refused.status, refused.code, str(refused)
    if refused.reason == "blocked":
        status, code, message = 400, "prompt_moderation", "The prompt was rejected"
    elif refused.reason == "quota":
        status, code = 402, "not_enough_credits"
    text = _TEXTS.get(status)
    if text is not None:
        return asgi.Answer(status, text.encode(), "text/plain; charset=utf-8")
    answer = asgi.reply({"code": code or "error", "message": message}, status=status)
    return replace(answer, headers=refused.headers)
