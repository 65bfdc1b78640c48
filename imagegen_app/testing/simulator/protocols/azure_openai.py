"""Speak Azure's form of OpenAI's Images API: deployments, versions, and its content filter."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.testing.simulator import asgi, forms
from imagegen_app.testing.simulator.protocols.openai import (
    OpenAIProtocol,
    read_edit,
    read_generation,
)
from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.types import GenerationRequest

#: OpenAI's models by the names of the deployments that serve them.
DEPLOYMENTS: Mapping[str, str] = {
    "gpt-image-2": "gpt-image-2",
    "studio-images": "gpt-image-2",
    "studio-gpt-image-1.5": "gpt-image-1.5",
}
_ROUTE = re.compile(r"/openai/(v1|deployments/([^/]+))/images/(generations|edits)")
_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_V1_VERSIONS = frozenset({"", "v1", "latest", "preview"})
_CATEGORIES = ("hate", "self_harm", "sexual", "violence")
_NO_DEPLOYMENT = "The API deployment for this resource does not exist."
_DENIED = "Access denied due to invalid subscription key or wrong API endpoint."
#: OpenAI's field that Azure's reference does not name.
_UNKNOWN = "safety_identifier"


class AzureOpenAIProtocol(OpenAIProtocol):
    """The images of a resource, by both surfaces."""

    name: ClassVar[str] = "azure_openai"
    base_path: ClassVar[str] = ""

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith("/openai/"):
            return None
        try:
            answer = await self._serve(call)
        except Refused as refused:
            answer = _error_answer(refused)
        return replace(answer, headers={**answer.headers, "apim-request-id": str(uuid.uuid4())})

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        is_known = self.state.knows_key(call, header="api-key", scheme="")
        if not is_known and not self.state.knows_key(call):
            raise Refused(401, "401", _DENIED)
        route = _ROUTE.fullmatch(call.path)
        if call.method != "POST" or route is None:
            raise Refused(404, "404", "Resource not found")
        deployment, aim = route[2] or "", route[3]
        version = call.query.get("api-version", "")
        if deployment and not _DATED.fullmatch(version):
            raise Refused(404, "404", "Resource not found")
        if not deployment and version not in _V1_VERSIONS:
            raise Refused(400, "BadRequest", "API version not supported")
        read: Callable[..., GenerationRequest] = read_edit
        if aim == "generations":
            read = read_generation
        return await self.make(call, aim=aim, read=partial(_read, deployment=deployment, read=read))

    def blocked_answer(self, blocked: Refused) -> asgi.Answer:
        results = _filter_results(blocked.categories)
        return asgi.reply(
            {"created": int(time.time()), "data": [{"content_filter_results": results}]}
        )


def _read(
    call: asgi.Call, *, deployment: str, read: Callable[..., GenerationRequest]
) -> GenerationRequest:
    """Read a call for the model that a deployment serves.

    :raises Refused: if there is no such deployment, or OpenAI would refuse the call.
    """
    fields = _fields(call)
    if _UNKNOWN in fields:
        raise Refused(400, "unknown_parameter", f"Unknown parameter: '{_UNKNOWN}'.", param=_UNKNOWN)
    named = str(fields.get("model", ""))
    model = DEPLOYMENTS.get(deployment or named)
    if model is None:
        raise Refused(404, "DeploymentNotFound", _NO_DEPLOYMENT)
    if deployment and read is read_generation and named not in {"", model}:
        # The path names the deployment; a model in the body has to be the model's own name.
        raise Refused(400, "invalid_value", f"Invalid value: '{named}'.", param="model")
    return read(call, model=model)


def _fields(call: asgi.Call) -> Mapping[str, Any]:
    content_type = call.headers.get("content-type", "")
    if content_type.startswith("multipart/"):
        return forms.parse(call.body, content_type=content_type).fields
    return call.json()


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as Azure writes it."""
    error: dict[str, Any] = {"code": refused.code or str(refused.status), "message": str(refused)}
    if refused.param:
        error |= {"type": "invalid_request_error", "param": refused.param}
    if refused.reason == "quota":
        error["code"] = refused.code or "insufficient_quota"
    elif refused.reason == "blocked":
        error |= {
            "code": "content_policy_violation" if refused.stage == "input" else "contentFilter",
            "type": "invalid_request_error",
            "param": "prompt" if refused.stage == "input" else None,
            "inner_error": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": _filter_results(refused.categories),
            },
        }
    answer = asgi.reply({"error": error}, status=refused.status)
    return replace(answer, headers=refused.headers)


def _filter_results(blocked: tuple[str, ...]) -> dict[str, Any]:
    known = {name: {"filtered": False, "severity": "safe"} for name in _CATEGORIES}
    return known | {name: {"filtered": True, "severity": "high"} for name in blocked}
