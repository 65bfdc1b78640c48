"""Speak OpenAI's moderation API, and refuse what it refuses; scores follow from marked words and colours."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.testing.simulator import asgi, moderation
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.openai import error_answer
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")
_LATEST = "omni-moderation-2024-09-26"
_FIELDS = frozenset({"input", "model"})
_PART_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text"}),
    "image_url": frozenset({"type", "image_url"}),
}
#: The categories in the order of the documentation; the second value: whether it judges images.
CATEGORIES: tuple[tuple[str, bool], ...] = (
    ("harassment", False),
    ("harassment/threatening", False),
    ("hate", False),
    ("hate/threatening", False),
    ("illicit", False),
    ("illicit/violent", False),
    ("self-harm", True),
    ("self-harm/instructions", True),
    ("self-harm/intent", True),
    ("sexual", True),
    ("sexual/minors", False),
    ("violence", True),
    ("violence/graphic", True),
)
_MAX_IMAGE_CHARS = 20 * 1024 * 1024
_FLAGGED = 0.5


class OpenAIModerationProtocol(Protocol):
    """The endpoint /v1/moderations."""

    name: ClassVar[str] = "openai_moderation"
    base_path: ClassVar[str] = "/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path != "/v1/moderations":
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            return error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
        if call.method != "POST":
            raise Refused(405, "method_not_allowed", "Only POST is allowed.")
        fault = self.state.script.next("moderations")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            document = call.json()
        except ValueError as problem:
            raise Refused(400, "invalid_value", str(problem)) from None
        items = self._items(document)
        refuse_as_planned(fault)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        answer = {
            "id": f"modr-{uuid.uuid4().hex[:24]}",
            "model": _LATEST
            if document.get("model", MODELS[0]) == MODELS[0]
            else document["model"],
            "results": [_result(scores, kinds) for scores, kinds in items],
        }
        moderation.spoil_results(answer, fault=fault, scores="category_scores")
        body = moderation.with_strange_numbers(asgi.reply(answer), fault=fault)
        return await answer_to_job(body, fault=fault)

    def _items(self, document: dict[str, Any]) -> list[tuple[dict[str, float], frozenset[str]]]:
        """Return the scores and the kinds of input of each item; one list of parts is one item."""
        for name in document:
            if name not in _FIELDS:
                message = f"Unknown parameter: '{name}'."
                raise Refused(400, "unknown_parameter", message, param=name)
        if document.get("model", MODELS[0]) not in MODELS:
            raise Refused(404, "model_not_found", "The model does not exist.", param="model")
        given = document.get("input")
        if isinstance(given, str):
            return [self._item([{"type": "text", "text": given}])]
        if not isinstance(given, list) or not given:
            raise Refused(
                400, "invalid_type", "input: expected a string or an array", param="input"
            )
        if all(isinstance(one, str) for one in given):
            return [self._item([{"type": "text", "text": one}]) for one in given]
        return [self._item(given)]

    def _item(self, parts: list[Any]) -> tuple[dict[str, float], frozenset[str]]:
        scores: dict[str, float] = dict.fromkeys((name for name, _image in CATEGORIES), 0.0)
        kinds: set[str] = set()
        for part in parts:
            kind = str(part.get("type")) if isinstance(part, dict) else ""
            if kind not in _PART_FIELDS or set(part) != _PART_FIELDS[kind]:
                raise Refused(400, "invalid_value", "input: unknown part", param="input")
            if kind == "text":
                if not isinstance(part["text"], str):
                    raise Refused(400, "invalid_type", "text: expected a string", param="input")
                kinds.add("text")
                found = moderation.scores_of_text(part["text"])
            else:
                kinds.add("image")
                found = moderation.scores_of_image(self._image(part["image_url"]))
            for name, of_images in CATEGORIES:
                if kind == "text" or of_images:
                    scores[name] = max(scores[name], found.get(name, moderation.QUIET))
        if len([part for part in parts if part["type"] == "image_url"]) > 1:
            raise Refused(400, "too_many_images", "At most one image is accepted.", param="input")
        return scores, frozenset(kinds)

    def _image(self, given: object) -> bytes:
        if not isinstance(given, dict) or set(given) != {"url"}:
            raise Refused(400, "invalid_value", "image_url: expected an url", param="input")
        head, comma, text = str(given["url"]).partition(",")
        if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
            raise Refused(400, "invalid_image_url", "Only data URLs are simulated.", param="input")
        if len(text) > _MAX_IMAGE_CHARS:
            raise Refused(400, "image_too_large", "The image is too large.", param="input")
        try:
            data = base64.b64decode(text, validate=True)
            moderation.remember(self.state, data, media_type=head[5:].partition(";")[0])
        except ValueError:
            raise Refused(400, "image_parse_error", "The image cannot be read.") from None
        return data


def _result(scores: dict[str, float], kinds: frozenset[str]) -> dict[str, Any]:
    categories = {name: score >= _FLAGGED for name, score in scores.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {
            name: [
                kind
                for kind in ("text", "image")
                if kind in kinds and (kind == "text" or of_images)
            ]
            for name, of_images in CATEGORIES
        },
    }
