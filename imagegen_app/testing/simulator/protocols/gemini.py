"""Speak Gemini's `generateContent`, of the Developer API and of Vertex AI, as strictly as they do."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers.families import base64_text
from imagegen_app.providers.families.base64_text import NotBase64
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.faults import Fault

_PATH = re.compile(
    r"/gemini/(?:v1|v1beta|v1beta1)"
    r"(?P<project>/projects/[^/]+/locations/[^/]+/publishers/google)?"
    r"/models/(?P<model>[^/:]+):generateContent"
)
_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_MORE_RATIOS = (*_RATIOS, "1:4", "4:1", "1:8", "8:1")
_SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}


@dataclass(frozen=True, slots=True)
class _Model:
    """What one model accepts."""

    ratios: tuple[str, ...] = _MORE_RATIOS
    sizes: tuple[str, ...] = tuple(_SIDES)
    most_images: int = 14


MODELS: Mapping[str, _Model] = {
    "gemini-nano-banana-2.1": _Model(),
    "gemini-3.1-flash-image": _Model(),
    "gemini-3.1-flash-lite-image": _Model(_RATIOS, ("1K",)),
    "gemini-3-pro-image": _Model(_RATIOS, ("1K", "2K", "4K")),
    "gemini-2.5-flash-image": _Model(_RATIOS, (), 3),
}
_FIELDS = frozenset({"contents", "generationConfig", "safetySettings", "systemInstruction"})
_CONFIG = frozenset(
    {
        "candidateCount",
        "imageConfig",
        "maxOutputTokens",
        "responseModalities",
        "seed",
        "temperature",
        "topK",
        "topP",
    }
)
_IMAGE_CONFIG = frozenset({"aspectRatio", "imageSize"})
#: Only Vertex AI knows these.
_VERTEX_IMAGE_CONFIG = frozenset({"imageOutputOptions", "personGeneration", "prominentPeople"})
_CHOICES: Mapping[str, frozenset[str]] = {
    "threshold": frozenset(
        ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"]
    ),
    "category": frozenset(
        f"HARM_CATEGORY_{harm}"
        for harm in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
    ),
    "personGeneration": frozenset({"ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE"}),
    "mimeType": frozenset(generation.MEDIA_TYPES.values()),
}
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPE = "type.googleapis.com/google.rpc."
_DRAFT = base64.b64encode(b"a draft that nobody should keep").decode("ascii")
_MAX_SEED = 2**31 - 1
_SNAKE = re.compile(r"_([a-z])")


class GeminiProtocol(Protocol):
    """The endpoints under /gemini: of the Developer API, and of a project at Vertex AI."""

    name: ClassVar[str] = "gemini"
    base_path: ClassVar[str] = "/gemini/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if (call.method, call.path) == ("GET", f"{self.base_path}/models"):
            return self._list_models(call)
        route = _PATH.fullmatch(call.path)
        if route is None or call.method != "POST":
            return None
        is_vertex = bool(route["project"])
        try:
            self._require_key(call, is_vertex=is_vertex)
            return await self._generate(call, route["model"], is_vertex=is_vertex)
        except Refused as refused:
            return _error_answer(refused, call)

    def _list_models(self, call: asgi.Call) -> asgi.Answer:
        try:
            self._require_key(call, is_vertex=False)
        except Refused as refused:
            return _error_answer(refused, call)
        return asgi.reply({"models": []})

    def _require_key(self, call: asgi.Call, *, is_vertex: bool) -> None:
        if is_vertex:
            if not self.state.knows_key(call):
                raise Refused(401, "", "Request had invalid authentication credentials.")
            return
        key = call.headers.get("x-goog-api-key", "")
        if not key:
            raise Refused(403, "", "Method doesn't allow unregistered callers.")
        if key not in self.state.keys:
            raise Refused(400, "API_KEY_INVALID", "API key not valid.")

    async def _generate(self, call: asgi.Call, model: str, *, is_vertex: bool) -> asgi.Answer:
        fault = self.state.script.next("generations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            request = _request(_camel(call.json()), model=model, is_vertex=is_vertex)
            self.state.received.add(request)
        except (ValueError, TypeError, LookupError, AttributeError, NotBase64) as problem:
            raise Refused(400, "", f"Invalid JSON payload received. {problem}") from None
        refuse_as_planned(fault, prompt=request.prompt)
        call_id = uuid.uuid4().hex

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            spelling = self.state.script.spelling
            if fault is not None and fault.kind == "output_block":
                candidate = {"finishReason": "IMAGE_SAFETY", "index": 0}
            else:
                candidate = _candidate(drawn[0], fault=fault, spelling=spelling)
            answer = asgi.reply(_answer(request, [candidate], call_id=call_id))
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state, request, call_id=call_id, fault=fault, answer_with=answer_with
            )
        except InvalidRequest:
            raise Refused(400, "", "Unable to process input image.") from None


def _candidate(
    drawn: generation.DrawnImage, *, fault: Fault | None, spelling: str
) -> dict[str, Any]:
    text = generation.base64_of(drawn, fault=fault, spelling=spelling)
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": "image/png", "data": _DRAFT}, "thought": True},
        {"inlineData": {"mimeType": "image/png", "data": _DRAFT}},
        {"text": "Here it is."},
        {"inlineData": {"mimeType": drawn.media_type, "data": text}},
    ]
    return {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}


def _answer(
    request: GenerationRequest, candidates: list[dict[str, Any]], *, call_id: str
) -> dict[str, Any]:
    text, shown = max(1, len(request.prompt) // 4), 258 * len(request.inputs)
    return {
        "candidates": candidates,
        "usageMetadata": {
            "promptTokenCount": text + shown,
            "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": shown}],
            "candidatesTokenCount": 1125,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
            "thoughtsTokenCount": 40,
            "totalTokenCount": text + shown + 1165,
        },
        "modelVersion": request.model,
        "modelStatus": {"modelStage": "STABLE"},
        "responseId": call_id,
    }


def _request(document: dict[str, Any], *, model: str, is_vertex: bool) -> GenerationRequest:
    line = MODELS.get(model)
    if line is None:
        raise Refused(404, "", f"models/{model} is not found.")
    _require_known(document, _FIELDS | (frozenset() if is_vertex else {"store"}))
    config = document.get("generationConfig", {})
    _require_known(config, _CONFIG)
    if "IMAGE" not in config.get("responseModalities", ()):
        raise ValueError("responseModalities: IMAGE is missing")
    if config.get("candidateCount", 1) != 1:
        raise ValueError("candidateCount: only one candidate is supported")
    seed = config.get("seed")
    if seed is not None and (type(seed) is not int or not -_MAX_SEED <= seed <= _MAX_SEED):
        raise ValueError("seed: not an int32")
    for setting in document.get("safetySettings", []):
        _require_known(setting, frozenset({"category", "threshold"}))
    if type(document.get("store", False)) is not bool:
        raise ValueError("store: not a boolean")
    prompt, inputs = _contents(document)
    if len(inputs) > line.most_images:
        raise ValueError("too many images")
    size, output_format = _image_config(
        config.get("imageConfig", {}), line=line, is_vertex=is_vertex
    )
    return GenerationRequest(
        operation=Operation.EDIT if inputs else Operation.GENERATE,
        model=model,
        prompt=prompt,
        size=size,
        seed=seed,
        output_format=output_format,
        inputs=inputs,
    )


def _contents(document: dict[str, Any]) -> tuple[str, tuple[ImageInput, ...]]:
    (content,) = document["contents"] if document.get("contents") else [{}]
    _require_known(content, frozenset({"parts", "role"}))
    texts: list[str] = []
    inputs: list[ImageInput] = []
    for part in content.get("parts", []):
        _require_known(part, frozenset({"inlineData", "text"}))
        if "text" in part:
            texts.append(part["text"])
            continue
        inline = part["inlineData"]
        _require_known(inline, frozenset({"data", "mimeType"}))
        # The official client writes the URL-safe alphabet.
        data = base64_text.decode(inline["data"])
        inputs.append(
            generation.image_input(data, media_type=inline["mimeType"], role=InputRole.IMAGE)
        )
    prompt = "\n".join(texts)
    if not prompt.strip():
        raise ValueError("contents are required")
    return prompt, tuple(inputs)


def _image_config(chosen: dict[str, Any], *, line: _Model, is_vertex: bool) -> tuple[Size, str]:
    _require_known(chosen, _IMAGE_CONFIG | (_VERTEX_IMAGE_CONFIG if is_vertex else frozenset()))
    ratio, name = chosen.get("aspectRatio", "1:1"), chosen.get("imageSize")
    if ratio not in line.ratios:
        raise ValueError(f"aspectRatio: {ratio!r}")
    if name is not None and name not in line.sizes:
        raise ValueError(f"imageSize: {name!r}")
    output = chosen.get("imageOutputOptions", {})
    _require_known(output, frozenset({"compressionQuality", "mimeType"}))
    side, shape = _SIDES[name or "1K"], ratio_value(ratio) ** 0.5
    # The sides are rounded to steps, so that the proportions are nearly those that were asked for.
    size = Size(round(side * shape / 32) * 32, round(side / shape / 32) * 32)
    return size, str(output.get("mimeType", "image/jpeg")).removeprefix("image/")


def _require_known(document: dict[str, Any], known: frozenset[str]) -> None:
    for name, value in document.items():
        if name not in known:
            raise ValueError(f'Unknown name "{name}": Cannot find field.')
        if value not in _CHOICES.get(name, (value,)):
            raise ValueError(f"Invalid value at '{name}': {value!r}")


def _camel(value: Any) -> Any:
    """Return a document with `inlineData` for `inline_data`: both spellings are accepted."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {_SNAKE.sub(lambda m: m[1].upper(), name): _camel(one) for name, one in value.items()}


def _error_answer(refused: Refused, call: asgi.Call) -> asgi.Answer:
    """Return an error as Google writes it; blocked content is a success without candidates."""
    if refused.reason == "blocked":
        feedback = {"blockReason": "PROHIBITED_CONTENT"}
        return asgi.reply({"promptFeedback": feedback, "responseId": "r2"})
    details: list[dict[str, Any]] = []
    if refused.code:
        details.append({"@type": f"{_TYPE}ErrorInfo", "reason": refused.code})
    if refused.retry_after:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{refused.retry_after}s"})
    if refused.reason == "quota":
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "250"}
        details.append({"@type": f"{_TYPE}QuotaFailure", "violations": [violation]})
    sent = call.body[:2000].decode("utf-8", "replace")
    error = {
        "code": refused.status,
        "message": f"{refused} (sent: {sent})",
        "status": _WORDS.get(refused.status, "UNKNOWN"),
        "details": details,
    }
    return asgi.reply({"error": error}, status=refused.status)
