"""Speak OpenAI's Images API."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.testing.simulator import (
    asgi,
    broken_answers,
    forms,
    generation,
)

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.testing.simulator.bill import Bill
    from imagegen_app.testing.simulator.faults import Fault, Script
    from imagegen_app.testing.simulator.received import Received

MODELS = (
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "gpt-image-2.5-sunburst",
    "gpt-image-2-2026-04-21",
)
_MAX_MASK_BYTES = 4 * 1024 * 1024
#: A prompt that contains this word is refused, so that a demo can show a refusal.
BLOCKED_WORD = "simulate-blocked"


@dataclass(frozen=True, slots=True)
class Images:
    """The endpoints under /v1/images, and /v1/models."""

    bill: Bill
    script: Script
    quick: bool
    received: Received

    def models(self) -> asgi.Answer:
        """List the models; one of them has a shutdown date, as OpenAI's list has."""
        return asgi.reply(
            {
                "object": "list",
                "data": [
                    {
                        "id": model,
                        "object": "model",
                        "created": 1_790_000_000,
                        "owned_by": "simulator",
                        "shutdown_date": "2027-06-01" if "2026-04-21" in model else None,
                    }
                    for model in MODELS
                ],
            }
        )

    async def generations(self, call: asgi.Call) -> asgi.Answer:
        """Generate images from a prompt."""
        fault = self.script.next("generations")
        try:
            request = generation.parse_request(call.json(), inputs=(), operation=Operation.GENERATE)
        except (ValueError, TypeError):
            return asgi.error(400, "invalid_value")
        return await self._generate(request, fault=fault)

    async def edits(self, call: asgi.Call) -> asgi.Answer:
        """Generate images from a prompt and input images, sent as a form."""
        fault = self.script.next("edits")
        try:
            request = _edit(call)
            self.received.add(request)
            _require_fitting_mask(request)
        except (ValueError, TypeError):
            return asgi.error(400, "invalid_value")
        return await self._generate(request, fault=fault)

    async def _generate(self, request: GenerationRequest, *, fault: Fault | None) -> asgi.Answer:
        refusal_answer = refusal(fault, prompt=request.prompt)
        if refusal_answer is not None:
            return refusal_answer
        billed = 1 if fault and fault.kind == "fewer_images" else request.count
        self.bill.add(
            call_id=f"img_{uuid.uuid4().hex[:20]}",
            key="",
            operation=request.operation.value,
            model=request.model,
            images=billed,
            prompt=request.prompt,
        )
        if fault is not None and fault.kind == "disconnect":
            return asgi.Answer(cut="before")
        await asyncio.sleep(self.script.latency)
        if fault is not None and fault.kind == "silence":
            await asyncio.sleep(fault.seconds)
        strange = strange_answer(fault)
        if strange is not None:
            return strange
        try:
            drawn_images = await generation.draw_images(request, fault=fault, quick=self.quick)
        except InvalidRequest:
            return asgi.error(400, "image_parse_error")
        answer = asgi.reply(_document(request, drawn_images, fault=fault))
        return replace(answer, cut="middle") if fault and fault.kind == "half_answer" else answer


def refusal(fault: Fault | None, *, prompt: str) -> asgi.Answer | None:
    """Return the error answer that a planned failure or the prompt asks for, or None.

    It is sent before anything is generated or billed.
    """
    answer: asgi.Answer | None = None
    if BLOCKED_WORD in prompt:
        answer = _moderation("input", ("violence",))
    elif fault is None:
        answer = None
    elif fault.kind == "disconnect_early":
        answer = asgi.Answer(cut="before")
    elif fault.kind == "moderation_block":
        answer = _moderation(fault.stage, fault.categories)
    elif fault.kind == "quota":
        answer = asgi.error(429, fault.code or "insufficient_quota", kind="insufficient_quota")
    elif fault.kind == "status":
        answer = asgi.error(
            fault.status, fault.code, kind=fault.type, retry_after=fault.retry_after
        )
    return answer


def strange_answer(fault: Fault | None) -> asgi.Answer | None:
    """Return a success that is none, if the fault asks for one."""
    kind = fault.kind if fault else ""
    if kind == "html":
        return asgi.Answer(200, broken_answers.HTML, "text/html; charset=utf-8")
    if kind == "not_json":
        return asgi.Answer(200, b'{"created": 17900000', "application/json")
    if kind == "missing_data":
        return asgi.reply({"created": int(time.time()), "data": []})
    if kind == "error_in_200" and fault is not None:
        code = fault.code or "server_error"
        return asgi.reply({"error": {"message": "simulated", "type": "error", "code": code}})
    return None


def _moderation(stage: str, categories: tuple[str, ...]) -> asgi.Answer:
    listed = ", ".join(categories)
    body: dict[str, Any] = {
        "message": f"Your request was rejected by the safety system. safety_violations=[{listed}].",
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": stage, "categories": list(categories)},
    }
    return asgi.reply({"error": body}, status=400)


def _edit(call: asgi.Call) -> GenerationRequest:
    form = forms.parse(call.body, content_type=call.headers.get("content-type", ""))
    inputs = tuple(
        generation.image_input(
            data,
            media_type=media_type,
            role=InputRole.MASK if name == "mask" else InputRole.IMAGE,
        )
        for name, media_type, data in form.files
        if name in {"image", "image[]", "mask"}
    )
    if not inputs or inputs[0].role is InputRole.MASK:
        raise ValueError("no image")
    operation = Operation.EDIT
    if any(i.role is InputRole.MASK for i in inputs):
        operation = Operation.INPAINT
    elif form.fields.get("background") == "transparent":
        operation = Operation.REMOVE_BACKGROUND
    return generation.parse_request(dict(form.fields), inputs=inputs, operation=operation)


def _require_fitting_mask(request: GenerationRequest) -> None:
    """Refuse a mask that the real API refuses.

    :raises ValueError: if it is no PNG with alpha, too large, or of another size than the image.
    """
    picture = request.inputs[0]
    for mask in request.inputs:
        if mask.role is InputRole.MASK and (
            (mask.width, mask.height) != (picture.width, picture.height)
            or not generation.is_png_with_alpha(mask.data)
            or len(mask.data) >= _MAX_MASK_BYTES
        ):
            raise ValueError("mask")


def _document(
    request: GenerationRequest, made: list[generation.DrawnImage], *, fault: Fault | None
) -> dict[str, Any]:
    text = max(1, len(request.prompt) // 4)
    tokens = round(request.size.pixels / 1000) * len(made)
    return {
        "created": int(time.time()),
        "background": "opaque",
        "output_format": request.output_format,
        "quality": request.quality.replace("auto", "") or "medium",
        "size": str(request.size),
        "data": [{"b64_json": generation.base64_of(picture, fault=fault)} for picture in made],
        "usage": {
            "input_tokens": text,
            "output_tokens": tokens,
            "total_tokens": text + tokens,
            "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
        },
    }
