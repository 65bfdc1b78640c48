"""Speak the API of a small moderation service, as a site may have one of its own."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.testing.simulator import asgi, forms, moderation
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = "house-classifier-3"
CATEGORIES = ("nudity", "sexual/minors", "violence")
#: What the simulator's words and colours are called here.
_NAMES: Mapping[str, str] = {
    "sexual": "nudity",
    "sexual/minors": "sexual/minors",
    "violence": "violence",
    "harassment": "violence",
}
_COST = 0.002
_FLAGGED = 0.5


class HttpClassifierProtocol(Protocol):
    """The endpoints /classify/text and /classify/image."""

    name: ClassVar[str] = "http_classifier"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith("/classify/"):
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return asgi.error(
                refused.status,
                refused.code,
                message=str(refused),
                retry_after=refused.retry_after,
            )

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call, header="x-api-key", scheme=""):
            raise Refused(401, "unauthorized", "The key is not known.")
        if call.method != "POST":
            raise Refused(405, "method_not_allowed", "Only POST is allowed.")
        fault = self.state.script.next("moderations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            found = self._found(call)
        except ValueError as problem:
            raise Refused(400, "invalid_input", str(problem)) from None
        refuse_as_planned(fault)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        scores = dict.fromkeys(CATEGORIES, moderation.QUIET)
        scores |= {_NAMES[name]: score for name, score in found.items()}
        result: dict[str, Any] = {
            "flagged": any(score >= _FLAGGED for score in scores.values()),
            "labels": [name for name, score in scores.items() if score >= _FLAGGED],
            "scores": scores,
        }
        moderation.spoil_scores(result, fault=fault, name="scores")
        document: dict[str, Any] = {"model": MODEL, "cost": _COST, "result": result}
        if fault is not None and fault.kind == "strange_scores" and fault.code == "no_results":
            del document["result"]
        answer = moderation.with_strange_numbers(asgi.reply(document), fault=fault)
        return await answer_to_job(answer, fault=fault)

    def _found(self, call: asgi.Call) -> dict[str, float]:
        """Return the scores that stand out of what was sent.

        :raises ValueError: if it is not what the service takes.
        """
        content_type = call.headers.get("content-type", "")
        if call.path == "/classify/text":
            return moderation.scores_of_text(_only(call.json(), ("text",))["text"])
        if call.path != "/classify/image":
            raise Refused(404, "not_found", "There is no such address.")
        if content_type.startswith("multipart/"):
            form = forms.parse(call.body, content_type=content_type)
            if form.fields or [name for name, _type, _data in form.files] != ["file"]:
                raise ValueError("the form has to hold one file, under the name file")
            _name, media_type, data = form.files[0]
        else:
            given = _only(call.json(), ("image", "media_type"))
            data, media_type = base64.b64decode(given["image"], validate=True), given["media_type"]
        moderation.remember(self.state, data, media_type=media_type)
        return moderation.scores_of_image(data)


def _only(document: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    if set(document) != set(names) or not all(isinstance(v, str) for v in document.values()):
        raise ValueError(f"the body has to hold the texts {', '.join(names)}, and nothing else")
    return dict(document)
