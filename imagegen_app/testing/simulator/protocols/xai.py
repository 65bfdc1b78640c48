"""Speak xAI's Images API: JSON for edits, too, prices in ticks, and references that it ignores."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers.families.base64_text import NotBase64, decode
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.echoes import prompt_of
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned
from imagegen_app.testing.simulator.state import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.faults import Fault

_PATHS = {"/xai/v1/images/generations": "generations", "/xai/v1/images/edits": "edits"}
_MODELS_PATH = "/xai/v1/models"
#: By model: its qualities, and how many images an edit takes.
MODELS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "grok-imagine-image-2.0": (("low", "medium", "high"), 5),
    "grok-imagine-image": ((), 3),
}
_WIDE = ("4:3", "3:2", "16:9", "2:1", "19.5:9", "20:9")
_RATIOS = ("auto", "1:1", *_WIDE, "3:4", "2:3", "9:16", "1:2", "9:19.5", "9:20")
_SIDES = {"1k": 1024, "2k": 2048}
_FIELDS = frozenset(
    {"aspect_ratio", "model", "n", "prompt", "quality", "resolution", "response_format", "user"}
)
#: Ignored by a generation.
_IMAGES = frozenset({"image", "images"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "aspect_ratio": _RATIOS,
    "resolution": tuple(_SIDES),
    "response_format": ("b64_json", "url"),
}
_MAX_COUNT, _MAX_PROMPT_CHARS = 10, 8000
_TEAM = "7c0c7ffc-2b54-4b30-9d3d-0b1a3f1a6c11"
_FORBIDDEN = "The caller does not have permission to execute the specified operation"
_CODES: Mapping[int, str] = {
    400: "Client specified an invalid argument",
    401: "The request does not have valid authentication credentials for the operation",
    403: _FORBIDDEN,
    404: "Some requested entity was not found",
    429: "Some resource has been exhausted",
    503: "The service is currently unavailable",
}
#: Codes that come in an object, as OpenAI's do.
_ALONE = frozenset({"content_filter", "insufficient_quota"})
#: A body that cannot be read is refused before the API itself sees it.
_PLAIN = frozenset({415, 422})
#: Ten billion ticks are a dollar.
_CENT = 10**8
_PRICES = {("1k", "low"): 4, ("1k", "medium"): 6, ("2k", "low"): 6, ("2k", "medium"): 8}


class XAIProtocol(Protocol):
    """The endpoints under /xai/v1/images."""

    name: ClassVar[str] = "xai"
    base_path: ClassVar[str] = "/xai/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        aim = _PATHS.get(call.path)
        if (call.method, call.path) == ("GET", _MODELS_PATH):
            return self._list_models(call)
        if aim is None or call.method != "POST":
            return None
        try:
            if not key_of(call):
                raise Refused(401, "", "No API key was sent.")  # noqa: TRY301 - beside its twin
            return await self._make(call, aim=aim)
        except Refused as refused:
            return _error_answer(refused, call)

    def _list_models(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            return _error_answer(
                Refused(400, "invalid-argument", "Incorrect API key provided."), call
            )
        return asgi.reply({"object": "list", "data": []})

    async def _make(self, call: asgi.Call, *, aim: str) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(400, "invalid-argument", "Incorrect API key provided.")
        fault = self.state.script.next(aim)
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        if "multipart/" in call.headers.get("content-type", ""):
            raise Refused(415, "", "Expected request with `Content-Type: application/json`")
        try:
            document = call.json()
            request = _request(document, is_edit=aim == "edits")
            self.state.received.add(request)
        except (ValueError, TypeError, AttributeError, NotBase64) as problem:
            raise Refused(422, "", f"Failed to deserialize the JSON body: {problem}") from None
        refuse_as_planned(fault, prompt=request.prompt)
        call_id = uuid.uuid4().hex

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            items = [
                self._item(one, f"{call_id}-{n}", document, fault=fault, origin=call.origin)
                for n, one in enumerate(drawn)
            ]
            ticks = _ticks(request, document) * len(drawn)
            usage = {"cost_in_usd_ticks": ticks}
            answer = asgi.reply({"data": items, "model": request.model, "usage": usage})
            spelling = self.state.script.spelling
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state, request, call_id=call_id, fault=fault, answer_with=answer_with
            )
        except InvalidRequest:
            raise Refused(400, "invalid-argument", "Failed to decode the image.") from None

    def _item(
        self,
        drawn: generation.DrawnImage,
        name: str,
        document: Mapping[str, Any],
        *,
        fault: Fault | None,
        origin: str,
    ) -> dict[str, Any]:
        script = self.state.script
        if fault is not None and fault.kind == "output_block":
            return {"url": None, "b64_json": None, "respect_moderation": False}
        item = {"mime_type": drawn.media_type, "respect_moderation": True}
        if script.results_host or document.get("response_format", "url") == "url":
            self.state.files.add(name, drawn)
            return item | {"url": self.state.file_url(name, origin=origin)}
        text = generation.base64_of(drawn, fault=fault, spelling=script.spelling)
        return item | {"b64_json": text}


def _request(document: dict[str, Any], *, is_edit: bool) -> GenerationRequest:
    for name, value in document.items():
        if name not in _FIELDS | _IMAGES:
            raise ValueError(f"unknown field `{name}`")
        if value not in _CHOICES.get(name, (value,)):
            raise ValueError(f"unknown variant `{value}`, in `{name}`")
    model, prompt = str(document.get("model")), document.get("prompt")
    count = document.get("n", 1)
    if model not in MODELS:
        raise Refused(404, "", f"The model {model} does not exist.")
    if document.get("quality") not in {None, *MODELS[model][0]}:
        raise ValueError("unknown variant, in `quality`")
    if not isinstance(prompt, str) or not 0 < len(prompt.strip()) <= _MAX_PROMPT_CHARS:
        raise ValueError("prompt: missing, or too long")
    if type(count) is not int or not 1 <= count <= _MAX_COUNT:
        raise ValueError("n: must be from 1 to 10")
    inputs = _inputs(document, most=MODELS[model][1]) if is_edit else ()
    ratio, side = document.get("aspect_ratio", "auto"), _SIDES[document.get("resolution", "1k")]
    shape = 1.0 if ratio == "auto" else ratio_value(ratio) ** 0.5
    return GenerationRequest(
        operation=Operation.EDIT if is_edit else Operation.GENERATE,
        model=model,
        prompt=prompt,
        size=Size(round(side * shape / 16) * 16, round(side / shape / 16) * 16),
        count=count,
        quality=document.get("quality", ""),
        output_format="jpeg",
        inputs=inputs,
    )


def _inputs(document: dict[str, Any], *, most: int) -> tuple[ImageInput, ...]:
    if ("image" in document) == ("images" in document):
        raise ValueError("one of `image` and `images` is needed")
    given = document.get("images", [document.get("image")])
    if not 1 <= len(given) <= most:
        raise ValueError("images: none, or too many")
    return tuple(_input(one) for one in given)


def _input(image: dict[str, Any]) -> ImageInput:
    if set(image) - {"type", "url"} or image.get("type", "image_url") != "image_url":
        raise ValueError("image: unknown field")
    url = str(image.get("url", ""))
    if not url.startswith("data:image/"):
        raise ValueError("image: the simulator fetches no URLs")
    kind = url.removeprefix("data:").partition(";")[0]
    return generation.image_input(decode(url), media_type=kind, role=InputRole.IMAGE)


def _ticks(request: GenerationRequest, document: Mapping[str, Any]) -> int:
    """Return what one image costs."""
    if request.model == "grok-imagine-image":
        return 2 * _CENT
    usual = "medium" if request.inputs else "low"
    quality = request.quality or usual
    resolution = str(document.get("resolution", "1k"))
    cents = _PRICES[resolution, "low" if quality == "low" else "medium"]
    return (cents + len(request.inputs)) * _CENT


def _error_answer(refused: Refused, call: asgi.Call) -> asgi.Answer:
    """Return an error in one of the forms that this API has.

    Most have a code that is a sentence and repeats the status only; the text tells the rest. A body
    that cannot be read is refused in plain text.
    """
    status, code, words = refused.status, refused.code, str(refused)
    if refused.reason == "blocked" and refused.stage == "output":
        status, code, words = 400, "", "Generated image rejected by content moderation."
    elif refused.reason == "blocked":
        check = f"SAFETY_CHECK_TYPE_{(refused.categories or ('general',))[0].upper()}"
        status, code = 403, _FORBIDDEN
        words = f"Content violates usage guidelines. Team: {_TEAM}, Failed check: {check}"
    elif refused.reason == "quota":
        status, code = 403, _FORBIDDEN
        words = (
            f"Your team {_TEAM} has either used all available credits or reached its monthly "
            "spending limit. To continue making API requests, please purchase more credits or "
            "raise your spending limit."
        )
    words = f"{words} (key: {key_of(call)}; prompt: {prompt_of(call)})"
    if status in _PLAIN:
        return asgi.Answer(status, words.encode(), "text/plain; charset=utf-8")
    document: dict[str, Any] = {"error": words}
    if code in _ALONE:
        document = {"error": {"message": words, "type": "error", "param": None, "code": code}}
    elif code or status in _CODES:
        document["code"] = code or _CODES[status]
    return replace(asgi.reply(document, status=status), headers=refused.headers)
