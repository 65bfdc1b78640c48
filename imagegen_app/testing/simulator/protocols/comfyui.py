"""Speak ComfyUI's own API: one graph runs at a time, and the others wait in its queue."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.testing.simulator import asgi, forms
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import comfyui_events
from imagegen_app.testing.simulator.protocols import comfyui_graphs as graphs
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

#: The least version whose interrupts are known to heed the id.
VERSION = "0.3.64"
_FAMILIES = frozenset({"history", "object_info"})
_ROUTES = (
    ["interrupt"],
    ["prompt"],
    ["queue"],
    ["system_stats"],
    ["upload", "image"],
    ["view"],
)
_KINDS = frozenset({"input", "output", "temp"})
_MAX_UPLOAD_BYTES = 100 * 1024 * 1024
_MODERATED = "Content was moderated by the safety system"
_NO_CREDITS = 402


class ComfyUIProtocol(Protocol):
    """The endpoints of the server itself, each also below /api."""

    name: ClassVar[str] = "comfyui"
    id_prefixes: ClassVar[tuple[str, ...]] = ("/history/", "/object_info/")

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=lambda job: {"id": job.id})
        self._deleted: set[str] = set()
        self._uploads: dict[str, bytes] = {}
        self._views: dict[str, str] = {}

    def reset(self) -> None:
        self._jobs.reset()
        self._deleted.clear()
        self._uploads.clear()
        self._views.clear()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        path = call.path.removeprefix("/api").strip("/").split("/")
        if path[0] not in _FAMILIES and path not in _ROUTES:
            return None
        try:
            self._require_access(call)
            return await self._post(call, path) if call.method == "POST" else self._get(call, path)
        except Refused as refused:
            return _problem(refused)

    async def serve_websocket(self, call: asgi.Call, socket: asgi.Socket) -> bool | None:
        if call.path.removeprefix("/api") != "/ws":
            return None
        fault = self.state.script.next("websocket")
        try:
            self._require_access(call)
            refuse_as_planned(fault)
        except Refused as refused:
            await socket.refuse(refused.status)
            return False
        await socket.accept()
        client = call.query.get("clientId") or uuid.uuid4().hex
        listener = comfyui_events.Listener(socket, client, state=self.state)
        return await listener.tell(self._under_way, fault=fault)

    def _require_access(self, call: asgi.Call) -> None:
        # The server knows no keys, but a proxy before it may.
        if "authorization" in call.headers and not self.state.knows_key(call):
            raise Refused(401, "unauthorized")
        if "origin" in call.headers:
            raise Refused(403, "forbidden")

    async def _post(self, call: asgi.Call, path: list[str]) -> asgi.Answer:
        match path:
            case ["prompt"]:
                return await self._create(call)
            case ["upload", "image"]:
                return self._upload(call)
            case ["queue"]:
                return self._change_queue(call)
            case ["interrupt"]:
                return self._interrupt(call)
        raise Refused(404, "not_found")

    def _get(self, call: asgi.Call, path: list[str]) -> asgi.Answer:
        match path:
            case ["history", *rest]:
                fault = self._jobs.refuse_query("poll" if rest else "lookup")
                broken = broken_off(fault, state=self.state) or strange_answer(fault)
                return broken or asgi.reply(self._history(rest[0] if rest else ""))
            case ["queue"]:
                running, pending = self._queue()
                return asgi.reply({"queue_running": running, "queue_pending": pending})
            case ["object_info", name]:
                return asgi.reply(_described(name))
            case ["view"]:
                return self._view(call)
            case ["system_stats"]:
                return asgi.reply({"system": {"comfyui_version": VERSION}, "devices": []})
        raise Refused(404, "not_found")

    async def _create(self, call: asgi.Call) -> asgi.Answer:
        """Put a graph into the queue; the same id is run again."""
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            document = call.json()
        except ValueError:
            # The server does not expect it.
            return asgi.Answer(500, b"500 Internal Server Error", "text/plain")
        if "prompt" not in document:
            return asgi.reply({"error": "no prompt", "node_errors": []}, status=400)
        ref = str(document.get("prompt_id", uuid.uuid4()))
        _require_canonical(ref)
        graph = document["prompt"]
        try:
            graphs.check(graph, files=self._uploads)
        except graphs.InvalidGraph as invalid:
            return asgi.reply(invalid.document(graph), status=400)
        request = graphs.request_of(graph, files=self._uploads, key=ref)
        self.state.received.add(request, polarity="transparent")
        kind = fault.kind if fault else ""
        refuse_as_planned(None if kind == "moderation_block" else fault)
        self._deleted.discard(ref)
        job = self._jobs.start(ref, request, call=call, fault=fault, sent=document)
        if kind == "moderation_block" or _is_refused(request.prompt):
            # The call is accepted, and a node of the graph fails.
            job.failure = "blocked"
        number = len(self._jobs.newest_first())
        answer = asgi.reply({"prompt_id": ref, "number": number, "node_errors": {}})
        return await answer_to_job(answer, fault=fault)

    def _history(self, ref: str) -> dict[str, Any]:
        """Return the calls that have ended, or one of them."""
        jobs = [job for job in reversed(self._jobs.newest_first()) if ref in {"", job.id}]
        word = self.state.script.status_word
        return {
            job.id: self._entry(job)
            for job in jobs
            if job.id not in self._deleted and (word or not job.is_under_way)
        }

    def _entry(self, job: Job) -> dict[str, Any]:
        messages: list[list[Any]] = [["execution_start", {"prompt_id": job.id}]]
        word = "success" if job.status == "succeeded" else "error"
        if job.status == "failed":
            said = (
                _MODERATED if job.failure == "blocked" else f"{job.failure}: {job.request.prompt}"
            )
            problem = {
                "prompt_id": job.id,
                "node_id": "4",
                "node_type": "KSampler",
                "exception_type": "RuntimeError",
                "exception_message": said,
                "traceback": ["File /opt/comfyui/execution.py"],
            }
            messages.append(["execution_error", problem])
        elif job.is_cancelled:
            messages.append(["execution_interrupted", {"prompt_id": job.id}])
        return {
            "prompt": self._item(job),
            "outputs": {"7": {"images": self._files(job)}} if job.images else {},
            "status": {
                "status_str": self.state.script.status_word if job.is_under_way else word,
                "completed": word == "success",
                "messages": messages,
            },
            "meta": {},
        }

    def _files(self, job: Job) -> list[dict[str, str]]:
        if job.status != "succeeded":
            return []
        saved = [n for n in job.sent["prompt"].values() if n["class_type"] == "SaveImage"]
        prefix = saved[0]["inputs"]["filename_prefix"]
        names = [f"{prefix}_{n + 1:05}_.png" for n in range(len(job.images))]
        self._views |= {name: job.file_name(n) for n, name in enumerate(names)}
        return [{"filename": name, "subfolder": "", "type": "output"} for name in names]

    def _item(self, job: Job) -> list[Any]:
        sent = job.sent
        return [
            round(job.created_at * 1000),
            job.id,
            sent["prompt"],
            sent.get("extra_data", {}),
            [],
        ]

    def _under_way(self) -> list[Job]:
        jobs = reversed(self._jobs.newest_first())
        return [job for job in jobs if job.is_under_way and job.id not in self._deleted]

    def _queue(self) -> tuple[list[Any], list[Any]]:
        """Return what runs and what waits, with everybody's prompts, as the server does."""
        items = [self._item(job) for job in self._under_way()]
        return items[:1], items[1:]

    def _change_queue(self, call: asgi.Call) -> asgi.Answer:
        """Take calls out of the queue; a call that is taken out leaves no trace."""
        fault = self._planned("cancel")
        if fault is not None:
            return fault
        wanted = call.json().get("delete", [])
        for job in self._under_way()[1:]:
            if job.id in wanted:
                self._jobs.cancel(job)
                self._deleted.add(job.id)
        return asgi.Answer(200, b"", "text/plain")

    def _interrupt(self, call: asgi.Call) -> asgi.Answer:
        """Stop what runs; without an id, whoever's it is."""
        fault = self._planned("cancel")
        if fault is not None:
            return fault
        wanted = call.json().get("prompt_id")
        for job in self._under_way()[:1]:
            if wanted in {None, job.id}:
                self._jobs.cancel(job)
        return asgi.Answer(200, b"", "text/plain")

    def _planned(self, aim: str) -> asgi.Answer | None:
        fault: Fault | None = self._jobs.refuse_query(aim)
        return broken_off(fault, state=self.state) or strange_answer(fault)

    def _upload(self, call: asgi.Call) -> asgi.Answer:
        """Keep an input file below the name that the form gives it."""
        if len(call.body) > _MAX_UPLOAD_BYTES:
            raise Refused(413, "too_large")
        try:
            form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
        except ValueError:
            form = forms.Form()
        found = [data for name, _, data in form.files if name == "image"]
        kind, folder = form.fields.get("type", "input"), form.fields.get("subfolder", "")
        if not found or kind not in _KINDS or ".." in folder:
            raise Refused(400, "")
        name = call.body.partition(b'filename="')[2].partition(b'"')[0].decode()
        self._uploads[f"{folder}/{name}" if folder else name] = found[0]
        return asgi.reply({"name": name, "subfolder": folder, "type": kind})

    def _view(self, call: asgi.Call) -> asgi.Answer:
        broken = self._planned("file")
        name = self._views.get(call.query.get("filename", ""), "")
        image = self.state.files.get(name)
        if broken is not None:
            return broken
        if image is None or call.query.get("type") not in _KINDS:
            return asgi.Answer(404, b"", "text/plain")
        return asgi.Answer(200, image.data, image.media_type)


def _is_refused(prompt: str) -> bool:
    try:
        refuse_as_planned(None, prompt=prompt)
    except Refused:
        return True
    return False


def _require_canonical(ref: str) -> None:
    try:
        is_canonical = str(uuid.UUID(ref)) == ref
    except ValueError:
        is_canonical = False
    if not is_canonical:
        raise Refused(400, "invalid_prompt_id")


def _described(name: str) -> dict[str, Any]:
    if name not in graphs.NODES:
        return {}
    required, outputs = graphs.NODES[name]
    return {name: {"input": {"required": required}, "output": outputs, "name": name}}


def _problem(refused: Refused) -> asgi.Answer:
    """Return an error in the server's own shape; what a proxy refuses has the same one here."""
    status = _NO_CREDITS if refused.reason == "quota" else refused.status
    kind = refused.code or "error"
    error = {"type": kind, "message": str(refused), "details": "", "extra_info": {}}
    answer = asgi.reply({"error": error, "node_errors": {}}, status=status)
    return replace(answer, headers=dict(refused.headers))
