"""Speak OpenAI's Images API as the servers do that copy it, each in its own way.

Stricter than the real ones in one thing: a field that a server would ignore is refused.
"""

from __future__ import annotations

import base64
import time
import uuid
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, forms, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.openai import (
    OpenAIProtocol,
    read_edit,
    read_generation,
)
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

_MAX_COUNT = 10
_COMMON = frozenset({"model", "prompt", "n", "size"})
_DIFFUSION = _COMMON | {
    "guidance_scale",
    "negative_prompt",
    "num_inference_steps",
    "response_format",
    "seed",
}
_SERVER_FAULT = 500
_COST = "0.042"
_NO_ROUTE = "no_route"
#: The proxy's own names, what stands behind them, and what it is for.
#: In US dollars an image.
_PRICE = 0.04
_LITELLM_MODELS = (
    ("gpt-image-2", "openai/gpt-image-2", "image_generation"),
    ("studio", "azure/gpt-image-2", "image_generation"),
    ("chat", "openai/gpt-5.6", "chat"),
)


class LiteLLMProtocol(OpenAIProtocol):
    """LiteLLM before OpenAI: what OpenAI takes, with headers and errors of its own."""

    name: ClassVar[str] = "litellm"
    base_path: ClassVar[str] = "/litellm/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path == f"{self.base_path}/model/info":
            return self._models(call)
        if not call.path.startswith(f"{self.base_path}/images/"):
            return None
        try:
            answer = await self._serve(call)
        except Refused as refused:
            answer = _litellm_error(refused)
        else:
            cost = {"x-litellm-response-cost": _COST, "x-litellm-attempted-fallbacks": "0"}
            answer = replace(answer, headers={**answer.headers, **cost})
        headers = {**answer.headers, "x-litellm-call-id": str(uuid.uuid4())}
        return replace(answer, headers=headers)

    def _models(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            return _litellm_error(Refused(401, "401", "Authentication Error"))
        data = [
            {
                "model_name": name,
                "litellm_params": {"model": behind, "api_base": "https://upstream.example"},
                "model_info": {"id": name, "mode": mode, "output_cost_per_image": _PRICE},
            }
            for name, behind, mode in _LITELLM_MODELS
        ]
        return asgi.reply({"data": data})

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "401", "Authentication Error, Invalid proxy server token")
        aim = call.path.removeprefix(f"{self.base_path}/images/")
        if call.method != "POST" or aim not in {"generations", "edits"}:
            raise Refused(404, _NO_ROUTE)
        read = read_generation if aim == "generations" else read_edit
        return await self.make(call, aim=aim, read=read)

    def blocked_answer(self, blocked: Refused) -> asgi.Answer:
        return replace(_litellm_error(blocked), status=200)


#: By the status: what the proxy calls an error, and the exception that it began with.
_LITELLM_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "litellm.BadRequestError: OpenAIException - "),
    401: ("authentication_error", ""),
    403: ("permission_error", "litellm.PermissionDeniedError: OpenAIException - "),
    404: ("invalid_request_error", "litellm.NotFoundError: OpenAIException - "),
    429: ("rate_limit_error", "litellm.RateLimitError: RateLimitError: OpenAIException - "),
    500: ("internal_server_error", "litellm.InternalServerError: OpenAIException - "),
    503: ("service_unavailable_error", "litellm.ServiceUnavailableError: OpenAIException - "),
}
_REJECTED = "Your request was rejected by the safety system."


def _litellm_error(refused: Refused) -> asgi.Answer:
    """Return an error as LiteLLM writes it: the code is the status, and the message says the rest.

    What OpenAI says behind it is handed on in words, without OpenAI's codes.
    """
    if refused.code == _NO_ROUTE:
        return asgi.reply({"detail": "Not Found"}, status=404)
    kind, exception = _LITELLM_ERRORS.get(refused.status, ("invalid_request_error", ""))
    message = f"{exception}{refused}"
    more: dict[str, Any] = {}
    if refused.reason == "blocked":
        policy = "litellm.ContentPolicyViolationError: OpenAIException - "
        message = f"litellm.BadRequestError: {policy}{_REJECTED}"
        more = {"provider_specific_fields": {"innererror": {}}}
    elif refused.reason == "quota":
        kind = "budget_exceeded"
        message = "Budget has been exceeded! Current cost: 26.075, Max budget: 0.25"
    error = {"message": message, "type": kind, "param": None, "code": str(refused.status)}
    answer = asgi.reply({"error": {**error, **more}}, status=refused.status)
    return replace(answer, headers=refused.headers)


