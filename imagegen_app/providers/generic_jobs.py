"""Speak the generic job protocol: the smallest job API that loses nothing.

POST  {base}/v1/jobs                       202 {id, status}; `Idempotency-Key` is honoured
GET   {base}/v1/jobs/{id}                  queued | running | succeeded | failed | cancelled
POST  {base}/v1/jobs/{id}/cancel           the job; `billed: false` where it costs nothing then
GET   {base}/v1/jobs?idempotency_key=...   {data: [job]}

A job that failed costs nothing unless it says `billed: true`, such as one whose images were filtered.

A gateway in front of your own models that speaks it is safe against every crash: the same key
with the same body is the same job for a day at least, and a lost answer can be looked up.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import BadResponse, NotFound
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, RecoveryMethod
from imagegen_app.providers.families import openai_like
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Call, GenerationRequest, ImageInput, Submission
    from imagegen_app.providers.answers import SpooledAnswer

_DEFAULT = Capabilities(
    operations=frozenset(Operation),
    sizes=SizeRule(step=8, min_pixels=64 * 64, max_pixels=2048 * 2048, max_side=2048),
    max_count=8,
    max_prompt_chars=8000,
    output_formats=openai_like.RASTER_FORMATS,
    backgrounds=("auto", "opaque", "transparent"),
    max_inputs=8,
    inputs={
        **dict.fromkeys(
            (InputRole.IMAGE, InputRole.REFERENCE, InputRole.CONTROL, InputRole.STYLE),
            InputRule(formats=openai_like.RASTER_FORMATS, max_bytes=32 * 1024 * 1024),
        ),
        InputRole.MASK: InputRule(formats=("png",), max_bytes=32 * 1024 * 1024, max_count=1),
    },
    supports_mask=True,
    supports_seed=True,
    supports_negative_prompt=True,
    parameters={
        "strength": Parameter("float", low=0.0, high=1.0),
        "steps": Parameter("int", low=1, high=1000),
        "guidance": Parameter("float", low=0.0, high=100.0),
        "style": Parameter("text"),
    },
    control_kinds=("canny", "depth", "pose", "scribble", "segmentation"),
    max_loras=8,
    lora_weights=(0.0, 2.0),
)


class GenericJobs(RemoteJobs):
    """An account at a server that speaks the generic job protocol."""

    name: ClassVar[str] = "generic_jobs"
    label: ClassVar[str] = "Generic job protocol (your own gateway)"
    needs_credential: ClassVar[bool] = True
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset(
        {RecoveryMethod.IDEMPOTENCY_KEY, RecoveryMethod.LOOKUP, RecoveryMethod.WEBHOOK}
    )
    #: The protocol asks servers to remember keys for a day at least.
    idempotency_seconds: ClassVar[float] = 86_400.0
    webhook_kind: ClassVar[str] = "Standard Webhooks"
    webhook_job: str = "data"
    job_path: str = "/v1/jobs/{ref}"
    cancel_path: str = "/v1/jobs/{ref}/cancel"
    example_models: ClassVar[tuple[str, ...]] = ("generic-1",)
    options: ClassVar[Mapping[str, Parameter]] = {"result_hosts": RESULT_HOSTS}

    def capabilities(self, model: str) -> Capabilities:
        del model
        return _DEFAULT

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        del answer  # The result comes later, by `poll`.
        reply = await self.send(
            "POST",
            "/v1/jobs",
            body=encoded(request),
            content_type="application/json",
            headers={"Idempotency-Key": request.idempotency_key},
            billable=True,
        )
        return self.accepted(reply)

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        del call
        key = quote(request.idempotency_key, safe="")
        reply, document = await self.look_up(f"/v1/jobs?idempotency_key={key}")
        jobs = document.get("data") if isinstance(document, dict) else None
        if not isinstance(jobs, list):
            raise BadResponse(detail="no list of jobs", request_id=reply.request_id)
        if not jobs:
            raise NotFound(detail="the provider never had this call", request_id=reply.request_id)
        return await self.follow(jobs[0], reply, answer=answer)


def encoded(request: GenerationRequest) -> bytes:
    """Write the body of a job: the same bytes for the same request."""
    document: dict[str, Any] = {
        "operation": request.operation.value,
        "model": request.model,
        "prompt": request.prompt,
        "size": str(request.size),
        "n": request.count,
        "output_format": request.output_format,
    }
    optional = {
        "negative_prompt": request.negative_prompt,
        "quality": request.quality,
        "background": request.background,
        "end_user": request.end_user,
        "webhook_url": request.webhook_url,
        "parameters": dict(request.parameters),
        "loras": [asdict(one) for one in request.loras],
        "inputs": [_input(one) for one in request.inputs],
    }
    document |= {name: value for name, value in optional.items() if value}
    if request.seed is not None:
        document["seed"] = request.seed
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _input(image: ImageInput) -> dict[str, Any]:
    document = {
        "role": image.role.value,
        "media_type": image.media_type,
        "b64_json": image.base64_text,
    }
    return document if image.guide is None else {**document, "guide": asdict(image.guide)}
