"""Speak as a site's own render service might: jobs under other names than anybody else's.

POST  /render/{model}       201 {task: {uuid, phase}}; the same `ticket` with the same body is one task
GET   /tasks/{uuid}         {task: ...}; `phase` is WAITING, DRAWING, DONE, BROKEN or STOPPED
POST  /tasks/{uuid}/stop    {task: ...}
GET   /tasks?ticket=...     {found: [task]}

`OPTIONS` are those of an account at it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.openai import error_answer
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.testing.simulator.state import State

_MODELS: Final = ("in-house-1", "in-house-2")
_MAX_COUNT, _MAX_PICTURES, _MAX_CHARS, _MIN_SIDE = 8, 8, 8000, 64
_FIELDS: Final = frozenset({"spec", "ticket", "hook"})
_SPEC_FIELDS: Final = frozenset(
    {"avoid", "dims", "file", "look", "pictures", "seed", "stencil", "text", "variants"}
)
_LOOK_FIELDS: Final = frozenset({"grain"})
_PHASES: Final = {
    "queued": "WAITING",
    "running": "DRAWING",
    "succeeded": "DONE",
    "failed": "BROKEN",
    "cancelled": "STOPPED",
}
OPTIONS: Final[Mapping[str, Any]] = {
    "submit_path": "/render/{model}",
    "job_path": "/tasks/{ref}",
    "cancel_path": "/tasks/{ref}/stop",
    "lookup_path": "/tasks?ticket={key}",
    "auth_header": "X-Api-Key",
    "auth_scheme": "",
    "image_form": "data_url",
    "mask_style": "black",
    "body": {
        "spec": {
            "text": "$prompt",
            "avoid": "$negative_prompt",
            "dims": {"w": "$width", "h": "$height"},
            "variants": "$count",
            "seed": "$seed",
            "file": "$output_format",
            "look": {"grain": "$parameters.grain"},
            "pictures": "$images",
            "stencil": "$mask",
        },
        "ticket": "$idempotency_key",
        "hook": "$webhook_url",
    },
    "answers": {
        "job": "task",
        "id": "uuid",
        "status": "phase",
        "output": "gallery.files",
        "url": "href",
        "base64": "bytes",
        "error": "trouble",
        "progress": "share",
        "position": "ahead",
        "model_version": "engine",
        "jobs": "found",
        "key": "ticket",
        "webhook": "about",
    },
    "words": {"done": "succeeded", "broken": "failed", "stopped": "cancelled"},
    "blocked_codes": ["not_for_us"],
}


class HttpJobsProtocol(Protocol):
    """The endpoints of the render service."""

    name: ClassVar[str] = "http_jobs"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/tasks/",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=self._webhook)
        self._by_ticket: dict[str, Job] = {}

    def reset(self) -> None:
        self._jobs.reset()
        self._by_ticket.clear()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path.strip("/").partition("/")[0] not in {"render", "tasks"}:
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call, header="x-api-key", scheme=""):
            raise Refused(401, "invalid_api_key")
        match (call.method, *call.path.strip("/").split("/")):
            case ("POST", "render", model):
                return await self._create(call, model=unquote(model))
            case ("GET", "tasks"):
                return self._find(call)
            case ("GET", "tasks", ref):
                return self._show(ref)
            case ("POST", "tasks", ref, "stop"):
                return self._stop(ref)
        raise Refused(404, "not_found")

    async def _create(self, call: asgi.Call, *, model: str) -> asgi.Answer:
        """Start a task, or return the one that the same ticket has started."""
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            document = call.json()
            request = _parse_request(document, model=model)
        except (ValueError, TypeError, LookupError, binascii.Error) as problem:
            raise Refused(400, "invalid_value", str(problem)) from None
        self.state.received.add(request, polarity="black")
        refuse_as_planned(fault, prompt=request.prompt)
        digest = hashlib.sha256(call.body).hexdigest()
        job = self._by_ticket.get(request.idempotency_key)
        if job is not None and job.digest != digest:
            raise Refused(409, "ticket_used")
        if job is None:
            job = self._jobs.start(
                str(uuid.uuid4()),
                request,
                call=call,
                fault=fault,
                webhook_url=str(document.get("hook", "")),
                digest=digest,
            )
            self._by_ticket[request.idempotency_key] = job
        task = {"uuid": job.id, "phase": self._phase(job)}
        return await answer_to_job(asgi.reply({"task": task}, status=201), fault=fault)

    def _show(self, ref: str) -> asgi.Answer:
        fault = self._jobs.refuse_query("poll")
        strange = broken_off(fault, state=self.state) or strange_answer(fault)
        if strange is not None:
            return strange
        return self._shown({"task": self._task(self._job(ref))})

    def _find(self, call: asgi.Call) -> asgi.Answer:
        fault = self._jobs.refuse_query("lookup")
        strange = broken_off(fault, state=self.state) or strange_answer(fault)
        if strange is not None:
            return strange
        job = self._by_ticket.get(call.query.get("ticket", ""))
        return self._shown({"found": [self._task(job)] if job else []})

    def _stop(self, ref: str) -> asgi.Answer:
        fault = self._jobs.refuse_query("cancel")
        strange = broken_off(fault, state=self.state) or strange_answer(fault)
        if strange is not None:
            return strange
        job = self._job(ref)
        if job.status in {"succeeded", "failed"}:
            raise Refused(409, "already_over")
        self._jobs.cancel(job)
        return asgi.reply({"task": self._task(job)})

    def _job(self, ref: str) -> Job:
        job = self._jobs.get(ref)
        if job is None:
            raise Refused(404, "not_found")
        return job

    def _shown(self, document: dict[str, Any]) -> asgi.Answer:
        answer = asgi.reply(document)
        body = generation.with_escapes(answer.body, spelling=self.state.script.spelling)
        return replace(answer, body=body)

    def _phase(self, job: Job) -> str:
        word = self.state.script.status_word if job.is_under_way else ""
        return word or _PHASES[job.status]

    def _task(self, job: Job) -> dict[str, Any]:
        ticket = job.request.idempotency_key
        task: dict[str, Any] = {"uuid": job.id, "phase": self._phase(job), "ticket": ticket}
        if job.is_under_way:
            task |= {"share": 0.5, "ahead": 0}
        if job.status == "succeeded":
            files = [self._file(job, n) for n in range(len(job.images))]
            task |= {"gallery": {"files": files}, "engine": f"{job.request.model}-build-7"}
        if job.status == "cancelled":
            task["billed"] = not job.is_free
        if job.status == "failed":
            is_blocked = job.failure == "blocked"
            task["trouble"] = {"code": "not_for_us" if is_blocked else job.failure}
            if is_blocked or (job.fault is not None and job.fault.billed):
                task["billed"] = True
        return task

    def _file(self, job: Job, n: int) -> dict[str, Any]:
        image, script = job.images[n], self.state.script
        truncated = job.fault is not None and job.fault.kind == "truncated_base64"
        if script.job_output == "b64_json" or script.spelling != "plain" or truncated:
            text = generation.base64_of(image, fault=job.fault, spelling=script.spelling)
            return {"bytes": text}
        return {"href": self.state.file_url(job.file_name(n), origin=job.origin)}

    def _webhook(self, job: Job) -> dict[str, Any]:
        return {"event": "over", "about": {"uuid": job.id, "phase": self._phase(job)}}


def _parse_request(document: dict[str, Any], *, model: str) -> GenerationRequest:
    _require_known(document, known=_FIELDS)
    spec = document["spec"]
    _require_known(spec, known=_SPEC_FIELDS)
    _require_known(spec.get("look", {}), known=_LOOK_FIELDS)
    if model not in _MODELS:
        raise Refused(404, "model_not_found", f"no model {model!r}")
    ticket, text, count = document["ticket"], spec["text"], spec.get("variants", 1)
    if not isinstance(ticket, str) or not ticket:
        raise ValueError("a ticket is missing")
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_CHARS:
        raise ValueError("text must have 1 to 8000 characters")
    if type(count) is not int or not 1 <= count <= _MAX_COUNT:
        raise ValueError("variants must be a whole number from 1 to 8")
    seed = spec.get("seed")
    if seed is not None and type(seed) is not int:
        raise ValueError("seed must be a whole number")
    size = _size(spec["dims"])
    pictures = [_picture(one, role=InputRole.IMAGE) for one in spec.get("pictures", [])]
    stencils = [_picture(spec["stencil"], role=InputRole.MASK)] if "stencil" in spec else []
    if len(pictures) > _MAX_PICTURES or (stencils and not pictures):
        raise ValueError("pictures must be 1 to 8, and a stencil needs one")
    if any(one.size != pictures[0].size for one in stencils):
        raise ValueError("the stencil has another size than the picture")
    operation = Operation.EDIT if pictures else Operation.GENERATE
    file = str(spec.get("file", "png"))
    if file not in generation.MEDIA_TYPES:
        raise ValueError("file must be png, jpeg or webp")
    return GenerationRequest(
        operation=Operation.INPAINT if stencils else operation,
        model=model,
        prompt=text,
        size=size,
        count=count,
        negative_prompt=str(spec.get("avoid", "")),
        seed=seed,
        output_format=file,
        inputs=(*pictures, *stencils),
        parameters=spec.get("look", {}),
        idempotency_key=ticket,
    )


def _size(dims: dict[str, Any]) -> Size:
    width, height = dims["w"], dims["h"]
    if type(width) is not int or type(height) is not int or min(width, height) < _MIN_SIDE:
        raise ValueError("w and h must be whole numbers from 64 on")
    return Size(width, height)


def _picture(url: str, *, role: InputRole) -> Any:
    head, _, text = url.partition(",")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    if head != f"data:{media_type};base64":
        raise ValueError("a picture must be a data: URL")
    return generation.image_input(
        base64.b64decode(text, validate=True), media_type=media_type, role=role
    )


def _require_known(document: Any, *, known: frozenset[str]) -> None:
    if not isinstance(document, dict):
        raise TypeError("an object is expected")
    unknown = set(document) - known
    if unknown:
        raise Refused(400, "unknown_field", f"Unknown field: '{min(unknown)}'.", param=min(unknown))
