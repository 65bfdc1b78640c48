"""Speak fal's queue API: requests of endpoints, their results, and webhooks by a published key."""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from PIL import Image

from imagegen_app.core.types import GenerationRequest, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import fal_platform
from imagegen_app.testing.simulator.protocols.fal_endpoints import ENDPOINTS, InvalidInput
from imagegen_app.testing.simulator.published_keys import PublishedKey
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.state import State

_APPS = frozenset(endpoint.app for endpoint in ENDPOINTS.values())
_KEYS = "/.well-known/jwks.json"
_PRIORITIES = frozenset({"normal", "low"})
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_LOCKED = "The account is locked: exhausted balance."
_WORDS = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}
_FLAGGED = "The content was flagged by a checker."
_CANCELLED = "client_cancelled"
#: What a planned failure is called here, and with which status its result comes.
_FAILURES = {"internal": ("internal_error", 500), "timeout": ("request_timeout", 504)}


class FalProtocol(Protocol):
    """The queue, and the address of the published keys."""

    name: ClassVar[str] = "fal"
    id_prefixes: ClassVar[tuple[str, ...]] = tuple(f"/{app}/requests/" for app in sorted(_APPS))

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._key = PublishedKey()
        self._jobs = Jobs(state, webhook=self._notice, sign=self._signed)
        #: What was wrong with the inputs of requests, by their IDs.
        self._invalid: dict[str, InvalidInput] = {}

    def reset(self) -> None:
        self._jobs.reset()
        self._invalid.clear()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path == _KEYS:
            return asgi.reply(self._key.document())
        if call.path.startswith(fal_platform.PREFIX):
            try:
                has_key = self.state.knows_key(call, scheme="Key")
                return fal_platform.serve(call, has_key=has_key)
            except Refused as refused:
                return _refusal(refused)
        app, _, rest = call.path.strip("/").partition("/requests/")
        is_ours = app in _APPS if rest else app in ENDPOINTS or app.startswith("fal-ai/")
        if not is_ours:
            return None
        try:
            answer = await self._serve(call, app=app, rest=rest)
        except Refused as refused:
            answer = _refusal(refused)
        return replace(answer, headers={"x-fal-request-id": uuid.uuid4().hex, **answer.headers})

    async def _serve(self, call: asgi.Call, *, app: str, rest: str) -> asgi.Answer:
        if not self.state.knows_key(call, scheme="Key"):
            raise Refused(401, "", "Authentication is required to access this application.")
        if not rest and call.method == "POST":
            return await self._submit(call, name=app)
        # An ID with a slash in it is none.
        match (call.method, *rest.split("/")):
            case ("GET", job_id, "status"):
                return self._status(self._known(job_id, app=app, aim="poll"))
            case ("GET", job_id) | ("GET", job_id, "response"):
                return self._result(self._known(job_id, app=app))
            case ("PUT", job_id, "cancel"):
                return self._cancel(self._known(job_id, app=app, aim="cancel"))
        raise Refused(404, "", f"Path /{rest} not found")

    async def _submit(self, call: asgi.Call, *, name: str) -> asgi.Answer:
        """Take a request: its inputs are looked at by the endpoint alone, when its turn comes."""
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        _require_headers(call)
        webhook = _webhook_url(call)
        try:
            inputs = call.json()
        except ValueError:
            raise Refused(422, "", "the body is no JSON object") from None
        if name not in ENDPOINTS:
            raise Refused(404, "", f"Application '{name}' not found")
        refuse_as_planned(fault if fault and fault.kind != "moderation_block" else None)
        job_id, invalid = str(uuid.uuid4()), None
        try:
            request = ENDPOINTS[name].read(inputs)
            self.state.received.add(request, polarity=ENDPOINTS[name].polarity)
        except InvalidInput as problem:
            invalid = problem
            request = GenerationRequest(Operation.GENERATE, name, "", Size(64, 64))
        job = self._jobs.start(job_id, request, call=call, fault=fault, webhook_url=webhook)
        if invalid is not None:
            self.state.bill.credit(job.id)
            self._invalid[job.id], job.failure = invalid, "invalid"
        elif _is_blocked(request, fault_kind=fault.kind if fault else ""):
            self.state.bill.credit(job.id)
            job.failure = "flagged"
        document = {"status": "IN_QUEUE", "queue_position": 0, **self._addresses(job)}
        return await answer_to_job(asgi.reply(document), fault=fault)

    def _known(self, job_id: str, *, app: str, aim: str = "") -> Job:
        fault = self._jobs.refuse_query(aim) if aim else None
        if fault is not None:
            raise _Strange(broken_off(fault, state=self.state) or strange_answer(fault))
        job = self._jobs.get(job_id)
        if job is None or ENDPOINTS[job.request.model].app != app:
            raise Refused(404, "", "Request not found")
        return job

    def _addresses(self, job: Job) -> dict[str, Any]:
        origin = f"{job.origin}/{ENDPOINTS[job.request.model].app}/requests/{job.id}"
        return {
            "request_id": job.id,
            "response_url": f"{origin}/response",
            "status_url": f"{origin}/status",
            "cancel_url": f"{origin}/cancel",
        }

    def _status(self, job: Job) -> asgi.Answer:
        if job.is_under_way:
            word = self.state.script.status_word or _WORDS[job.status]
            more: dict[str, Any] = {"queue_position": 0} if job.status == "queued" else {"logs": []}
            return asgi.reply({"status": word, **more, **self._addresses(job)}, status=202)
        document = {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 1.5}}
        status, body = self._outcome(job)
        if status != 200:  # noqa: PLR2004 - a status
            kind = body.get("error_type")
            document |= {"error": "The request failed"} | ({"error_type": kind} if kind else {})
        return asgi.reply({**document, **self._addresses(job)})

    def _result(self, job: Job) -> asgi.Answer:
        if job.is_under_way:
            raise Refused(400, "", "Request is still in progress")
        status, body = self._outcome(job)
        kind = body.get("error_type", "")
        answer = asgi.reply(body, status=status, x_fal_error_type=kind)
        return replace(
            answer, body=generation.with_escapes(answer.body, spelling=self.state.script.spelling)
        )

    def _outcome(self, job: Job) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of a result."""
        if job.status == "cancelled":
            return 499, {"detail": "Request was cancelled", "error_type": _CANCELLED}
        invalid = self._invalid.get(job.id)
        if invalid is not None:
            return 422, _model_error(invalid.field, invalid.kind, f"{invalid}")
        if job.failure == "flagged":
            return 422, _model_error("prompt", "content_policy_violation", _FLAGGED)
        if job.failure == "blocked":
            return 200, self._made(job, [_black()], is_flagged=True)
        if job.status == "failed":
            kind, status = _FAILURES.get(job.failure, ("runner_server_error", 500))
            return status, {"detail": "Internal server error", "error_type": kind}
        return 200, self._made(job, job.images)

    def _made(
        self, job: Job, images: list[generation.DrawnImage], *, is_flagged: bool = False
    ) -> dict[str, Any]:
        if is_flagged:
            self.state.files.add(job.file_name(0), images[0])
        found = [
            {
                "url": self._address(job, n, image),
                "content_type": image.media_type,
                "width": job.request.size.width,
                "height": job.request.size.height,
            }
            for n, image in enumerate(images)
        ]
        if ENDPOINTS[job.request.model].is_single and not is_flagged:
            return {"image": found[0]}
        return {
            "images": found,
            "seed": images[0].seed,
            "has_nsfw_concepts": [is_flagged] * len(found),
            "prompt": job.request.prompt,
            "timings": {"inference": 1.5},
        }

    def _address(self, job: Job, n: int, image: generation.DrawnImage) -> str:
        spelling = self.state.script.spelling
        is_cut = job.fault is not None and job.fault.kind == "truncated_base64"
        if self.state.script.job_output == "b64_json" or spelling != "plain" or is_cut:
            # As with `sync_mode`.
            text = generation.base64_of(image, fault=job.fault, spelling=spelling)
            return text if text.startswith("data:") else f"data:{image.media_type};base64,{text}"
        return self.state.file_url(job.file_name(n), origin=job.origin)

    def _cancel(self, job: Job) -> asgi.Answer:
        if not job.is_under_way:
            return asgi.reply({"status": "ALREADY_COMPLETED"}, status=400)
        self._jobs.cancel(job)
        return asgi.reply({"status": "CANCELLATION_REQUESTED"}, status=202)

    def _notice(self, job: Job) -> dict[str, Any]:
        status, body = self._outcome(job)
        is_good = status == 200  # noqa: PLR2004 - a status
        return {
            "request_id": job.id,
            "gateway_request_id": job.id,
            "status": "OK" if is_good else "ERROR",
            "payload": body,
            **({} if is_good else {"error": "Invalid status code"}),
        }

    def _signed(self, job: Job, body: bytes) -> dict[str, str]:
        return self._key.headers("x-fal-webhook", call=job.id, call_header="request-id", body=body)


class _Strange(Refused):
    """A query is answered with something else."""

    def __init__(self, answer: asgi.Answer | None) -> None:
        super().__init__(500, "")
        self.answer = answer or asgi.reply({})


def _refusal(refused: Refused) -> asgi.Answer:
    if isinstance(refused, _Strange):
        return refused.answer
    status, detail = refused.status, str(refused)
    if refused.reason == "quota":
        status, detail = 403, _LOCKED
    return replace(asgi.reply({"detail": detail}, status=status), headers=refused.headers)


def _model_error(field: str, kind: str, message: str) -> dict[str, Any]:
    url = f"https://docs.fal.ai/errors#{kind}"
    return {"detail": [{"loc": ["body", field], "msg": message, "type": kind, "url": url}]}


def _require_headers(call: asgi.Call) -> None:
    """Refuse what fal's headers cannot say."""
    try:
        lifecycle = json.loads(call.headers.get("x-fal-object-lifecycle-preference", "{}"))
        seconds = lifecycle.get("expiration_duration_seconds", 1)
    except (ValueError, AttributeError):
        seconds = None
    is_fine = (
        type(seconds) is int
        and seconds > 0
        and call.headers.get("x-fal-store-io", "1") in {"0", "1"}
        and call.headers.get("x-fal-queue-priority", "normal") in _PRIORITIES
    )
    if not is_fine:
        raise Refused(400, "", "a header has a value that is not possible")


def _webhook_url(call: asgi.Call) -> str:
    url = call.query.get("fal_webhook", "")
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise Refused(400, "", "fal_webhook must be an HTTPS URL")
    return url


def _is_blocked(request: GenerationRequest, *, fault_kind: str) -> bool:
    try:
        refuse_as_planned(None, prompt=request.prompt)
    except Refused:
        return True
    return fault_kind == "moderation_block"


def _black() -> generation.DrawnImage:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    return generation.DrawnImage(buffer.getvalue(), "image/png", 0)
