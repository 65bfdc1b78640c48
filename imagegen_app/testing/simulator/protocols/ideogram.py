"""Speak Ideogram's API: forms in, addresses out; the newer models' calls may become jobs."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.types import GenerationRequest
from imagegen_app.testing.simulator import asgi, forms, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, make_images, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.ideogram_endpoints import (
    ENDPOINTS,
    MAX_SEED,
    Endpoint,
)
from imagegen_app.testing.simulator.published_keys import PublishedKey
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.state import State

_KEYS = "/v1/.well-known/jwks.json"
_JOBS = "/v2/generations/"
_UNSAFE = "The prompt did not pass the safety check."
#: Of one image, in millionths of a dollar, by its quality.
_QUOTES = {"very_low": 8_000, "low": 30_000, "medium": 60_000, "high": 100_000}
_REASONS = {402: "insufficient_funds", 429: "inflight_limit"}


class IdeogramProtocol(Protocol):
    """The endpoints that make images, the jobs, and the published keys."""

    name: ClassVar[str] = "ideogram"
    id_prefixes: ClassVar[tuple[str, ...]] = (_JOBS,)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._key = PublishedKey()
        self._jobs = Jobs(state, webhook=self._document, sign=self._signed)

    def reset(self) -> None:
        self._jobs.reset()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path == _KEYS:
            return asgi.reply(self._key.document())
        if call.path not in ENDPOINTS and not call.path.startswith((_JOBS, "/v2/image/")):
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return _error(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call, header="api-key", scheme=""):
            raise Refused(401, "", "Not authorized")
        if call.method == "GET" and call.path.startswith(_JOBS):
            return self._show(call.path.removeprefix(_JOBS))
        endpoint = ENDPOINTS.get(call.path)
        if call.method != "POST" or endpoint is None:
            raise Refused(404, "", "Not found")
        return await self._make(call, endpoint)

    async def _make(self, call: asgi.Call, endpoint: Endpoint) -> asgi.Answer:
        fault = self.state.script.next("jobs" if endpoint.can_wait else "generations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        except ValueError:
            raise Refused(400, "", "the body is no form") from None
        request = endpoint.read(form, model=call.path.rpartition("/")[2])
        if endpoint.can_wait and call.query.get("dry_run") == "true":
            rest = {name: value for name, value in call.query.items() if name != "dry_run"}
            endpoint.asked_for_job(form, rest)
            return asgi.reply(_quote(call.path, form, count=request.count))
        self.state.received.add(request, polarity="black")
        refuse_as_planned(fault, prompt=request.prompt)
        is_job, webhook = endpoint.asked_for_job(form, call.query)
        if is_job:
            return await self._start(call, request, webhook=webhook, fault=fault)

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            call_id = uuid.uuid4().hex
            is_safe = fault is None or fault.kind != "output_block"
            names = [f"{call_id}-{n}" for n in range(len(drawn))]
            for name, image in zip(names, drawn, strict=True):
                if image.data:
                    self.state.files.add(name, image)
            items = [
                self._item(request, name, image, origin=call.origin, is_safe=is_safe)
                for name, image in zip(names, drawn, strict=True)
            ]
            return asgi.reply({"created": _now(), "data": items})

        return await make_images(
            self.state, request, call_id=uuid.uuid4().hex, fault=fault, answer_with=answer_with
        )

    async def _start(
        self, call: asgi.Call, request: GenerationRequest, *, webhook: str, fault: Any
    ) -> asgi.Answer:
        job = self._jobs.start(
            uuid.uuid4().hex[:22], request, call=call, fault=fault, webhook_url=webhook
        )
        answer = asgi.reply({"generation_id": job.id, "generation_kind": "sampling", "seed": 0})
        return await answer_to_job(answer, fault=fault)

    def _show(self, job_id: str) -> asgi.Answer:
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._jobs.get(job_id)
        if job is None:
            raise Refused(404, "", "Generation not found")
        return asgi.reply(self._document(job))

    def _document(self, job: Job) -> dict[str, Any]:
        document: dict[str, Any] = {"generation_id": job.id, "created": _now()}
        if job.is_under_way:
            return {**document, "status": self.state.script.status_word or "pending"}
        if job.status == "failed" and job.failure != "blocked":
            return {**document, "status": "failed", "failure_reason": job.failure}
        is_safe = job.failure != "blocked"
        images = job.images or [generation.DrawnImage(b"", "image/png", 0)]
        items = [
            self._item(job.request, job.file_name(n), image, origin=job.origin, is_safe=is_safe)
            for n, image in enumerate(images)
        ]
        return {**document, "status": "completed", "response_type": "url", "data": items}

    def _item(
        self,
        request: GenerationRequest,
        name: str,
        image: generation.DrawnImage,
        *,
        origin: str,
        is_safe: bool,
    ) -> dict[str, Any]:
        return {
            "url": self.state.file_url(name, origin=origin) if is_safe else "",
            "is_image_safe": is_safe,
            "prompt": request.prompt,
            "resolution": str(request.size),
            "seed": image.seed % MAX_SEED,
        }

    def _signed(self, job: Job, body: bytes) -> dict[str, str]:
        prefix = "x-ideogram-webhook"
        return self._key.headers(prefix, call=job.id, call_header="generation-id", body=body)


def _error(refused: Refused) -> asgi.Answer:
    status, message = refused.status, str(refused)
    if refused.reason == "blocked":
        status, message = 422, _UNSAFE
    elif refused.reason == "quota":
        status = 402
    document: dict[str, Any] = {"error": message}
    if status in _REASONS:
        document["reject_reason"] = _REASONS[status]
    return replace(asgi.reply(document, status=status), headers=refused.headers)


def _quote(path: str, form: forms.Form, *, count: int) -> dict[str, Any]:
    """Return a quote as the real one writes it: the same request, but nothing is made."""
    micros = _QUOTES[form.fields.get("quality", "medium")] * count
    return {
        "object": "price_quote",
        "billing_identifier": path.rpartition("/")[2].replace("-", "_"),
        "quantity": count,
        "usd_micros": micros,
        "credit_millis": micros // 10,
        "qualifier": "exact",
    }


def _now() -> str:
    return datetime.now(UTC).isoformat()
