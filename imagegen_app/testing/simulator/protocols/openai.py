"""Speak OpenAI's Images API, and refuse what it refuses."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, forms, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import openai_provenance
from imagegen_app.testing.simulator.protocols.openai_events import Streaming, streaming_of
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.faults import Fault

MODELS = (
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "gpt-image-2.5-sunburst",
    "gpt-image-2-2026-04-21",
)
_MIB = 1024 * 1024
_MAX_MASK_BYTES = 4 * _MIB
_MAX_IMAGE_BYTES = 50 * _MIB
_MAX_IMAGES, _MAX_COUNT, _MAX_PROMPT_CHARS, _MAX_COMPRESSION = 16, 10, 32_000, 100
_FREE = SizeRule(step=16, min_pixels=655_360, max_pixels=3840 * 2160, max_side=3840, max_ratio=3.0)
_LISTED = SizeRule(allowed=(Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)))


@dataclass(frozen=True, slots=True)
class _Line:
    """What the models of one line accept."""

    sizes: SizeRule = _FREE
    qualities: tuple[str, ...] = ("auto", "low", "medium", "high")
    #: Fields beside those that all models know, with their values.
    more: Mapping[str, tuple[str, ...]] | None = None


_FINE = ("auto", "low", "medium", "high", "xhigh", "max")
_LINES: tuple[tuple[re.Pattern[str], _Line], ...] = (
    (
        re.compile(r"gpt-image-2\.6-(sunburst|flare)(-\d{4}-\d\d-\d\d)?"),
        _Line(qualities=_FINE, more={"complexity": ("low", "medium", "high")}),
    ),
    (
        re.compile(r"gpt-image-2\.5-(sunburst|flare)(-\d{4}-\d\d-\d\d)?"),
        _Line(qualities=_FINE),
    ),
    (re.compile(r"gpt-image-2(-\d{4}-\d\d-\d\d)?"), _Line()),
    (
        re.compile(r"gpt-image-1\.5(-\d{4}-\d\d-\d\d)?"),
        _Line(sizes=_LISTED, more={"input_fidelity": ("low", "high")}),
    ),
    (re.compile(r"gpt-image-1(-mini)?|chatgpt-image-latest"), _Line(sizes=_LISTED)),
)
_FIELDS = frozenset(
    {
        "background",
        "model",
        "n",
        "output_compression",
        "output_format",
        "partial_images",
        "prompt",
        "quality",
        "safety_identifier",
        "size",
        "stream",
        "user",
    }
)
#: Only JSON bodies have these.
_JSON_FIELDS = frozenset({"moderation"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "background": ("auto", "opaque", "transparent"),
    "moderation": ("auto", "low"),
    "output_format": ("png", "jpeg", "webp"),
}
_FILES = frozenset({"image", "image[]", "mask"})


class OpenAIProtocol(Protocol):
    """The endpoints under /v1/images, and /v1/models."""

    name: ClassVar[str] = "openai"
    base_path: ClassVar[str] = "/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        route = (call.method, call.path)
        is_ours = call.path.startswith("/v1/images/") or call.path == openai_provenance.PATH
        if not is_ours and route != ("GET", "/v1/models"):
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
        match (call.method, call.path):
            case (_, openai_provenance.PATH):
                return await openai_provenance.check_provenance(call, state=self.state)
            case ("GET", "/v1/models"):
                return _models()
            case ("POST", "/v1/images/generations"):
                return await self.make(call, aim="generations", read=read_generation)
            case ("POST", "/v1/images/edits"):
                return await self.make(call, aim="edits", read=read_edit)
        raise Refused(404, "not_found", f"Invalid URL ({call.method} {call.path})")

    async def make(
        self, call: asgi.Call, *, aim: str, read: Callable[[asgi.Call], GenerationRequest]
    ) -> asgi.Answer:
        """Bill and make the images of a call that `read` understands."""
        fault = self.state.script.next(aim)
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            request = read(call)
            self.state.received.add(request, polarity="transparent")
            _require_fitting_mask(request)
        except (ValueError, TypeError) as problem:
            raise Refused(400, "invalid_value", str(problem)) from None
        refuse_as_planned(fault, prompt=request.prompt)
        call_id = f"img_{uuid.uuid4().hex[:20]}"

        streaming: Streaming | None = request.parameters.get("streaming")

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            if fault is not None and fault.kind == "output_block":
                blocked = Refused(200, "", reason="blocked", stage="output", categories=("sexual",))
                if streaming is None:
                    return self.blocked_answer(blocked)
                document = json.loads(error_answer(blocked).body)
                return streaming.error(document, request=request, image=drawn[0])
            document = self._document(request, drawn, fault=fault, origin=call.origin, id=call_id)
            if streaming is not None:
                pause = self.state.script.stream_pause
                return streaming.answer(document, request=request, image=drawn[0], pause=pause)
            answer = asgi.reply(document)
            spelling = self.state.script.spelling
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state, request, call_id=call_id, fault=fault, answer_with=answer_with
            )
        except InvalidRequest:
            raise Refused(400, "image_parse_error") from None

    def blocked_answer(self, blocked: Refused) -> asgi.Answer:
        """Return a success whose images were filtered."""
        return error_answer(blocked)

    def _document(
        self,
        request: GenerationRequest,
        drawn: list[generation.DrawnImage],
        *,
        fault: Fault | None,
        origin: str,
        id: str,  # noqa: A002 - as the files are named
    ) -> dict[str, Any]:
        script = self.state.script
        data: list[dict[str, str]] = []
        for n, picture in enumerate(drawn):
            if script.results_host:
                # OpenAI's own models never answer by address; servers that copy its API do.
                self.state.files.add(f"{id}-{n}", picture)
                data.append({"url": self.state.file_url(f"{id}-{n}", origin=origin)})
            else:
                text = generation.base64_of(picture, fault=fault, spelling=script.spelling)
                data.append({"b64_json": text})
        text_tokens = max(1, len(request.prompt) // 4)
        image_tokens = round(request.size.pixels / 1000) * len(drawn)
        return {
            "created": int(time.time()),
            "background": "opaque",
            "output_format": request.output_format,
            "quality": request.quality.replace("auto", "") or "medium",
            "size": str(request.size),
            "data": data,
            "usage": {
                "input_tokens": text_tokens,
                "output_tokens": image_tokens,
                "total_tokens": text_tokens + image_tokens,
                "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": 0},
            },
        }


def error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as OpenAI writes it."""
    code, kind = refused.code, refused.kind or "invalid_request_error"
    body: dict[str, Any] = {"message": str(refused), "param": refused.param or None}
    if refused.reason == "quota":
        code, kind = code or "insufficient_quota", "insufficient_quota"
    elif refused.reason == "blocked":
        code, kind = "moderation_blocked", "image_generation_user_error"
        listed = ", ".join(refused.categories)
        body["message"] = (
            f"Your request was rejected by the safety system. safety_violations=[{listed}]."
        )
        body["moderation_details"] = {
            "moderation_stage": refused.stage,
            "categories": list(refused.categories),
        }
    body |= {"type": kind, "code": code or None}
    answer = asgi.reply({"error": body}, status=refused.status)
    return replace(answer, headers=refused.headers)