class _Server(Protocol):
    """A server that draws itself."""

    fields: ClassVar[frozenset[str]] = _COMMON
    #: The parts with images; a part of another name is ignored.
    mask: ClassVar[str] = ""
    has_edits: ClassVar[bool] = True
    has_keys: ClassVar[bool] = False
    #: What it says of its models, by the path below the server.
    lists: ClassVar[Mapping[str, Any]] = {}

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        listed = self.lists.get(call.path.removeprefix(self.base_path.removesuffix("v1")))
        if not call.path.startswith(f"{self.base_path}/images/") and listed is None:
            return None
        try:
            if listed is not None:
                self._require_key(call)
                return asgi.reply(listed)
            return await self._serve(call, call.path.removeprefix(f"{self.base_path}/images/"))
        except Refused as refused:
            if refused.reason == "quota":
                # None of them has a budget: a proxy before it may.
                refused.status = 402
            answer = self.error_answer(refused)
            return replace(answer, headers=refused.headers)

    @abstractmethod
    def error_answer(self, refused: Refused) -> asgi.Answer:
        """Return an error as the server writes it."""

    async def _serve(self, call: asgi.Call, aim: str) -> asgi.Answer:
        self._require_key(call)
        known = {"generations", "edits"} if self.has_edits else {"generations"}
        if call.method != "POST" or aim not in known:
            raise Refused(404, "", "Not Found")
        fault = self.state.script.next(aim)
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            request = self._read_form(call) if aim == "edits" else self._read_json(call)
            self.state.received.add(request, polarity="white")
        except (ValueError, TypeError) as problem:
            raise Refused(400, "", str(problem)) from None
        refuse_as_planned(fault, prompt=request.prompt)

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            spelling = self.state.script.spelling
            texts = [generation.base64_of(one, fault=fault, spelling=spelling) for one in drawn]
            data = [{"b64_json": text} for text in texts]
            answer = asgi.reply({"created": int(time.time()), "data": data})
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state, request, call_id=uuid.uuid4().hex, fault=fault, answer_with=answer_with
            )
        except InvalidRequest:
            raise Refused(400, "", "an image cannot be read") from None

    def _require_key(self, call: asgi.Call) -> None:
        if self.has_keys and not self.state.knows_key(call):
            raise Refused(401, "", "Unauthorized")

    def _read_json(self, call: asgi.Call) -> GenerationRequest:
        document = call.json()
        if type(document.get("n", 1)) is not int:
            raise Refused(400, "", "n: not an integer", param="n")
        return self.read(document)

    def _read_form(self, call: asgi.Call) -> GenerationRequest:
        form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        request = self.read(form.fields)
        roles = {"image": InputRole.IMAGE, "image[]": InputRole.IMAGE}
        if self.mask:
            roles[self.mask] = InputRole.MASK
        inputs = tuple(
            generation.image_input(data, media_type=media_type, role=roles[name])
            for name, media_type, data in form.files
            if name in roles
        )
        if not inputs or inputs[0].role is InputRole.MASK:
            raise Refused(422, "", "Field 'image' is required")
        has_mask = inputs[-1].role is InputRole.MASK
        operation = Operation.INPAINT if has_mask else Operation.EDIT
        if has_mask and inputs[-1].size != inputs[0].size:
            raise Refused(400, "", "the mask has another size")
        return replace(request, inputs=inputs, operation=operation)

    def read(self, document: Mapping[str, Any]) -> GenerationRequest:
        """Read the fields of a call.

        :raises Refused: if the server would refuse, or ignore, one of them.
        """
        unknown = document.keys() - self.fields
        if unknown:
            raise Refused(400, "", f"not known here: {', '.join(sorted(unknown))}")
        prompt = document.get("prompt")
        if not isinstance(prompt, str) or not prompt:
            raise Refused(400, "", "prompt is required")
        count = int(document.get("n", 1))
        if not 1 <= count <= _MAX_COUNT:
            raise Refused(400, "", "n must be from 1 to 10")
        if document.get("response_format", "b64_json") != "b64_json":
            raise Refused(400, "", "response_format: b64_json only")
        return GenerationRequest(
            operation=Operation.GENERATE,
            model=str(document.get("model", "")),
            prompt=prompt,
            size=Size.parse(str(document.get("size", "512x512"))),
            count=count,
            output_format=str(document.get("output_format", "png")),
        )


