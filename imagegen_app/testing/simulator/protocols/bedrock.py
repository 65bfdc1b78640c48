"""Speak Amazon Bedrock's InvokeModel for Stability's models: signed calls, blocks inside of a success."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import bedrock_keys, bedrock_models
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = re.compile(r"/model/([^/]+)/invoke")
_MAX_BODY_BYTES = 25_000_000
#: The SDKs send bytes where nothing else is asked of them, or say nothing.
_CONTENT_TYPES = frozenset({"", "application/json", "application/octet-stream"})
_ACCEPTED = frozenset({"", "*/*", "application/json"})
_PROFILE = re.compile(
    r"arn:aws:bedrock:[a-z0-9-]+:\d{12}:(?:application-)?inference-profile/([\w.:-]+)"
)
_GEOGRAPHY = "us."
#: A profile that a customer has made of another one; its name tells nothing of the model.
APPLICATION_PROFILES: Mapping[str, str] = {
    "simulated0inp": "us.stability.stable-image-inpaint-v1:0",
}
#: The codes of errors, by status.
_CODES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class BedrockProtocol(Protocol):
    """The endpoints under /model."""

    name: ClassVar[str] = "bedrock"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/model/",)

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        path = _PATH.fullmatch(call.raw_path)
        if path is None:
            return None
        try:
            answer = await self._invoke(call, unquote(path[1]))
        except Refused as refused:
            answer = _error_answer(refused)
        return replace(answer, headers={**answer.headers, "x-amzn-requestid": str(uuid.uuid4())})

    async def _invoke(self, call: asgi.Call, model_id: str) -> asgi.Answer:
        if call.method != "POST":
            raise Refused(404, "UnknownOperationException", "Unable to determine the operation.")
        region = bedrock_keys.region_of(call, state=self.state)
        model = _model(model_id, region=region)
        fault = self.state.script.next("edits" if model.has_images else "generations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        request = model.read(_document(call), model=model_id)
        self.state.received.add(request, polarity="white")
        refuse_as_planned(fault, prompt=request.prompt)

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            reason, image = None, drawn[0]
            if fault is not None and fault.kind == "output_block":
                reason, image = "Filter reason: output image", generation.blurred(image)
            spelling = self.state.script.spelling
            text = generation.base64_of(image, fault=fault, spelling=spelling)
            document = {"seeds": [image.seed], "finish_reasons": [reason], "images": [text]}
            answer = asgi.reply(document)
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state,
                request,
                call_id=uuid.uuid4().hex,
                fault=fault,
                answer_with=answer_with,
            )
        except InvalidRequest as problem:
            raise bedrock_models.malformed(problem.detail or "#/image: unusable") from None


def _model(model_id: str, *, region: str) -> bedrock_models.Model:
    """Return the model that an ID, an inference profile or the ARN of one stands for."""
    arn = _PROFILE.fullmatch(model_id)
    name = arn[1] if arn else model_id
    name = APPLICATION_PROFILES.get(name, name)
    model = bedrock_models.MODELS.get(name.removeprefix(_GEOGRAPHY))
    has_profile = name.startswith(_GEOGRAPHY)
    if model is None or region not in model.regions or (has_profile and not model.needs_profile):
        raise Refused(400, "ValidationException", "The provided model identifier is invalid.")
    if model.needs_profile and not has_profile:
        raise Refused(
            400,
            "ValidationException",
            f"Invocation of model ID {model_id} with on-demand throughput isn't supported. Retry "
            "your request with the ID or ARN of an inference profile that contains this model.",
        )
    return model


def _document(call: asgi.Call) -> dict[str, Any]:
    if len(call.body) > _MAX_BODY_BYTES:
        raise Refused(
            400,
            "ValidationException",
            f"'body' must have length less than or equal to {_MAX_BODY_BYTES}",
        )
    if call.headers.get("content-type", "") not in _CONTENT_TYPES:
        raise Refused(400, "ValidationException", "The provided content type is not supported.")
    if call.headers.get("accept", "") not in _ACCEPTED:
        raise Refused(400, "ValidationException", "The provided accept type is not supported.")
    try:
        return call.json()
    except ValueError:
        raise bedrock_models.malformed("#: expected type: JSONObject") from None


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as AWS writes it, or a block, which is a success."""
    if refused.reason == "blocked":
        return asgi.reply({"finish_reasons": [f"Filter reason: {_BLOCKED[refused.stage]}"]})
    status, code = refused.status, refused.code
    if refused.reason == "quota":
        status, code = 400, "ServiceQuotaExceededException"
    code = code or _CODES.get(status, "InternalFailure")
    # The gateway before the service has names of its own.
    name = "Message" if str(refused).startswith("Authentication failed") else "message"
    answer = asgi.reply({name: str(refused)}, status=status)
    kind = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return replace(answer, headers={**refused.headers, "x-amzn-errortype": kind})


#: By the stage of a planned block.
_BLOCKED = {"input": "prompt", "input_image": "input image", "output": "output image"}