def _models() -> asgi.Answer:
    """List the models; one of them has a shutdown date, as OpenAI's list has."""
    return asgi.reply(
        {
            "object": "list",
            "data": [
                {
                    "id": model,
                    "object": "model",
                    "created": 1_790_000_000,
                    "owned_by": "simulator",
                    "shutdown_date": "2027-06-01" if "2026-04-21" in model else None,
                }
                for model in MODELS
            ],
        }
    )


def read_generation(call: asgi.Call, *, model: str = "") -> GenerationRequest:
    """Read a JSON body; `model` is there where the body need not name it.

    :raises Refused: if OpenAI would refuse it.
    :raises ValueError: likewise.
    """
    document = call.json() | ({"model": model} if model else {})
    for name in ("n", "output_compression"):
        if name in document and type(document[name]) is not int:
            raise Refused(400, "invalid_type", f"{name}: expected an integer", param=name)
    return _request(document, known=_FIELDS | _JSON_FIELDS, inputs=(), operation=Operation.GENERATE)


def read_edit(call: asgi.Call, *, model: str = "") -> GenerationRequest:
    """Read a form with images; see `read_generation`.

    :raises Refused: if OpenAI would refuse it.
    :raises ValueError: likewise.
    """
    form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
    for name, _, data in form.files:
        if name not in _FILES:
            raise _unknown_parameter(name)
        if len(data) >= _MAX_IMAGE_BYTES:
            raise Refused(400, "image_too_large", "The image is too large.", param=name)
    inputs = tuple(
        generation.image_input(
            data,
            media_type=media_type,
            role=InputRole.MASK if name == "mask" else InputRole.IMAGE,
        )
        for name, media_type, data in form.files
    )
    images = [image for image in inputs if image.role is InputRole.IMAGE]
    if not images or inputs[0].role is InputRole.MASK:
        raise Refused(400, "missing_required_parameter", "image is missing", param="image")
    if len(images) > _MAX_IMAGES:
        raise Refused(400, "array_above_max_length", "too many images", param="image")
    operation = Operation.EDIT
    if len(images) < len(inputs):
        operation = Operation.INPAINT
    elif form.fields.get("background") == "transparent":
        operation = Operation.REMOVE_BACKGROUND
    fields = form.fields | ({"model": model} if model else {})
    return _request(fields, known=_FIELDS, inputs=inputs, operation=operation)


