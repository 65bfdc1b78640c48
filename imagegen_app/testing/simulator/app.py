"""Route the simulator's calls: its protocols, the result files, and the control API."""

from __future__ import annotations

import base64
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagegen_app.testing.simulator import asgi, echoes
from imagegen_app.testing.simulator.making import strange_answer
from imagegen_app.testing.simulator.protocols.openai import error_answer
from imagegen_app.testing.simulator.refusals import Refused, refuse_as_planned
from imagegen_app.testing.simulator.state import key_of

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.protocol import Protocol
    from imagegen_app.testing.simulator.state import State

#: Breaks the connection of the caller at this address.
HangUp = Callable[[tuple[str, int] | None], None]
_FILES = "/files/"
_MAX_KEPT = 64
_ERRORS = 400


class Simulator:
    """The ASGI application: the protocols that it is given, over one state."""

    def __init__(
        self,
        *,
        protocols: Sequence[type[Protocol]],
        state: State,
        hang_up: HangUp,
        other_port: int = 0,
    ) -> None:
        self.state = state
        self.protocols = [protocol(state) for protocol in protocols]
        #: How often each route was called, refused calls included.
        self.calls: Counter[str] = Counter()
        #: What came to the other host: a stranger, who should never see a key.
        self.elsewhere: list[dict[str, Any]] = []
        self._hang_up = hang_up
        self._other_port = other_port

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one call, or one websocket."""
        if scope["type"] == "websocket":
            # The other side may go at any time.
            with suppress(OSError):
                await self._serve_websocket(asgi.call_of(scope), asgi.Socket(receive, send))
        if scope["type"] != "http":
            return
        try:
            call = await asgi.read_call(scope, receive)
        except ValueError:
            return
        if call.path.startswith("/_simulator/"):
            answer = self._control(call)
        elif self._other_port and call.port == self._other_port:
            answer = self._serve_elsewhere(call)
        else:
            answer = await self._serve_api(call)
        if answer.cut != "before":
            await asgi.send_answer(answer, send, request_id=f"req_{uuid.uuid4().hex[:16]}")
        if answer.cut:
            self._hang_up(call.client)

    async def _serve_websocket(self, call: asgi.Call, socket: asgi.Socket) -> None:
        self.calls[f"WS {call.path}"] += 1
        for protocol in self.protocols:
            is_cut = await protocol.serve_websocket(call, socket)
            if is_cut:
                self._hang_up(call.client)
            if is_cut is not None:
                return
        await socket.refuse(404)

    async def _serve_api(self, call: asgi.Call) -> asgi.Answer:
        script = self.state.script
        self.calls[f"{call.method} {self._route(call.path)}"] += 1
        answer = await self._serve(call)
        if call.method == "POST" and script.headers:
            answer = replace(answer, headers={**answer.headers, **script.headers})
        if answer.status >= _ERRORS:
            answer = echoes.with_what_was_sent(answer, call=call)
        if script.echo:
            key = key_of(call) or self.state.keys[0]
            answer = echoes.echoed(answer, key=key, spelling=script.echo)
        return answer

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if call.method == "GET" and call.path.startswith(_FILES):
            # Results are fetched without a key, as from a provider's storage.
            return self._file(call.path.removeprefix(_FILES))
        for protocol in self.protocols:
            answer = await protocol.serve(call)
            if answer is not None:
                return answer
        if not self.state.knows_key(call):
            return asgi.error(401, "invalid_api_key")
        return asgi.error(404, "not_found")

    def _serve_elsewhere(self, call: asgi.Call) -> asgi.Answer:
        """Serve results and take webhooks, and remember what came; whatever else is accepted."""
        self.elsewhere.append(
            {
                "method": call.method,
                "path": call.path,
                "headers": dict(call.headers),
                "body": base64.b64encode(call.body).decode("ascii"),
            }
        )
        del self.elsewhere[:-_MAX_KEPT]
        if call.method == "GET" and call.path.startswith(_FILES):
            return self._file(call.path.removeprefix(_FILES))
        return asgi.reply({})

    def _file(self, name: str) -> asgi.Answer:
        fault = self.state.script.next("file")
        try:
            refuse_as_planned(fault)
        except Refused as refused:
            return error_answer(refused)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        image = self.state.files.get(name)
        if image is None:
            return asgi.error(404, "not_found")
        return asgi.Answer(200, image.data, image.media_type)

    def _control(self, call: asgi.Call) -> asgi.Answer:
        resource = call.path.removeprefix("/_simulator/")
        if call.method == "GET":
            shown: dict[str, object] = {
                "health": {"status": "ok"},
                "bill": self.state.bill.document(),
                "calls": dict(self.calls),
                "elsewhere": {"calls": self.elsewhere},
                "received": self.state.received.document(),
            }
            return (
                asgi.reply(shown[resource]) if resource in shown else asgi.error(404, "not_found")
            )
        if resource == "script":
            try:
                self.state.script.change(call.json())
            except (ValueError, TypeError) as problem:
                return asgi.reply({"problem": str(problem)}, status=400)
            return asgi.reply({"planned": len(self.state.script.faults)})
        if resource == "reset":
            self.state.reset()
            for protocol in self.protocols:
                protocol.reset()
            self.calls.clear()
            self.elsewhere.clear()
            return asgi.reply({"status": "ok"})
        return asgi.error(404, "not_found")

    def _route(self, path: str) -> str:
        prefixes = [prefix for protocol in self.protocols for prefix in protocol.id_prefixes]
        for prefix in prefixes:
            if path.startswith(prefix):
                _, slash, rest = path.removeprefix(prefix).partition("/")
                return f"{prefix}{{id}}{slash}{rest}"
        return f"{_FILES}{{name}}" if path.startswith(_FILES) else path
