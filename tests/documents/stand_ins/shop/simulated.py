"""The service of rules that the shop's screener asks, for the contract."""

from __future__ import annotations

from typing import Any, ClassVar

from imagegen_app.testing.simulator import asgi, moderation
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned


class RulesProtocol(Protocol):
    """One address, which says whether a text or an image is allowed."""

    name: ClassVar[str] = "rules"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path != "/rules":
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return asgi.error(refused.status, refused.code, message=str(refused))

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "unauthorized", "The key is not known.")
        fault = self.state.script.next("moderations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        document = self._found(call)
        refuse_as_planned(fault)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        if fault is not None and fault.kind in {"strange_scores", "missing_data"}:
            document = {"allowed": "perhaps"}
        return await answer_to_job(asgi.reply(document), fault=fault)

    def _found(self, call: asgi.Call) -> dict[str, Any]:
        media_type = call.headers.get("content-type", "")
        if media_type != "application/json":
            moderation.remember(self.state, call.body, media_type=media_type)
            return {"allowed": not moderation.scores_of_image(call.body)}
        text = call.json()["text"]
        if "nudify" in text:
            return {"allowed": False, "nudified": True}
        return {"allowed": not moderation.scores_of_text(text)}