def _request(
    document: Mapping[str, Any],
    *,
    known: frozenset[str],
    inputs: tuple[ImageInput, ...],
    operation: Operation,
) -> GenerationRequest:
    model = document.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(400, "missing_required_parameter", "model is missing", param="model")
    line = next((line for pattern, line in _LINES if pattern.fullmatch(model)), None)
    if line is None:
        raise Refused(404, "model_not_found", f"The model '{model}' does not exist.", param="model")
    _require_known(document, known=known, line=line)
    prompt = document.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refused(400, "missing_required_parameter", "prompt is missing", param="prompt")
    if len(prompt) > _MAX_PROMPT_CHARS:
        raise Refused(400, "string_above_max_length", "prompt is too long", param="prompt")
    count = int(document.get("n", 1))
    if not 1 <= count <= _MAX_COUNT:
        raise Refused(400, "integer_out_of_range", "n must be from 1 to 10", param="n")
    output_format = str(document.get("output_format", "png"))
    background = str(document.get("background", ""))
    if background == "transparent" and output_format == "jpeg":
        message = "Transparent background is not supported for JPEG output format."
        raise Refused(400, "invalid_value", message, param="background")
    _require_compression(document, output_format=output_format)
    streaming = streaming_of(document)
    return GenerationRequest(
        operation=operation,
        model=model,
        prompt=prompt,
        size=_size(str(document.get("size", "auto")), line=line, inputs=inputs),
        count=count,
        quality=str(document.get("quality", "")),
        output_format=output_format,
        background=background,
        inputs=inputs,
        parameters={"streaming": streaming} if streaming else {},
    )


def _require_known(document: Mapping[str, Any], *, known: frozenset[str], line: _Line) -> None:
    choices = {**_CHOICES, **(line.more or {}), "quality": line.qualities}
    for name, value in document.items():
        if name not in known and name not in (line.more or {}):
            raise _unknown_parameter(name)
        allowed = choices.get(name)
        if allowed is not None and value not in allowed:
            message = f"Invalid value: '{value}'. Supported values are: {', '.join(allowed)}."
            raise Refused(400, "invalid_value", message, param=name)


def _require_compression(document: Mapping[str, Any], *, output_format: str) -> None:
    if "output_compression" not in document:
        return
    compression = int(document["output_compression"])
    if output_format == "png" and compression < _MAX_COMPRESSION:
        message = "Compression less than 100 is not supported for PNG output format."
        raise Refused(400, "invalid_value", message, param="output_compression")
    if not 0 <= compression <= _MAX_COMPRESSION:
        raise Refused(400, "integer_out_of_range", "from 0 to 100", param="output_compression")


def _unknown_parameter(name: str) -> Refused:
    return Refused(400, "unknown_parameter", f"Unknown parameter: '{name}'.", param=name)


def _size(text: str, *, line: _Line, inputs: tuple[ImageInput, ...]) -> Size:
    if text == "auto":
        first = next((i for i in inputs if i.role is not InputRole.MASK), None)
        return Size(first.width, first.height) if first else Size(1024, 1024)
    try:
        size = Size.parse(text)
    except ValueError:
        raise Refused(400, "invalid_value", f"Invalid size '{text}'.", param="size") from None
    complaint = line.sizes.error_for(size)
    if complaint is not None:
        message = f"Invalid size '{text}': {complaint.reason}."
        raise Refused(400, "invalid_value", message, param="size")
    return size


def _require_fitting_mask(request: GenerationRequest) -> None:
    """Refuse a mask that is no PNG with alpha, too large, or of another size than the image.

    :raises Refused: if so.
    """
    for mask in request.inputs:
        if mask.role is not InputRole.MASK:
            continue
        picture = request.inputs[0]
        if len(mask.data) >= _MAX_MASK_BYTES:
            raise Refused(400, "invalid_image_file", "The mask is too large.", param="mask")
        if (mask.width, mask.height) != (picture.width, picture.height):
            message = "The mask has another size than the image."
            raise Refused(400, "invalid_image_size", message, param="mask")
        if not generation.is_png_with_alpha(mask.data):
            message = "The mask must be a PNG with an alpha channel."
            raise Refused(400, "invalid_image_file", message, param="mask")
