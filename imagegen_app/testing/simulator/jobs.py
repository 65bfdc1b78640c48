"""Run jobs for the protocols that have them: start, hold, draw, fail, cancel and call back."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks
from imagegen_app.testing.simulator import echoes, generation
from imagegen_app.testing.simulator.refusals import refuse_as_planned
from imagegen_app.testing.simulator.state import key_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.asgi import Call
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
#: How often a held job looks whether it may end.
_HOLD_SECONDS = 0.02
_WEBHOOK_TRIES = 3
_OK = range(200, 300)


@dataclass(slots=True)
class Job:
    """One job and its current state."""

    id: str
    request: GenerationRequest
    fault: Fault | None
    #: This server's address as the caller named it.
    origin: str
    #: The caller's key, for webhooks that echo it.
    secret: Secret
    webhook_url: str = ""
    #: The body's digest, where the protocol heeds idempotency keys.
    digest: str = ""
    #: What the caller sent, where the protocol repeats it.
    sent: dict[str, Any] = field(default_factory=dict, repr=False)
    status: Status = "queued"
    images: list[generation.DrawnImage] = field(default_factory=list)
    #: Why it fails: a word of `Fault.code`, `blocked` if its images were filtered, or the protocol's.
    failure: str = ""
    is_free: bool = False
    created_at: float = field(default_factory=time.time)

    @property
    def is_under_way(self) -> bool:
        """Whether it has not ended."""
        return self.status in {"queued", "running"}

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.status == "cancelled"

    def file_name(self, n: int) -> str:
        """Return the name of a result file."""
        return f"{self.id}-{n}"


class Jobs:
    """The jobs of one protocol.

    `webhook` writes the document that is sent when one has ended, and `sign` the headers that vouch
    for it: those of Standard Webhooks where it is None.
    """

    def __init__(
        self,
        state: State,
        *,
        webhook: Callable[[Job], dict[str, Any]],
        sign: Callable[[Job, bytes], dict[str, str]] | None = None,
    ) -> None:
        self._state = state
        self._webhook = webhook
        self._sign = sign
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Stop and delete all jobs."""
        for task in self._tasks:
            task.cancel()
        self._jobs.clear()

    def get(self, job_id: str) -> Job | None:
        """Return a job; None where there is none."""
        return self._jobs.get(job_id)

    def newest_first(self) -> list[Job]:
        """Return all jobs."""
        return list(reversed(self._jobs.values()))

    def start(
        self,
        job_id: str,
        request: GenerationRequest,
        *,
        call: Call,
        fault: Fault | None,
        webhook_url: str = "",
        digest: str = "",
        sent: dict[str, Any] | None = None,
    ) -> Job:
        """Bill a job and let it run."""
        job = Job(
            id=job_id,
            request=request,
            fault=fault,
            origin=call.origin,
            secret=Secret(key_of(call)),
            webhook_url=webhook_url,
            digest=digest,
            sent=sent or {},
        )
        self._state.bill.add(
            call_id=job.id,
            key=request.idempotency_key,
            operation=request.operation.value,
            model=request.model,
            images=request.count,
            prompt=request.prompt,
        )
        self._jobs[job.id] = job
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a job that has not ended; it stays on the bill unless the script frees it."""
        if self._state.script.free_cancel and job.status != "cancelled":
            job.is_free = True
            self._state.bill.credit(job.id)
        job.status = "cancelled"

    def refuse_query(self, aim: str) -> Fault | None:
        """Return the fault that is planned for a query.

        :raises Refused: if it is a refusal.
        """
        fault = self._state.script.next(aim)
        refuse_as_planned(fault)
        return fault

    async def finished(self, job: Job, *, seconds: float) -> None:
        """Wait until a job has ended, or some seconds."""
        for _ in range(round(seconds / _HOLD_SECONDS)):
            if not job.is_under_way:
                return
            await asyncio.sleep(_HOLD_SECONDS)

    async def _run(self, job: Job) -> None:
        script = self._state.script
        job.status = "running"
        await asyncio.sleep(script.latency if script.job_seconds is None else script.job_seconds)
        while script.hold_jobs:  # noqa: ASYNC110 - the script is a plain value
            await asyncio.sleep(_HOLD_SECONDS)
        if job.fault is not None and job.fault.kind in {"job_failed", "output_block"}:
            is_blocked = job.fault.kind == "output_block"
            job.failure = "blocked" if is_blocked else job.fault.code or "internal"
        if job.failure:
            job.status = "failed"
        else:
            await self._draw(job)
        if job.webhook_url and not job.is_cancelled:
            await self._send_webhook(job)

    async def _draw(self, job: Job) -> None:
        try:
            images = await generation.draw_images(
                job.request, fault=job.fault, quick=self._state.quick
            )
        except InvalidRequest:
            job.status, job.failure = "failed", "invalid_request"
        else:
            if job.status == "running":
                for n, image in enumerate(images):
                    if not image.data:
                        # Its address leads nowhere.
                        continue
                    self._state.files.add(job.file_name(n), image)
                job.images, job.status = images, "succeeded"

    async def _send_webhook(self, job: Job) -> None:
        document = self._webhook(job)
        delivery_id, more_headers = f"msg_{uuid.uuid4().hex}", dict[str, str]()
        if self._state.script.echo:
            text = echoes.SPELLINGS[self._state.script.echo](job.secret.reveal())
            document |= {"type": text, "note": f"sent to {text}"}
            more_headers = {"user-agent": text}
        body = json.dumps(document).encode()
        for attempt in range(_WEBHOOK_TRIES):
            headers = self._signed(job, body, delivery_id=delivery_id) | more_headers
            if await asyncio.to_thread(
                deliver,
                job.webhook_url,
                body=body,
                headers=headers,
                trusted=self._state.certificate,
            ):
                return
            await asyncio.sleep(0.2 * 2**attempt)

    def _signed(self, job: Job, body: bytes, *, delivery_id: str) -> dict[str, str]:
        if self._sign is not None:
            return self._sign(job, body)
        return standard_webhooks.sign(
            delivery_id=delivery_id,
            timestamp=int(time.time()),
            body=body,
            secret=self._state.webhook_secret,
        )


def deliver(url: str, *, body: bytes, headers: dict[str, str], trusted: Path | None = None) -> bool:
    """POST a webhook; return whether the receiver answered with a 2xx status.

    `trusted` is a certificate that is trusted beside those of the system.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port
    connection = http.client.HTTPConnection(host, port, timeout=15)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if trusted is not None:
            context.load_verify_locations(trusted)
        connection = http.client.HTTPSConnection(host, port, timeout=15, context=context)
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
