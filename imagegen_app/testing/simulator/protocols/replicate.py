"""Speak Replicate's API: predictions of models, files, and signed webhooks."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from imagegen_app.core.types import InputRole
from imagegen_app.testing.simulator import asgi, forms, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.replicate_models import MODELS, Model
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.state import State

_PREFIXES = ("/v1/predictions", "/v1/models/", "/v1/deployments/", "/v1/files", "/v1/account")
_SECRET = "/v1/webhooks/default/secret"  # noqa: S105 - a path
_FIELDS = frozenset({"input", "stream", "webhook", "webhook_events_filter"})
_EVENTS = frozenset({"start", "output", "logs", "completed"})
_PREFER = re.compile(r"wait(?:=([1-9]|[1-5]\d|60))?")
_SPAN = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_MIN_SPAN_SECONDS = 5
_WAIT_SECONDS = 60
_FILE_SECONDS = 86_400
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_WORDS = {"queued": "starting", "running": "processing", "cancelled": "canceled"}
_NOT_FOUND = "The requested resource could not be found."
_TITLES = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    403: "Forbidden",
    404: "Not found",
    422: "Unprocessable entity",
    429: "Request was throttled",
}
_BLOCKED = "NSFW content detected. Try running it again, or try a different prompt."
_FLAGGED = "The input or output was flagged as sensitive. Please try again. (E005)"


class ReplicateProtocol(Protocol):
    """The endpoints under /v1 that predictions need."""

    name: ClassVar[str] = "replicate"
    base_path: ClassVar[str] = "/v1"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/v1/predictions/", "/v1/files/")

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=self._document)
        self._uploads: dict[str, bytes] = {}

    def reset(self) -> None:
        self._jobs.reset()
        self._uploads.clear()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith(_PREFIXES) and call.path != _SECRET:
            return None
        try:
            self._require_key(call)
            path = call.path.removeprefix("/v1/").strip("/").split("/")
            return self._get(path) if call.method == "GET" else await self._post(call, path)
        except Refused as refused:
            return _problem(refused)

    def _require_key(self, call: asgi.Call) -> None:
        if not self.state.knows_key(call):
            raise Refused(401, "", "You did not pass a valid authentication token")

    async def _post(self, call: asgi.Call, path: list[str]) -> asgi.Answer:
        match path if call.method == "POST" else []:
            case ["predictions"]:
                return await self._create(call, named="")
            case ["models" | "deployments", owner, name, "predictions"]:
                return await self._create(call, named=f"{owner}/{name}")
            case ["predictions", job_id, "cancel"]:
                return self._cancel(job_id)
            case ["files"]:
                return self._upload(call)
        raise Refused(404, "", _NOT_FOUND)

    def _get(self, path: list[str]) -> asgi.Answer:
        match path:
            case ["predictions"]:
                return self._list()
            case ["predictions", job_id]:
                return self._show(job_id)
            case ["files", name]:
                return asgi.Answer(200, self._uploaded(name), "application/octet-stream")
        return asgi.reply(self._described(path))

    def _described(self, path: list[str]) -> dict[str, Any]:
        match path:
            case ["models", owner, name]:
                return _described(_model(f"{owner}/{name}"))
            case ["models", owner, name, "versions", version]:
                return _version(_model(f"{owner}/{name}", version=version))
            case ["account"]:
                return {"type": "organization", "username": "simulator"}
            case ["webhooks", "default", "secret"]:
                return {"key": self.state.webhook_secret.reveal()}
        raise Refused(404, "", _NOT_FOUND)

    async def _create(self, call: asgi.Call, *, named: str) -> asgi.Answer:
        """Start a prediction; with `Prefer: wait`, answer once it has ended."""
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        wait = _wait_seconds(call)
        _require_span(call)
        document = _body(call, fields=_FIELDS if named else _FIELDS | {"version"})
        model = _model(named) if named else _versioned(document.get("version"))
        webhook = _webhook_url(document)
        inputs = document.get("input")
        if not isinstance(inputs, dict):
            raise Refused(422, "Input validation failed", "- input is required")
        request = model.read(inputs, fetch=self._fetched)
        self.state.received.add(request, polarity=model.polarity)
        refuse_as_planned(fault if fault and fault.kind != "moderation_block" else None)
        job = self._jobs.start(
            uuid.uuid4().hex[:26],
            request,
            call=call,
            fault=fault,
            webhook_url=webhook,
            sent=inputs,
        )
        if _is_blocked(request, fault_kind=fault.kind if fault else ""):
            # This API accepts the call, and the prediction fails.
            job.failure = "flagged"
        elif not _is_mask_fitting(request):
            job.failure = "The mask must have the size of the image"
        if wait:
            await self._jobs.finished(job, seconds=wait)
        answer = asgi.reply(self._document(job), status=201)
        headers = {"preference-applied": f"wait={wait}"} if wait else {}
        return await answer_to_job(replace(answer, headers=headers), fault=fault)

    def _show(self, job_id: str) -> asgi.Answer:
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        return broken or asgi.reply(self._document(self._known(job_id)))

    def _list(self) -> asgi.Answer:
        fault = self._jobs.refuse_query("lookup")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        results = [self._document(job) for job in self._jobs.newest_first()[:100]]
        return broken or asgi.reply({"next": None, "previous": None, "results": results})

    def _cancel(self, job_id: str) -> asgi.Answer:
        """Cancel a prediction; one that has ended stays as it is."""
        fault = self._jobs.refuse_query("cancel")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job = self._known(job_id)
        if job.is_under_way:
            self._jobs.cancel(job)
        return asgi.reply(self._document(job))

    def _known(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise Refused(404, "", _NOT_FOUND)
        return job

    def _document(self, job: Job) -> dict[str, Any]:
        """Return a prediction as its JSON document."""
        origin = f"{job.origin}/v1/predictions/{job.id}"
        word = self.state.script.status_word if job.is_under_way else ""
        document: dict[str, Any] = {
            "id": job.id,
            "model": job.request.model,
            "version": "hidden" if MODELS[job.request.model].is_official else _hex(job),
            "input": job.sent,
            "logs": "",
            "output": None,
            "data_removed": False,
            "error": None,
            "source": "api",
            "status": word or _WORDS.get(job.status, job.status),
            "created_at": _text_of(job.created_at),
            "urls": {"get": origin, "cancel": f"{origin}/cancel", "web": origin},
        }
        if job.is_under_way:
            return document
        document["completed_at"] = _text_of(time.time())
        document["metrics"] = {"predict_time": 1.5, "total_time": 1.6}
        if job.status == "succeeded":
            output = [self._address(job, n) for n in range(len(job.images))]
            document["output"] = output if MODELS[job.request.model].is_list else output[0]
        if job.status == "failed":
            known = {"blocked": _BLOCKED, "flagged": _FLAGGED}
            document["error"] = known.get(job.failure, f"{job.failure}: {job.request.prompt}")
        return document

    def _address(self, job: Job, n: int) -> str:
        image, spelling = job.images[n], self.state.script.spelling
        if self.state.script.job_output == "b64_json" or spelling != "plain":
            text = generation.base64_of(image, fault=job.fault, spelling=spelling)
            return text if text.startswith("data:") else f"data:{image.media_type};base64,{text}"
        return self.state.file_url(job.file_name(n), origin=job.origin)

    def _upload(self, call: asgi.Call) -> asgi.Answer:
        """Keep a file that inputs can name."""
        try:
            form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        except ValueError:
            form = forms.Form()
        found = [(kind, data) for name, kind, data in form.files if name == "content"]
        if not found:
            raise Refused(400, "", "Missing content")
        name = uuid.uuid4().hex
        media_type, self._uploads[name] = found[0]
        digest = hashlib.sha256(self._uploads[name]).hexdigest()
        document = {
            "id": name,
            "name": "content",
            "content_type": media_type,
            "size": len(self._uploads[name]),
            "etag": digest,
            "checksums": {"sha256": digest},
            "metadata": {},
            "created_at": _text_of(time.time()),
            "expires_at": _text_of(time.time() + _FILE_SECONDS),
            "urls": {"get": f"{call.origin}/v1/files/{name}"},
        }
        return asgi.reply(document, status=201)

    def _uploaded(self, name: str) -> bytes:
        if name not in self._uploads:
            raise Refused(404, "", _NOT_FOUND)
        return self._uploads[name]

    def _fetched(self, address: str) -> bytes | None:
        """Return the file that an input names; the simulator fetches nothing from elsewhere."""
        return self._uploads.get(urlsplit(address).path.rpartition("/")[2])


def _text_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _is_blocked(request: GenerationRequest, *, fault_kind: str) -> bool:
    try:
        refuse_as_planned(None, prompt=request.prompt)
    except Refused:
        return True
    return fault_kind == "moderation_block"


def _is_mask_fitting(request: GenerationRequest) -> bool:
    sizes = {
        is_mask: {
            (i.width, i.height) for i in request.inputs if (i.role is InputRole.MASK) is is_mask
        }
        for is_mask in (True, False)
    }
    return not sizes[True] or sizes[True] == sizes[False]


def _hex(job: Job) -> str:
    return MODELS[job.request.model].version


def _model(name: str, *, version: str = "") -> Model:
    model = MODELS.get(name)
    if model is None or version not in {"", model.version}:
        raise Refused(404, "", _NOT_FOUND)
    return model


def _versioned(version: object) -> Model:
    """Return the model of a version, given as its digest or as `owner/name:digest`."""
    named, _, digest = str(version or "").rpartition(":")
    for model in MODELS.values():
        if model.version == digest and named in {"", model.name}:
            return model
    message = (
        "The specified version does not exist (or perhaps you don't have permission to use it?)"
    )
    raise Refused(422, "Invalid version or not permitted", message)


def _described(model: Model) -> dict[str, Any]:
    owner, _, name = model.name.partition("/")
    return {
        "owner": owner,
        "name": name,
        "url": f"https://replicate.com/{model.name}",
        "run_count": 1,
        "is_official": model.is_official,
        "visibility": "public",
        "latest_version": _version(model),
    }


def _version(model: Model) -> dict[str, Any]:
    return {
        "id": model.version,
        "created_at": "2026-06-01T00:00:00Z",
        "cog_version": "0.16.0",
        "openapi_schema": model.schema,
    }


def _body(call: asgi.Call, *, fields: frozenset[str]) -> dict[str, Any]:
    try:
        document = call.json()
    except ValueError:
        raise Refused(400, "Bad request", "The request body is not a JSON object.") from None
    for name in document:
        if name not in fields:
            message = f"- Additional property {name} is not allowed"
            raise Refused(422, "Input validation failed", message)
    return document


def _webhook_url(document: Mapping[str, Any]) -> str:
    """Return where the prediction is reported; plain HTTP only on this computer."""
    events = document.get("webhook_events_filter", [])
    if not isinstance(events, list) or not _EVENTS.issuperset(map(str, events)):
        raise Refused(422, "Input validation failed", "- webhook_events_filter: unknown event")
    url = document.get("webhook", "")
    if not url:
        return ""
    parts = urlsplit(str(url))
    if parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise Refused(422, "Input validation failed", "- webhook: must be an HTTPS URL")
    return str(url) if not events or "completed" in events else ""


def _wait_seconds(call: asgi.Call) -> int:
    prefer = call.headers.get("prefer", "")
    if not prefer:
        return 0
    match = _PREFER.fullmatch(prefer)
    if match is None:
        raise Refused(400, "Bad request", "Prefer: must be wait or wait=1 to wait=60")
    return int(match[1] or _WAIT_SECONDS)


def _require_span(call: asgi.Call) -> None:
    """Refuse a `Cancel-After` that is no span of time, or one below five seconds."""
    text = call.headers.get("cancel-after", "")
    if not text:
        return
    match = _SPAN.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    if hours * 3600 + minutes * 60 + seconds < _MIN_SPAN_SECONDS:
        raise Refused(400, "Bad request", "Cancel-After: at least 5 seconds are needed")


def _problem(refused: Refused) -> asgi.Answer:
    """Return an error as RFC 9457 describes it."""
    status, title, detail = refused.status, refused.code, str(refused)
    if refused.reason == "quota":
        status = 402
        detail = "You have insufficient credit to run this model."
    title = title if " " in title else _TITLES.get(status, "Error")
    headers = dict(refused.headers)
    if status == 429:  # noqa: PLR2004 - a status
        wait = refused.retry_after or "30"
        detail = f"Request was throttled. Your rate limit resets in ~{wait}s."
    document = {"title": title, "detail": detail, "status": status}
    answer = asgi.reply(document, status=status)
    return replace(answer, content_type="application/problem+json", headers=headers)
