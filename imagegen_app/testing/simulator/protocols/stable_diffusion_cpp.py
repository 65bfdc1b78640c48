"""Speak stable-diffusion.cpp's own API: one job is drawn at a time, and the others wait in its queue.

Stricter than the real one in one thing: fields, types, samplers and schedulers that it would ignore are
refused.
"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.state import State

MODEL = "sd_xl_base_1.0"
SAMPLERS = ("euler", "euler_a", "dpm++2m")
SCHEDULERS = ("discrete", "karras", "normal")
LORAS = ({"name": "mugs", "path": "studio/mugs.safetensors"},)
_MODE, _FORMATS = "img_gen", ("png", "jpeg", "webp")
_MAX_PENDING, _MIN_SIDE, _MAX_SIDE, _MAX_COUNT = 64, 64, 4096, 8
_SERVER_FAULT = 500
_JOB = re.compile(r"[A-Za-z0-9_\-]+")
_NUMBER = (int, float)
_FIELDS: Mapping[str, Any] = {
    "batch_count": int,
    "clip_skip": int,
    "embed_image_metadata": bool,
    "height": int,
    "init_image": str,
    "lora": list,
    "mask_image": str,
    "negative_prompt": str,
    "output_format": str,
    "prompt": str,
    "ref_images": list,
    "sample_params": dict,
    "seed": int,
    "strength": _NUMBER,
    "width": int,
}
_SAMPLE_FIELDS: Mapping[str, Any] = {
    "guidance": dict,
    "sample_method": str,
    "sample_steps": int,
    "scheduler": str,
}
_GUIDANCE_FIELDS: Mapping[str, Any] = {"distilled_guidance": _NUMBER, "txt_cfg": _NUMBER}
_LORA_FIELDS: Mapping[str, Any] = {"multiplier": _NUMBER, "path": str}


class StableDiffusionCppJobsProtocol(Protocol):
    """The endpoints under /sdcpp/v1."""

    name: ClassVar[str] = "stable_diffusion_cpp_jobs"
    base_path: ClassVar[str] = "/sd-cpp"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/sd-cpp/sdcpp/v1/jobs/",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=lambda job: {"id": job.id})

    def reset(self) -> None:
        self._jobs.reset()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        prefix = f"{self.base_path}/sdcpp/v1/"
        if not call.path.startswith(prefix):
            return None
        try:
            return await self._serve(call, call.path.removeprefix(prefix).split("/"))
        except Refused as refused:
            return _error_answer(refused)

    async def _serve(self, call: asgi.Call, path: list[str]) -> asgi.Answer:
        # The server knows no keys, but a proxy before it may.
        if "authorization" in call.headers and not self.state.knows_key(call):
            raise Refused(401, "", "Unauthorized")
        match call.method, path:
            case "GET", ["capabilities"]:
                return asgi.reply(server_document())
            case "POST", ["img_gen"]:
                return await self._create(call)
            case "GET", ["jobs", job_id]:
                return self._show(job_id)
            case "POST", ["jobs", job_id, "cancel"]:
                return self._cancel(job_id)
        return asgi.Answer(404, b"", "text/plain")

    async def _create(self, call: asgi.Call) -> asgi.Answer:
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        if not call.body:
            raise Refused(400, "", "empty body")
        try:
            document = call.json()
        except ValueError:
            return asgi.reply({"error": "invalid json", "message": "parse error"}, status=400)
        request = read(document)
        self.state.received.add(request, polarity="white")
        refuse_as_planned(fault, prompt=request.prompt)
        if len(self._under_way()) >= _MAX_PENDING:
            raise Refused(429, "", "job queue is full")
        job_id = f"job_{int(time.time()):x}_{uuid.uuid4().hex[:8]}"
        job = self._jobs.start(job_id, request, call=call, fault=fault)
        answer = asgi.reply(
            {
                "id": job.id,
                "kind": _MODE,
                "status": "queued",
                "created": int(job.created_at),
                "poll_url": f"/sdcpp/v1/jobs/{job.id}",
            },
            status=202,
        )
        return await answer_to_job(answer, fault=fault)

    def _show(self, job_id: str) -> asgi.Answer:
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        answer = asgi.reply(self._document(self._found(job_id)))
        body = generation.with_escapes(answer.body, spelling=self.state.script.spelling)
        return replace(answer, body=body)

    def _cancel(self, job_id: str) -> asgi.Answer:
        """Take a job out of the queue; one that is being drawn cannot be stopped."""
        fault = self._jobs.refuse_query("cancel")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._found(job_id)
        if job in self._under_way()[:1]:
            said = "job is currently generating and cannot be interrupted yet"
            raise Refused(409, "", said)
        if job.is_under_way:
            self._jobs.cancel(job)
        return asgi.reply(self._document(job))

    def _found(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None or not _JOB.fullmatch(job_id):
            raise Refused(404, "", "job not found")
        return job

    def _under_way(self) -> list[Job]:
        return [job for job in reversed(self._jobs.newest_first()) if job.is_under_way]

    def _document(self, job: Job) -> dict[str, Any]:
        before = self._under_way()
        place = before.index(job) if job in before else 0
        words = {"succeeded": "completed", "failed": "failed", "cancelled": "cancelled"}
        word = words.get(job.status) or ("queued" if place else "generating")
        ended = job.status in words
        if job.status in {"failed", "cancelled"}:
            # Nobody is billed for it.
            self.state.bill.credit(job.id)
        return {
            "id": job.id,
            "kind": _MODE,
            "status": word if ended else self.state.script.status_word or word,
            "created": int(job.created_at),
            "started": None if place or job.is_cancelled else int(job.created_at),
            "completed": int(time.time()) if ended else None,
            # The one that is being drawn does not stand in the queue: the next one is the first.
            "queue_position": place,
            "result": self._result(job) if job.status == "succeeded" else None,
            "error": _error_of(job),
        }

    def _result(self, job: Job) -> dict[str, Any]:
        spelling = self.state.script.spelling
        texts = [generation.base64_of(i, fault=job.fault, spelling=spelling) for i in job.images]
        return {
            "output_format": job.request.output_format,
            "images": [{"index": n, "b64_json": text} for n, text in enumerate(texts)],
        }


def server_document() -> dict[str, Any]:
    """Return what the server says of itself and the model that it has loaded."""
    features = {"init_image": True, "mask_image": True, "ref_images": True, "lora": True}
    features |= {"cancel_queued": True, "cancel_generating": False}
    return {
        "model": {
            "name": f"{MODEL}.safetensors",
            "stem": MODEL,
            "path": f"/models/{MODEL}.safetensors",
        },
        "current_mode": _MODE,
        "supported_modes": [_MODE],
        "output_formats_by_mode": {_MODE: list(_FORMATS)},
        "features_by_mode": {_MODE: features},
        "defaults_by_mode": {
            _MODE: {
                "strength": 0.75,
                "clip_skip": -1,
                "sample_params": {
                    "sample_method": SAMPLERS[0],
                    "scheduler": SCHEDULERS[0],
                    "sample_steps": 20,
                    "guidance": {"txt_cfg": 7.0, "distilled_guidance": 3.5},
                },
            }
        },
        "samplers": list(SAMPLERS),
        "schedulers": list(SCHEDULERS),
        "loras": list(LORAS),
        "limits": {
            "min_width": _MIN_SIDE,
            "max_width": _MAX_SIDE,
            "min_height": _MIN_SIDE,
            "max_height": _MAX_SIDE,
            "max_batch_count": _MAX_COUNT,
            "max_queue_size": _MAX_PENDING,
        },
    }


def read(document: Any) -> GenerationRequest:
    """Read a call.

    :raises Refused: if the server would refuse, or ignore, a part of it.
    """
    _require_types(document, _FIELDS)
    sampling = document.get("sample_params", {})
    _require_types(sampling, _SAMPLE_FIELDS)
    _require_types(sampling.get("guidance", {}), _GUIDANCE_FIELDS)
    known_paths = {entry["path"] for entry in LORAS}
    for lora in document.get("lora", []):
        _require_types(lora, _LORA_FIELDS)
        _require(lora.get("path") in known_paths)
    _require(sampling.get("sample_method", SAMPLERS[0]) in SAMPLERS)
    _require(sampling.get("scheduler", SCHEDULERS[0]) in SCHEDULERS)
    width, height = document.get("width", 512), document.get("height", 512)
    _require(min(width, height) >= _MIN_SIDE and max(width, height) <= _MAX_SIDE)
    count, strength = document.get("batch_count", 1), document.get("strength", 0.75)
    _require(1 <= count <= _MAX_COUNT and 0 <= strength <= 1)
    _require(bool(document.get("prompt")))
    output_format = document.get("output_format", "png")
    if output_format not in _FORMATS:
        names = ", ".join(_FORMATS)
        raise Refused(400, "", f"invalid output_format, must be one of [{names}]")
    inputs = _inputs(document)
    operation = Operation.EDIT if inputs else Operation.GENERATE
    if "mask_image" in document:
        _require("init_image" in document)
        operation = Operation.INPAINT
    seed = document.get("seed", -1)
    return GenerationRequest(
        operation=operation,
        model=MODEL,
        prompt=document["prompt"],
        size=Size(width, height),
        count=count,
        negative_prompt=document.get("negative_prompt", ""),
        seed=None if seed < 0 else seed,
        output_format=output_format,
        inputs=inputs,
    )


def _inputs(document: dict[str, Any]) -> tuple[ImageInput, ...]:
    given = [("init_image", InputRole.IMAGE), ("mask_image", InputRole.MASK)]
    texts = [(document[name], role) for name, role in given if name in document]
    texts[1:1] = [(text, InputRole.IMAGE) for text in document.get("ref_images", [])]
    found = []
    for text, role in texts:
        try:
            data = base64.b64decode(text, validate=True)
            found.append(generation.image_input(data, media_type="image/png", role=role))
        except (ValueError, TypeError):
            _require(False)
    return tuple(found)


def _require_types(document: Any, fields: Mapping[str, Any]) -> None:
    _require(isinstance(document, dict))
    for name, value in document.items():
        kind = fields.get(name)
        is_switch = isinstance(value, bool)
        _require(kind is not None and isinstance(value, kind) and is_switch == (kind is bool))


def _require(condition: bool) -> None:
    if not condition:
        raise Refused(400, "", "invalid generation parameters")


def _error_of(job: Job) -> dict[str, str] | None:
    if job.status == "cancelled":
        return {"code": "cancelled", "message": "job cancelled by client"}
    if job.status == "failed":
        said = f"generate_image returned no results: {job.request.prompt}"
        return {"code": "generation_failed", "message": said}
    return None


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as the server writes it: a text; a proxy may refuse for want of credit."""
    status = 402 if refused.reason == "quota" else refused.status
    document = {"error": str(refused)}
    if status == _SERVER_FAULT:
        document = {"error": "server_error", "message": str(refused)}
    return replace(asgi.reply(document, status=status), headers=refused.headers)
