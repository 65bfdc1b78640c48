"""Speak OpenAI's chat API, as strict as it; the words follow from the picture's colours or the text."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from imagegen_app.core.types import GenerationRequest, ImageInput, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi
from imagegen_app.testing.simulator.making import spoilt, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols.openai import error_answer
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.testing.simulator.faults import Fault

#: Each with the version that it resolves to.
MODELS: Mapping[str, str] = {
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
    "llava": "llava",
}
_FIELDS = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "response_format",
        "seed",
        "stream",
        "temperature",
        "user",
    }
)
_ROLES = frozenset({"assistant", "developer", "system", "user"})
_PART_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text"}),
    "image_url": frozenset({"type", "image_url"}),
}
_MAX_IMAGE_CHARS = 20 * 1024 * 1024
_CHARS_A_TOKEN, _TOKENS_AN_IMAGE = 4, 255
_LONG_CHARS = 100_000
_COLOURS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("red", (200, 40, 40)),
    ("orange", (230, 140, 40)),
    ("yellow", (230, 210, 80)),
    ("green", (60, 150, 70)),
    ("blue", (50, 90, 190)),
    ("purple", (130, 70, 160)),
    ("brown", (120, 80, 50)),
    ("black", (20, 20, 20)),
    ("grey", (128, 128, 128)),
    ("white", (240, 240, 240)),
)


class OpenAIChatProtocol(Protocol):
    """The endpoints /v1/chat/completions and, where no other protocol has it, /v1/models."""

    name: ClassVar[str] = "openai_chat"
    base_path: ClassVar[str] = "/v1"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path != "/v1/chat/completions" and (call.method, call.path) != (
            "GET",
            "/v1/models",
        ):
            return None
        try:
            return await self._serve(call)
        except Refused as refused:
            if refused.reason == "blocked":
                refused.reason, refused.code = "error", "content_policy_violation"
            return error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        if not self.state.knows_key(call):
            raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
        if call.method == "GET":
            refuse_as_planned(self.state.script.next("lookup"))
            rows = [{"id": name, "object": "model", "owned_by": "simulator"} for name in MODELS]
            return asgi.reply({"object": "list", "data": rows})
        fault = self.state.script.next("chat")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        try:
            document = call.json()
        except ValueError as problem:
            raise Refused(400, "invalid_value", str(problem)) from None
        texts, images = _read(document)
        self._remember(document["model"], texts, images)
        refuse_as_planned(fault, prompt=" ".join(texts))
        call_id = f"chatcmpl-{uuid.uuid4().hex[:24]}"
        self.state.bill.add(
            call_id=call_id,
            key="",
            operation="chat",
            model=document["model"],
            images=0,
            prompt=" ".join(texts),
        )
        if fault is not None and fault.kind == "disconnect":
            return asgi.Answer(cut="before")
        await asyncio.sleep(self.state.script.latency)
        if fault is not None and fault.kind == "silence":
            await asyncio.sleep(fault.seconds)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        answer = _answer(call_id, document, texts=texts, images=images, fault=fault)
        return spoilt(asgi.reply(answer), fault=fault)

    def _remember(self, model: str, texts: list[str], images: list[tuple[bytes, str]]) -> None:
        inputs = tuple(
            ImageInput(
                InputRole.IMAGE, media_type, hashlib.sha256(data).hexdigest(), *_size_of(data), data
            )
            for data, media_type in images
        )
        self.state.received.add(
            GenerationRequest(
                model=model,
                operation=Operation.EDIT,
                prompt=" ".join(texts),
                size=Size(1, 1),
                inputs=inputs,
            )
        )


def _read(document: dict[str, Any]) -> tuple[list[str], list[tuple[bytes, str]]]:
    """Return the texts and the images of a call.

    :raises Refused: if the real API would refuse it.
    """
    _require_fields(document)
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        message = "Missing required parameter: 'messages'."
        raise Refused(400, "missing_required_parameter", message, param="messages")
    texts: list[str] = []
    images: list[tuple[bytes, str]] = []
    for one in messages:
        if not isinstance(one, dict) or one.get("role") not in _ROLES:
            raise Refused(400, "invalid_value", "Invalid role.", param="messages")
        content = one.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list) or not parts:
            raise Refused(400, "invalid_type", "Invalid content.", param="messages")
        for part in parts:
            _read_part(part, texts=texts, images=images)
    asked = document.get("response_format", {})
    if asked.get("type") == "json_object" and not any("json" in text.lower() for text in texts):
        message = "'messages' must contain the word 'json' in some form."
        raise Refused(400, "invalid_value", message, param="messages")
    return texts, images


def _require_fields(document: dict[str, Any]) -> None:
    for name in document:
        if name not in _FIELDS:
            message = f"Unrecognized request argument supplied: {name}"
            raise Refused(400, "unknown_parameter", message, param=name)
    if document.get("model") not in MODELS:
        message = "The model does not exist or you do not have access to it."
        raise Refused(404, "model_not_found", message, param="model")
    if {"max_tokens", "max_completion_tokens"} <= set(document):
        message = (
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        )
        raise Refused(400, "invalid_parameter_combination", message, param="max_tokens")
    limit = document.get("max_tokens", document.get("max_completion_tokens", 1))
    if type(limit) is not int or limit < 1:
        raise Refused(400, "invalid_value", "expected a positive integer", param="max_tokens")
    asked = document.get("response_format", {"type": "text"})
    if not isinstance(asked, dict) or asked.get("type") not in {"json_object", "text"}:
        raise Refused(400, "invalid_value", "Invalid response_format.", param="response_format")


def _read_part(part: object, *, texts: list[str], images: list[tuple[bytes, str]]) -> None:
    kind = str(part.get("type")) if isinstance(part, dict) else ""
    known = _PART_FIELDS.get(kind, frozenset())
    if not isinstance(part, dict) or not part or set(part) != known:
        raise Refused(400, "invalid_value", "Invalid content part.", param="messages")
    if kind == "text":
        if not isinstance(part["text"], str):
            raise Refused(400, "invalid_type", "text: expected a string", param="messages")
        texts.append(part["text"])
        return
    given = part["image_url"]
    if not isinstance(given, dict) or not set(given) <= {"detail", "url"}:
        raise Refused(400, "invalid_value", "Invalid image_url.", param="messages")
    head, comma, text = str(given.get("url", "")).partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise Refused(400, "invalid_image_url", "Only data URLs are simulated.", param="messages")
    if len(text) > _MAX_IMAGE_CHARS:
        raise Refused(400, "image_too_large", "The image is too large.", param="messages")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    try:
        data = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data)) as image:
            is_as_named = media_type == f"image/{str(image.format).lower()}"
    except (ValueError, OSError):
        raise Refused(400, "image_parse_error", "The image cannot be read.") from None
    if not is_as_named:
        raise Refused(400, "invalid_image_format", "The image is not of the named type.")
    images.append((data, media_type))


def _answer(
    call_id: str,
    document: dict[str, Any],
    *,
    texts: list[str],
    images: list[tuple[bytes, str]],
    fault: Fault | None,
) -> dict[str, Any]:
    words = _description(images) if images else _prompt(texts[-1])
    if document.get("response_format", {}).get("type") == "json_object":
        words = json.dumps({"description": words})
    message: dict[str, Any] = {"role": "assistant", "content": words, "refusal": None}
    finish, kind = "stop", fault.kind if fault else ""
    if kind == "output_block":
        message["content"], finish = "", "content_filter"
    elif kind == "chat_refusal":
        message |= {"content": None, "refusal": "I'm sorry, I can't help with that."}
    elif kind == "chat_text" and fault is not None:
        message["content"] = fault.code
    elif kind == "chat_long":
        message["content"] = "word " * (_LONG_CHARS // 5)
    elif kind == "chat_nonsense":
        message["content"] = {"nobody": ["knows", 1e300]}
    limit = document.get("max_tokens", document.get("max_completion_tokens", 1_000))
    content = message["content"]
    written = -(-len(content) // _CHARS_A_TOKEN) if isinstance(content, str) else 0
    if isinstance(content, str) and written > limit and kind != "chat_long":
        message["content"], finish, written = content[: limit * _CHARS_A_TOKEN], "length", limit
    read = sum(len(text) for text in texts) // _CHARS_A_TOKEN + _TOKENS_AN_IMAGE * len(images)
    answer: dict[str, Any] = {
        "id": call_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODELS[document["model"]],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }
    if kind == "chat_uncounted":
        del answer["usage"]
    if kind == "missing_data":
        answer["choices"] = []
    return answer


def _description(images: list[tuple[bytes, str]]) -> str:
    """Describe images by what there is to see: their shape and main colour."""
    data, _media_type = images[0]
    width, height = _size_of(data)
    with Image.open(io.BytesIO(data)) as image:
        pixel = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    seen = pixel if isinstance(pixel, tuple) else (0, 0, 0)
    colour = min(
        _COLOURS, key=lambda one: sum((a - b) ** 2 for a, b in zip(one[1], seen, strict=False))
    )[0]
    shape = "square" if width == height else "wide" if width > height else "tall"
    return f"A {shape} picture in shades of {colour}."


def _prompt(text: str) -> str:
    """Write a prompt from what is asked as JSON: the texts of some content, or a prompt and a wish."""
    try:
        asked = json.loads(text)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return "There is no image."
    if isinstance(asked.get("texts"), dict) and "instruction" in asked:
        told = ", ".join(str(one) for one in asked["texts"].values())
        return f"{str(asked['instruction']).rstrip('. ')}: {told}."
    if isinstance(asked.get("texts"), dict):
        return f"{', '.join(str(one) for one in asked['texts'].values())}, in soft daylight."
    parts = (str(asked.get("prompt", "")).rstrip(". "), str(asked.get("wish", "")).rstrip(". "))
    return f"{', '.join(filter(None, parts))}, with more detail."


def _size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size
