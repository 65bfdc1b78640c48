"""Speak the generic job protocol: idempotent, with look-up, cancel and signed webhooks."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import http.client
import json
import time
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.testing.simulator import asgi, echoes, generation, images

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest, ImageInput
    from imagegen_app.testing.simulator.bill import Bill
    from imagegen_app.testing.simulator.faults import Fault, Script
    from imagegen_app.testing.simulator.received import Received

_MAX_FILES = 2000
#: How often a held job looks whether it may end.
_HOLD_SECONDS = 0.02
_WEBHOOK_TRIES = 3
_OK = range(200, 300)


@dataclass(slots=True)
class Job:
    """One job and its current state."""

    id: str
    key: str
    digest: str
    request: GenerationRequest
    webhook_url: str
    fault: Fault | None
    origin: str
    #: The caller's key, for webhooks that echo it.
    secret: Secret
    status: str = "queued"
    output: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] = field(default_factory=dict)
    is_free: bool = False

    def document(self) -> dict[str, Any]:
        """Return the job as the JSON document that its caller receives."""
        document: dict[str, Any] = {
            "id": self.id,
            "status": self.status,
            "progress": {"queued": 0.0, "running": 0.5}.get(self.status, 1.0),
        }
        if self.status == "succeeded":
            document["output"] = self.output
            document["model_version"] = f"{self.request.model}-simulated"
            document["usage"] = {"images": len(self.output)}
        if self.status == "cancelled":
            document["billed"] = not self.is_free
        if self.error:
            document["error"] = self.error
        if self.error and self.fault is not None and self.fault.billed:
            document["billed"] = True
        return document


@dataclass(slots=True)
class Jobs:
    """The endpoints under /v1/jobs, and the files that results point at."""

    bill: Bill
    script: Script
    quick: bool
    webhook_secret: Secret
    received: Received
    _jobs: dict[str, Job] = field(default_factory=dict)
    _by_key: dict[str, Job] = field(default_factory=dict)
    _files: dict[str, generation.DrawnImage] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def reset(self) -> None:
        """Stop and delete all jobs, and delete their result files."""
        for task in self._tasks:
            task.cancel()
        self._jobs.clear()
        self._by_key.clear()
        self._files.clear()

    async def create(self, call: asgi.Call) -> asgi.Answer:
        """Create a job, or return the existing one with the same idempotency key and body."""
        fault = self.script.next("jobs")
        key = call.headers.get("idempotency-key", "")
        digest = hashlib.sha256(call.body).hexdigest()
        existing = self._by_key.get(key) if key else None
        if existing is not None and existing.digest != digest:
            return asgi.error(409, "idempotency_key_reused")
        try:
            document = call.json()
            request = _parse_request(document, key=key)
            self.received.add(request)
        except (ValueError, TypeError, LookupError, binascii.Error):
            return asgi.error(400, "invalid_value")
        refusal = images.refusal(fault, prompt=request.prompt)
        if refusal is not None:
            return refusal
        job = existing or self._start(call, document, request=request, digest=digest, fault=fault)
        if fault is not None and fault.kind == "disconnect":
            return asgi.Answer(cut="before")
        if fault is not None and fault.kind == "silence":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind in {"html", "not_json", "error_in_200"}:
            return images.strange_answer(fault) or asgi.reply({})
        return asgi.reply({"id": job.id, "status": job.status}, status=202)

    def show(self, call: asgi.Call, *, job_id: str) -> asgi.Answer:
        """Return the current state of a job."""
        planned_error = self._planned_error("poll")
        if planned_error is not None:
            return planned_error
        job = self._jobs.get(job_id)
        if job is None:
            return asgi.error(404, "not_found")
        return asgi.reply(
            job.document() | {"poll_after": 0.5} if not call.query else job.document()
        )

    def find(self, call: asgi.Call) -> asgi.Answer:
        """Find a job by its idempotency key; the list in the answer has one job or none."""
        planned_error = self._planned_error("lookup")
        if planned_error is not None:
            return planned_error
        job = self._by_key.get(call.query.get("idempotency_key", ""))
        return asgi.reply({"data": [job.document()] if job else []})

    def cancel(self, *, job_id: str) -> asgi.Answer:
        """Cancel a job that has not ended.

        It stays on the bill, unless `Script.free_cancel` is set.
        """
        planned_error = self._planned_error("cancel")
        if planned_error is not None:
            return planned_error
        job = self._jobs.get(job_id)
        if job is None:
            return asgi.error(404, "not_found")
        if job.status in {"succeeded", "failed"}:
            return asgi.error(409, "already_done")
        if self.script.free_cancel and job.status != "cancelled":
            job.is_free = True
            self.bill.credit(job.id)
        job.status = "cancelled"
        return asgi.reply(job.document())

    def file(self, *, name: str) -> asgi.Answer:
        """Return a result image."""
        planned_error = self._planned_error("file")
        if planned_error is not None:
            return planned_error
        image = self._files.get(name)
        if image is None:
            return asgi.error(404, "not_found")
        return asgi.Answer(200, image.data, image.media_type)

    def _planned_error(self, aim: str) -> asgi.Answer | None:
        fault = self.script.next(aim)
        return images.refusal(fault, prompt="") or images.strange_answer(fault)

    def _start(
        self,
        call: asgi.Call,
        document: dict[str, Any],
        *,
        request: GenerationRequest,
        digest: str,
        fault: Fault | None,
    ) -> Job:
        key = request.idempotency_key
        job = Job(
            id=f"job_{uuid.uuid4().hex[:20]}",
            key=key,
            digest=digest,
            request=request,
            webhook_url=str(document.get("webhook_url", "")),
            fault=fault,
            origin=call.origin,
            secret=Secret(call.headers.get("authorization", "").removeprefix("Bearer ")),
        )
        self.bill.add(
            call_id=job.id,
            key=key,
            operation=request.operation.value,
            model=request.model,
            images=request.count,
            prompt=request.prompt,
        )
        self._jobs[job.id] = job
        if key:
            self._by_key[key] = job
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _run(self, job: Job) -> None:
        seconds = self.script.job_seconds
        job.status = "running"
        await asyncio.sleep(self.script.latency if seconds is None else seconds)
        while self.script.hold_jobs:  # noqa: ASYNC110 - the script is a plain value
            await asyncio.sleep(_HOLD_SECONDS)
        if job.fault is not None and job.fault.kind == "job_failed":
            job.status, job.error = "failed", {"code": job.fault.code or "internal"}
        else:
            try:
                drawn_images = await generation.draw_images(
                    job.request, fault=job.fault, quick=self.quick
                )
            except InvalidRequest:
                drawn_images = []
                job.status, job.error = "failed", {"code": "invalid_request"}
            if job.status == "running":
                job.output = [self._item(job, n, image) for n, image in enumerate(drawn_images)]
                job.status = "succeeded"
        if job.webhook_url and job.status != "cancelled":
            await self._send_webhook(job)

    def _item(self, job: Job, n: int, image: generation.DrawnImage) -> dict[str, Any]:
        item = {"mime_type": image.media_type, "seed": image.seed}
        truncated = job.fault is not None and job.fault.kind == "truncated_base64"
        if self.script.job_output == "b64_json" or truncated:
            return item | {"b64_json": generation.base64_of(image, fault=job.fault)}
        name = f"{job.id}-{n}"
        self._files[name] = image
        while len(self._files) > _MAX_FILES:
            self._files.pop(next(iter(self._files)))
        return item | {"url": f"{job.origin}/files/{name}"}

    async def _send_webhook(self, job: Job) -> None:
        document = {
            "type": f"job.{job.status}",
            "timestamp": int(time.time()),
            "data": {"id": job.id, "status": job.status},
        }
        delivery_id, more_headers = f"msg_{uuid.uuid4().hex}", {}
        if self.script.echo:
            text = echoes.SPELLINGS[self.script.echo](job.secret.reveal())
            document |= {"type": text, "note": f"sent to {text}"}
            more_headers = {"user-agent": text}
        body = json.dumps(document).encode()
        for attempt in range(_WEBHOOK_TRIES):
            headers = standard_webhooks.sign(
                delivery_id=delivery_id,
                timestamp=int(time.time()),
                body=body,
                secret=self.webhook_secret,
            )
            headers |= more_headers
            if await asyncio.to_thread(deliver, job.webhook_url, body=body, headers=headers):
                return
            await asyncio.sleep(0.2 * 2**attempt)


def deliver(url: str, *, body: bytes, headers: dict[str, str]) -> bool:
    """POST a webhook; return whether the receiver answered with a 2xx status."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=15)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            "POST", path or "/", body=body, headers={"content-type": "application/json", **headers}
        )
        return connection.getresponse().status in _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _parse_request(document: dict[str, Any], *, key: str) -> GenerationRequest:
    operation = Operation(document.get("operation", "generate"))
    inputs: tuple[ImageInput, ...] = tuple(
        generation.image_input(
            base64.b64decode(item["b64_json"], validate=True),
            media_type=str(item.get("media_type", "image/png")),
            role=InputRole(item.get("role", "image")),
        )
        for item in document.get("inputs", [])
    )
    if operation is not Operation.GENERATE and not inputs:
        raise ValueError("no image")
    return replace(
        generation.parse_request(document, inputs=inputs, key=key, operation=operation),
        idempotency_key=key,
    )