class VllmOmniProtocol(_Server):
    """vLLM-Omni: a mask has a name of its own."""

    name: ClassVar[str] = "vllm_omni"
    base_path: ClassVar[str] = "/vllm-omni/v1"
    fields: ClassVar[frozenset[str]] = _DIFFUSION | {"output_format", "true_cfg_scale"}
    mask: ClassVar[str] = "mask_image"
    has_keys: ClassVar[bool] = True
    lists: ClassVar[Mapping[str, Any]] = {
        "v1/models": {"object": "list", "data": [{"id": "FLUX.2-klein-4B", "object": "model"}]}
    }

    def error_answer(self, refused: Refused) -> asgi.Answer:
        error: Any = {"message": str(refused), "type": "Bad Request", "param": None}
        error |= {"code": refused.status}
        if refused.status == 401:  # noqa: PLR2004 - as written in HTTP
            error = "Unauthorized"
        return asgi.reply({"error": error}, status=refused.status)


class SGLangProtocol(_Server):
    """SGLang: no masks; what fails while it draws is told as plain text."""

    name: ClassVar[str] = "sglang"
    base_path: ClassVar[str] = "/sglang/v1"
    fields: ClassVar[frozenset[str]] = _DIFFUSION
    lists: ClassVar[Mapping[str, Any]] = {
        "v1/models": {"object": "list", "data": [{"id": "Qwen-Image", "task_type": "T2I"}]}
    }

    def error_answer(self, refused: Refused) -> asgi.Answer:
        if refused.status == _SERVER_FAULT:
            return asgi.Answer(_SERVER_FAULT, b"Internal Server Error", "text/plain")
        return asgi.reply({"detail": str(refused)}, status=refused.status)

    def read(self, document: Mapping[str, Any]) -> GenerationRequest:
        if "response_format" not in document:
            raise Refused(400, "", "response_format='url' requires cloud storage")
        return super().read(document)


class StableDiffusionCppProtocol(_Server):
    """stable-diffusion.cpp: a mask is grey, and white where the image changes."""

    name: ClassVar[str] = "stable_diffusion_cpp"
    base_path: ClassVar[str] = "/sd-cpp/v1"
    fields: ClassVar[frozenset[str]] = _COMMON | {"output_compression", "output_format"}
    mask: ClassVar[str] = "mask"
    lists: ClassVar[Mapping[str, Any]] = {
        "v1/models": {"data": [{"id": "sd-cpp-local", "object": "model", "owned_by": "local"}]},
        "sdapi/v1/sd-models": [{"title": "sd", "model_name": "sd", "filename": "sd.safetensors"}],
    }

    def error_answer(self, refused: Refused) -> asgi.Answer:
        return asgi.reply({"error": str(refused)}, status=refused.status)


class LocalAIProtocol(_Server):
    """LocalAI: an image comes as base64 beside the prompt; one that cannot be read is ignored."""

    name: ClassVar[str] = "localai"
    base_path: ClassVar[str] = "/localai/v1"
    fields: ClassVar[frozenset[str]] = _COMMON | {"file", "response_format", "step"}
    has_edits: ClassVar[bool] = False
    has_keys: ClassVar[bool] = True
    lists: ClassVar[Mapping[str, Any]] = {
        "v1/models": {"object": "list", "data": [{"id": "flux.1-dev"}, {"id": "whisper-1"}]},
        "v1/models/capabilities": {
            "object": "list",
            "data": [
                {"id": "flux.1-dev", "capabilities": ["image"], "output_modalities": ["image"]},
                {"id": "whisper-1", "capabilities": [], "output_modalities": ["text"]},
            ],
        },
    }

    def error_answer(self, refused: Refused) -> asgi.Answer:
        error = {"code": refused.status, "message": str(refused), "type": ""}
        return asgi.reply({"error": error}, status=refused.status)

    def read(self, document: Mapping[str, Any]) -> GenerationRequest:
        request = super().read(document)
        try:
            data = base64.b64decode(document.get("file", ""), validate=True)
            image = generation.image_input(data, media_type="image/png", role=InputRole.IMAGE)
        except ValueError:
            return request
        return replace(request, operation=Operation.EDIT, inputs=(image,))
