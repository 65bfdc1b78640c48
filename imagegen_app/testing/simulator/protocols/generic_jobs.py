"""Speak the generic job protocol: idempotent, with look-up, cancel and signed webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import SizeRule
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.openai import error_answer
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.state import State

MODELS = ("generic-1", "generic-2")
_MAX_COUNT, _MAX_INPUTS, _MAX_PROMPT_CHARS = 8, 8, 8000
_SIZES = SizeRule(step=8, min_pixels=64 * 64, max_pixels=2048 * 2048, max_side=2048)
_FIELDS = frozenset(
    {
        "background",
        "end_user",
        "inputs",
        "loras",
        "model",
        "n",
        "negative_prompt",
        "operation",
        "output_format",
        "parameters",
        "prompt",
        "quality",
        "seed",
        "size",
        "webhook_url",
    }
)
_PARAMETERS = frozenset({"guidance", "steps", "strength", "style"})
_INPUT_FIELDS = frozenset({"b64_json", "guide", "media_type", "role"})
_GUIDE_FIELDS = frozenset({"end", "kind", "start", "weight"})
_LORA_FIELDS = frozenset({"name", "weight"})


class GenericJobsProtocol(Protocol):
    """The endpoints under /v1/jobs."""

    name: ClassVar[str] = "generic_jobs"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/v1/jobs/",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=_webhook)
        self._by_key: dict[str, Job] = {}

    def reset(self) -> None:
        self._jobs.reset()
        self._by_key.clear()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path != "/v1/jobs" and not call.path.startswith("/v1/jobs/"):
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "invalid_api_key")
        match (call.method, call.path.removeprefix("/v1/jobs").strip("/").split("/")):
            case ("POST", [""]):
                return await self._create(call)
            case ("GET", [""]):
                return self._find(call)
            case ("GET", [job_id]):
                return self._show(call, job_id=job_id)
            case ("POST", [job_id, "cancel"]):
                return self._cancel(job_id)
        raise Refused(404, "not_found")

    async def _create(self, call: asgi.Call) -> asgi.Answer:
        """Create a job, or return the existing one with the same idempotency key and body."""
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        key = call.headers.get("idempotency-key", "")
        digest = hashlib.sha256(call.body).hexdigest()
        job = self._by_key.get(key) if key else None
        if job is not None and job.digest != digest:
            raise Refused(409, "idempotency_key_reused")
        try:
            document = call.json()
            request = _parse_request(document, key=key)
            self.state.received.add(request, polarity="white")
        except (ValueError, TypeError, LookupError, binascii.Error) as problem:
            raise Refused(400, "invalid_value", str(problem)) from None
        refuse_as_planned(fault, prompt=request.prompt)
        if job is None:
            job = self._jobs.start(
                f"job_{uuid.uuid4().hex[:20]}",
                request,
                call=call,
                fault=fault,
                webhook_url=str(document.get("webhook_url", "")),
                digest=digest,
            )
            if key:
                self._by_key[key] = job
        answer = asgi.reply({"id": job.id, "status": self._word(job)}, status=202)
        return await answer_to_job(answer, fault=fault)

    def _show(self, call: asgi.Call, *, job_id: str) -> asgi.Answer:
        """Return the current state of a job."""
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._jobs.get(job_id)
        if job is None:
            raise Refused(404, "not_found")
        hint: dict[str, Any] = {} if call.query else {"poll_after": 0.5}
        return self._shown(self._document(job) | hint)

    def _find(self, call: asgi.Call) -> asgi.Answer:
        """Find a job by its idempotency key; the list in the answer has one job or none."""
        fault = self._jobs.refuse_query("lookup")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._by_key.get(call.query.get("idempotency_key", ""))
        return self._shown({"data": [self._document(job)] if job else []})

    def _shown(self, document: dict[str, Any]) -> asgi.Answer:
        answer = asgi.reply(document)
        body = generation.with_escapes(answer.body, spelling=self.state.script.spelling)
        return replace(answer, body=body)

    def _cancel(self, job_id: str) -> asgi.Answer:
        """Cancel a job that has not ended."""
        fault = self._jobs.refuse_query("cancel")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._jobs.get(job_id)
        if job is None:
            raise Refused(404, "not_found")
        if job.status in {"succeeded", "failed"}:
            raise Refused(409, "already_done")
        self._jobs.cancel(job)
        return asgi.reply(self._document(job))

    def _word(self, job: Job) -> str:
        """Return what the job's state is called."""
        return (self.state.script.status_word if job.is_under_way else "") or job.status

    def _document(self, job: Job) -> dict[str, Any]:
        """Return the job as the JSON document that its caller receives."""
        document: dict[str, Any] = {
            "id": job.id,
            "status": self._word(job),
            "progress": {"queued": 0.0, "running": 0.5}.get(job.status, 1.0),
        }
        if job.status == "succeeded":
            document["output"] = [self._item(job, n) for n in range(len(job.images))]
            document["model_version"] = f"{job.request.model}-simulated"
            document["usage"] = {"images": len(job.images)}
        if job.status == "cancelled":
            document["billed"] = not job.is_free
        if job.status == "failed":
            is_blocked = job.failure == "blocked"
            document["error"] = {"code": "content_blocked" if is_blocked else job.failure}
            if is_blocked:
                document["error"]["moderation_details"] = {"moderation_stage": "output"}
            if is_blocked or (job.fault is not None and job.fault.billed):
                document["billed"] = True
        return document

    def _item(self, job: Job, n: int) -> dict[str, Any]:
        image, script = job.images[n], self.state.script
        item = {"mime_type": image.media_type, "seed": image.seed}
        truncated = job.fault is not None and job.fault.kind == "truncated_base64"
        if script.job_output == "b64_json" or script.spelling != "plain" or truncated:
            text = generation.base64_of(image, fault=job.fault, spelling=script.spelling)
            return item | {"b64_json": text}
        return item | {"url": self.state.file_url(job.file_name(n), origin=job.origin)}


