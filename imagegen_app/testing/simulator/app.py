"""Route the simulator's calls: two protocols, the result files, and the control API."""

from __future__ import annotations

import hmac
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imagegen_app.testing.simulator import asgi, echoes
from imagegen_app.testing.simulator.images import Images
from imagegen_app.testing.simulator.jobs import Jobs
from imagegen_app.testing.simulator.received import Received

if TYPE_CHECKING:
    from imagegen_app.providers.credentials import Secret
    from imagegen_app.testing.simulator.bill import Bill
    from imagegen_app.testing.simulator.faults import Script

_BEARER = "Bearer "
#: Breaks the connection of the caller at this address.
HangUp = Callable[[tuple[str, int] | None], None]


@dataclass(slots=True)
class Simulator:
    """The ASGI application."""

    keys: tuple[str, ...]
    bill: Bill
    script: Script
    webhook_secret: Secret
    hang_up: HangUp
    quick: bool = False
    #: How often each route was called, refused calls included.
    calls: Counter[str] = field(default_factory=Counter)
    #: The input images of the last calls.
    received: Received = field(default_factory=Received)
    _images: Images = field(init=False)
    _jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        self._images = Images(
            bill=self.bill, script=self.script, quick=self.quick, received=self.received
        )
        self._jobs = Jobs(
            bill=self.bill,
            script=self.script,
            quick=self.quick,
            webhook_secret=self.webhook_secret,
            received=self.received,
        )

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            return
        try:
            call = await asgi.read_call(scope, receive)
        except ValueError:
            return
        if call.path.startswith("/_simulator/"):
            answer = self._control(call)
        else:
            self.calls[f"{call.method} {_route(call.path)}"] += 1
            answer = await self._serve(call)
            if call.method == "POST" and self.script.headers:
                answer = replace(answer, headers={**answer.headers, **self.script.headers})
            if self.script.echo:
                key = _key(call) or self.keys[0]
                answer = echoes.echoed(answer, key=key, spelling=self.script.echo)
        if answer.cut != "before":
            await asgi.send_answer(answer, send, request_id=f"req_{uuid.uuid4().hex[:16]}")
        if answer.cut:
            self.hang_up(call.client)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if call.method == "GET" and call.path.startswith("/files/"):
            # Results are fetched without a key, as from a provider's storage.
            return self._jobs.file(name=call.path.removeprefix("/files/"))
        if not self._knows(call.headers.get("authorization", "")):
            return asgi.error(401, "invalid_api_key")
        if call.path.startswith("/v1/jobs"):
            return await self._serve_jobs(call)
        if (call.method, call.path) == ("GET", "/v1/models"):
            return self._images.models()
        serve = {
            ("POST", "/v1/images/generations"): self._images.generations,
            ("POST", "/v1/images/edits"): self._images.edits,
        }.get((call.method, call.path))
        return await serve(call) if serve else asgi.error(404, "not_found")

    async def _serve_jobs(self, call: asgi.Call) -> asgi.Answer:
        match (call.method, call.path.removeprefix("/v1/jobs").strip("/").split("/")):
            case ("POST", [""]):
                return await self._jobs.create(call)
            case ("GET", [""]):
                return self._jobs.find(call)
            case ("GET", [job_id]):
                return self._jobs.show(call, job_id=job_id)
            case ("POST", [job_id, "cancel"]):
                return self._jobs.cancel(job_id=job_id)
        return asgi.error(404, "not_found")

    def _knows(self, header: str) -> bool:
        given = header.removeprefix(_BEARER).encode()
        return any(hmac.compare_digest(given, key.encode()) for key in self.keys)

    def _control(self, call: asgi.Call) -> asgi.Answer:
        resource = call.path.removeprefix("/_simulator/")
        if call.method == "GET":
            shown: dict[str, object] = {
                "health": {"status": "ok"},
                "bill": self.bill.document(),
                "calls": dict(self.calls),
                "received": self.received.document(),
            }
            return (
                asgi.reply(shown[resource]) if resource in shown else asgi.error(404, "not_found")
            )
        if resource == "script":
            try:
                self.script.change(call.json())
            except (ValueError, TypeError) as problem:
                return asgi.reply({"problem": str(problem)}, status=400)
            return asgi.reply({"planned": len(self.script.faults)})
        if resource == "reset":
            self.script.reset()
            self.bill.clear()
            self._jobs.reset()
            self.calls.clear()
            self.received.clear()
            return asgi.reply({"status": "ok"})
        return asgi.error(404, "not_found")


def _key(call: asgi.Call) -> str:
    return call.headers.get("authorization", "").removeprefix(_BEARER)


def _route(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/v1/jobs/"):
        parts[3] = "{id}"
    elif path.startswith("/files/"):
        parts[2] = "{name}"
    return "/".join(parts)
