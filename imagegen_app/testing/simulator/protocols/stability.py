"""Speak Stability's v2beta API: forms in, one image out, and two calls that become jobs."""

from __future__ import annotations

import base64
import io
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.testing.simulator import asgi, forms, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, make_images, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import stability_endpoints
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned
from imagegen_app.testing.simulator.state import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

_PREFIX = "/v2beta/stable-image/"
_RESULTS = ("/v2beta/results/", "/v2beta/stable-image/upscale/creative/result/")
_MAX_BODY_BYTES = 10 * 1024 * 1024
_FLAGGED = "Your request was flagged by our content moderation system."
_TIMED_OUT = (
    "You have exceeded the rate limit of 150 requests within a 10 second period, "
    "and have been timed out for 60 seconds."
)
#: The names of errors, by status.
_NAMES = {
    400: "bad_request",
    401: "unauthorized",
    402: "payment_required",
    403: "forbidden",
    404: "not_found",
    413: "payload_too_large",
    422: "unprocessable_entity",
    429: "rate_limit_exceeded",
    500: "internal_error",
}


class StabilityProtocol(Protocol):
    """The endpoints under /v2beta, and the account's balance."""

    name: ClassVar[str] = "stability"
    id_prefixes: ClassVar[tuple[str, ...]] = _RESULTS

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=lambda _: {})

    def reset(self) -> None:
        self._jobs.reset()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith("/v2beta/") and call.path != "/v1/user/balance":
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return _error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "", "missing or invalid authorization header")
        if (call.method, call.path) == ("GET", "/v1/user/balance"):
            return asgi.reply({"credits": 1000.0})
        for prefix in _RESULTS:
            if call.method == "GET" and call.path.startswith(prefix):
                return self._result(call, job_id=call.path.removeprefix(prefix))
        endpoint = stability_endpoints.ENDPOINTS.get(call.path.removeprefix(_PREFIX))
        if call.method != "POST" or endpoint is None:
            raise Refused(404, "", "no such route")
        return await self._make(call, endpoint)

    async def _make(self, call: asgi.Call, endpoint: stability_endpoints.Endpoint) -> asgi.Answer:
        fault = self.state.script.next("edits" if endpoint.has_images else "generations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        if len(call.body) > _MAX_BODY_BYTES:
            raise Refused(413, "", "the body is larger than 10 MiB")
        write = _writer(call)
        try:
            form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        except ValueError:
            raise Refused(400, "", "content-type: must be multipart/form-data") from None
        request = endpoint.read(form)
        self.state.received.add(request, polarity="white")
        refuse_as_planned(fault, prompt=request.prompt)
        if endpoint.is_job:
            job = self._jobs.start(uuid.uuid4().hex * 2, request, call=call, fault=fault)
            return await answer_to_job(asgi.reply({"id": job.id}), fault=fault)
        return await self._make_at_once(request, fault=fault, write=write)

    async def _make_at_once(
        self,
        request: GenerationRequest,
        *,
        fault: Fault | None,
        write: Callable[[generation.DrawnImage, str, str], asgi.Answer],
    ) -> asgi.Answer:
        call_id = uuid.uuid4().hex
        spelling = self.state.script.spelling

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            if fault is not None and fault.kind == "output_block":
                # What was filtered is not charged; the image comes nevertheless, blurred.
                self.state.bill.credit(call_id)
                return write(generation.blurred(drawn[0]), "CONTENT_FILTERED", "")
            if fault is not None and fault.kind == "truncated_base64":
                return write(drawn[0], "SUCCESS", "truncated")
            return write(drawn[0], "SUCCESS", spelling)

        try:
            return await make_images(
                self.state, request, call_id=call_id, fault=fault, answer_with=answer_with
            )
        except InvalidRequest as problem:
            raise Refused(400, "", problem.detail or "the image cannot be used") from None

    def _result(self, call: asgi.Call, *, job_id: str) -> asgi.Answer:
        """Return the image of a job, or that it is not there yet."""
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._jobs.get(job_id)
        if job is None or job.secret.reveal() != key_of(call):
            # Results are kept for the key that asked for them.
            raise Refused(404, "generation_not_found", "generation not found")
        if job.is_under_way:
            word = self.state.script.status_word or "in-progress"
            return asgi.reply({"id": job.id, "status": word}, status=202)
        if job.status == "failed":
            return self._failed(call, job)
        truncated = job.fault is not None and job.fault.kind == "truncated_base64"
        spelling = "truncated" if truncated else self.state.script.spelling
        return _writer(call)(job.images[0], "SUCCESS", spelling)

    def _failed(self, call: asgi.Call, job: Job) -> asgi.Answer:
        # What failed or was filtered is not charged.
        self.state.bill.credit(job.id)
        if job.failure == "blocked":
            data = Image.new("RGB", (64, 64), (128, 128, 128))
            buffer = io.BytesIO()
            data.save(buffer, "PNG")
            filtered = generation.DrawnImage(buffer.getvalue(), "image/png", 0)
            return _writer(call)(filtered, "CONTENT_FILTERED", "")
        # The result is the failure: asking again would not help.
        failure = {"id": uuid.uuid4().hex, "name": _NAMES[500], "errors": [job.failure]}
        return asgi.reply(failure)


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as this API writes it: an id for its support, a name and sentences."""
    status, message = refused.status, str(refused)
    if refused.reason == "blocked":
        status, name, message = 403, "content_moderation", _FLAGGED
    elif refused.reason == "quota":
        status, name = 402, _NAMES[402]
    else:
        name = refused.code or _NAMES.get(status, "error")
    support_id = uuid.uuid4().hex
    if name == "rate_limit_exceeded":
        support_id, message = name, _TIMED_OUT
    answer = asgi.reply({"id": support_id, "name": name, "errors": [message]}, status=status)
    return replace(answer, headers=refused.headers)


def _writer(call: asgi.Call) -> Callable[[generation.DrawnImage, str, str], asgi.Answer]:
    """Return how to write an image: as JSON or as bytes, as the caller accepts it.

    :raises Refused: if the caller accepts neither.
    """
    accepted = call.headers.get("accept", "*/*").partition(";")[0].strip()
    if accepted == "application/json":
        return _as_json
    if accepted in {"image/*", "*/*"}:
        return _as_bytes
    raise Refused(400, "", "accept: must be image/* or application/json")


def _as_json(image: generation.DrawnImage, reason: str, spelling: str) -> asgi.Answer:
    if spelling == "truncated":
        text = base64.b64encode(image.data).decode("ascii")
        text = text[: len(text) // 2 // 4 * 4 + 1]
    else:
        text = generation.base64_of(image, fault=None, spelling=spelling or "plain")
    document: dict[str, Any] = {"image": text, "finish_reason": reason, "seed": image.seed}
    body = generation.with_escapes(json.dumps(document).encode(), spelling=spelling)
    return asgi.Answer(200, body, f"application/json; type={image.media_type}")


def _as_bytes(image: generation.DrawnImage, reason: str, spelling: str) -> asgi.Answer:
    del spelling
    headers = {"finish-reason": reason, "seed": str(image.seed)}
    return asgi.Answer(200, image.data, image.media_type, headers=headers)