def _webhook(job: Job) -> dict[str, Any]:
    return {
        "type": f"job.{job.status}",
        "timestamp": int(time.time()),
        "data": {"id": job.id, "status": job.status},
    }


def _parse_request(document: dict[str, Any], *, key: str) -> GenerationRequest:
    _require_known(document, known=_FIELDS)
    operation = Operation(document.get("operation", "generate"))
    inputs: tuple[ImageInput, ...] = tuple(_input(item) for item in document.get("inputs", []))
    images = [image for image in inputs if image.role is not InputRole.MASK]
    if operation is not Operation.GENERATE and not images:
        raise ValueError("no image")
    if len(images) > _MAX_INPUTS:
        raise ValueError("too many images")
    for mask in inputs:
        fits = (mask.width, mask.height) == (images[0].width, images[0].height) if images else False
        if mask.role is InputRole.MASK and not fits:
            raise ValueError("the mask has another size than the image")
    prompt, model = document.get("prompt", ""), document.get("model", "")
    if model not in MODELS:
        raise Refused(404, "model_not_found", f"no model {model!r}", param="model")
    if not isinstance(prompt, str) or len(prompt) > _MAX_PROMPT_CHARS:
        raise ValueError("prompt must be a text of at most 8000 characters")
    if operation is Operation.GENERATE and not prompt.strip():
        raise ValueError("prompt is missing")
    return _made(document, operation=operation, inputs=inputs, images=images, key=key)


def _made(
    document: dict[str, Any],
    *,
    operation: Operation,
    inputs: tuple[ImageInput, ...],
    images: list[ImageInput],
    key: str,
) -> GenerationRequest:
    count, seed = document.get("n", 1), document.get("seed")
    if type(count) is not int or not 1 <= count <= _MAX_COUNT:
        raise ValueError("n must be a whole number from 1 to 8")
    if seed is not None and type(seed) is not int:
        raise ValueError("seed must be a whole number")
    output_format = str(document.get("output_format", "png"))
    if output_format not in generation.MEDIA_TYPES:
        raise ValueError("output_format must be png, jpeg or webp")
    for lora in document.get("loras", []):
        _require_known(lora, known=_LORA_FIELDS)
    parameters = document.get("parameters", {})
    _require_known(parameters, known=_PARAMETERS)
    size = str(document.get("size", "auto"))
    if size == "auto":
        wanted = Size(images[0].width, images[0].height) if images else Size(1024, 1024)
    else:
        wanted = Size.parse(size)
        complaint = _SIZES.error_for(wanted)
        if complaint is not None:
            raise ValueError(str(complaint))
    return GenerationRequest(
        operation=operation,
        model=document["model"],
        prompt=document.get("prompt", ""),
        size=wanted,
        count=count,
        negative_prompt=str(document.get("negative_prompt", "")),
        seed=seed,
        quality=str(document.get("quality", "")),
        output_format=output_format,
        background=str(document.get("background", "")),
        inputs=inputs,
        parameters=parameters,
        idempotency_key=key,
    )


def _input(item: dict[str, Any]) -> ImageInput:
    _require_known(item, known=_INPUT_FIELDS)
    _require_known(item.get("guide", {}), known=_GUIDE_FIELDS)
    return generation.image_input(
        base64.b64decode(item["b64_json"], validate=True),
        media_type=str(item.get("media_type", "image/png")),
        role=InputRole(item.get("role", "image")),
    )


def _require_known(document: dict[str, Any], *, known: frozenset[str]) -> None:
    unknown = set(document) - known
    if unknown:
        name = min(unknown)
        raise Refused(400, "unknown_parameter", f"Unknown parameter: '{name}'.", param=name)
