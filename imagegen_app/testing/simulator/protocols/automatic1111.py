"""Speak the API of AUTOMATIC1111's web UI, as it is started with `--api` and `--api-auth`.

Stricter than the real one in one thing: a field that it does not know is refused, not ignored.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.errors import InvalidRequest
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.making import make_images
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.protocols import automatic1111_tasks
from imagegen_app.testing.simulator.protocols.automatic1111_tasks import Tasks
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned
from imagegen_app.testing.simulator.state import password_of

if TYPE_CHECKING:
    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.faults import Fault
    from imagegen_app.testing.simulator.state import State

USER = "studio"
_PREFIX = "/sdapi/v1/"
_CURRENT = "v1-5-pruned-emaonly"
_HASHES = {_CURRENT: "6ce0161689", "sd_xl_base_1.0": "31e35c80fc"}
_LISTS: Mapping[str, list[dict[str, Any]]] = {
    "sd-models": [
        {"title": f"{name}.safetensors [{digest}]", "model_name": name, "hash": digest}
        for name, digest in _HASHES.items()
    ],
    "loras": [{"name": "mugs", "alias": "mugs-v2", "path": "/models/Lora/mugs.safetensors"}],
    "upscalers": [{"name": "None"}, {"name": "R-ESRGAN 4x+", "scale": 4}],
    # As in the server's source (2026-11): only the first one has a folder.
    "face-restorers": [
        {"name": "CodeFormer", "cmd_dir": "/models/Codeformer"},
        {"name": "GFPGAN", "cmd_dir": None},
    ],
    "samplers": [{"name": "Euler a"}, {"name": "Euler"}, {"name": "DPM++ 2M"}],
    "schedulers": [
        {"name": "automatic", "label": "Automatic"},
        {"name": "karras", "label": "Karras"},
    ],
}
_SAMPLERS = {entry["name"] for entry in _LISTS["samplers"]}
_NUMBER = (int, float)
_TEXT2IMAGE: dict[str, Any] = {
    "prompt": str,
    "negative_prompt": str,
    "seed": int,
    "steps": int,
    "cfg_scale": _NUMBER,
    "width": int,
    "height": int,
    "batch_size": int,
    "n_iter": int,
    "sampler_name": str,
    "scheduler": str,
    "styles": list,
    "override_settings": dict,
    "override_settings_restore_afterwards": bool,
    "alwayson_scripts": dict,
    "send_images": bool,
    "save_images": bool,
    "force_task_id": str,
    "denoising_strength": _NUMBER,
}
_IMAGE2IMAGE: dict[str, Any] = _TEXT2IMAGE | {
    "init_images": list,
    "mask": str,
    "mask_blur": int,
    "inpainting_fill": int,
    "inpainting_mask_invert": int,
    "resize_mode": int,
}
_EXTRA: dict[str, Any] = {
    "image": str,
    "resize_mode": int,
    "upscaling_resize": _NUMBER,
    "upscaling_resize_w": int,
    "upscaling_resize_h": int,
    "upscaling_crop": bool,
    "upscaler_1": str,
    "gfpgan_visibility": _NUMBER,
    "codeformer_visibility": _NUMBER,
    "codeformer_weight": _NUMBER,
}
_UNIT = frozenset(
    {
        "enabled",
        "guidance_end",
        "guidance_start",
        "image",
        "model",
        "module",
        "pixel_perfect",
        "weight",
    }
)
_INVALID, _FAILED = 422, 500
_LORA = re.compile(r"<lora:([^:>]+)")


class Automatic1111Protocol(Protocol):
    """The routes under /sdapi/v1 that make images, the lists of what the server has, and progress."""

    name: ClassVar[str] = "automatic1111"

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._tasks = Tasks()

    def reset(self) -> None:
        self._tasks.reset()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        is_question = (call.method, call.path) == ("POST", automatic1111_tasks.PATH)
        if not call.path.startswith(_PREFIX) and not is_question:
            return None
        try:
            if is_question:
                seconds = self.state.script.latency
                return asgi.reply(self._tasks.progress(call, seconds=seconds))
            return await self._serve(call)
        except Refused as refused:
            return _error_answer(refused)

    async def _serve(self, call: asgi.Call) -> asgi.Answer:
        given = call.headers.get("authorization", "")
        password = password_of(given).encode()
        if not any(hmac.compare_digest(password, key.encode()) for key in self.state.keys):
            raise Refused(401, "HTTPException", "Incorrect username or password")
        route = call.path.removeprefix(_PREFIX)
        if call.method == "GET" and route in _LISTS:
            return asgi.reply(_LISTS[route])
        if call.method != "POST" or route not in {"txt2img", "img2img", "extra-single-image"}:
            # By the framework, which has another shape than the server's own errors.
            return asgi.reply({"detail": "Not Found"}, status=404)
        fault = self.state.script.next("generations" if route == "txt2img" else "edits")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        document = _read(call, route)
        request = _extra(document) if route == "extra-single-image" else _drawing(document, route)
        self.state.received.add(request, polarity="white")
        refuse_as_planned(fault, prompt=request.prompt)
        with self._tasks.running(str(document.get("force_task_id", ""))):
            return await self._make(document, request, fault=fault)

    async def _make(
        self, document: dict[str, Any], request: GenerationRequest, *, fault: Fault | None
    ) -> asgi.Answer:
        spelling = self.state.script.spelling

        def answer_with(drawn: list[generation.DrawnImage]) -> asgi.Answer:
            texts = [generation.base64_of(one, fault=fault, spelling=spelling) for one in drawn]
            if "prompt" not in document:
                answer = asgi.reply({"html_info": "", "image": texts[0]})
            else:
                info = _info(document, request, drawn)
                # Behind the images come the maps that ControlNet made.
                texts += [unit["image"] for unit in _units(document)]
                answer = asgi.reply({"images": texts, "parameters": {}, "info": info})
            return replace(answer, body=generation.with_escapes(answer.body, spelling=spelling))

        try:
            return await make_images(
                self.state, request, call_id=uuid.uuid4().hex, fault=fault, answer_with=answer_with
            )
        except InvalidRequest:
            raise Refused(_FAILED, "HTTPException", "Invalid encoded image") from None


def _info(
    document: dict[str, Any], request: GenerationRequest, drawn: list[generation.DrawnImage]
) -> str:
    """Return what the server says of its images: a document as a text."""
    known = {name for entry in _LISTS["loras"] for name in (entry["name"], entry["alias"])}
    return json.dumps(
        {
            "prompt": request.prompt,
            "seed": drawn[0].seed,
            "all_seeds": [one.seed for one in drawn],
            "sampler_name": document.get("sampler_name", "Euler a"),
            "steps": document.get("steps", 20),
            "sd_model_name": request.model,
            "sd_model_hash": _HASHES[request.model],
            # As little as the real one does it say what it left aside.
            "infotexts": [f"Lora: {name}" for name in known & {*_LORA.findall(request.prompt)}],
        }
    )


def _read(call: asgi.Call, route: str) -> dict[str, Any]:
    """Read a body.

    :raises Refused: if a field is unknown or has another type.
    """
    fields = {"txt2img": _TEXT2IMAGE, "img2img": _IMAGE2IMAGE, "extra-single-image": _EXTRA}[route]
    try:
        document = call.json()
    except ValueError:
        raise Refused(_INVALID, "", "JSON decode error") from None
    for name, value in document.items():
        kind = fields.get(name)
        is_switch = isinstance(value, bool)
        if kind is None or not isinstance(value, kind) or (is_switch and kind is not bool):
            raise Refused(_INVALID, "", "value is not valid", param=name)
    return document


def _drawing(document: dict[str, Any], route: str) -> GenerationRequest:
    """Return what is drawn.

    :raises Refused: if the server would refuse it.
    """
    if document.get("sampler_name", "Euler a") not in _SAMPLERS:
        raise Refused(400, "HTTPException", "Sampler not found")
    inputs: tuple[ImageInput, ...] = ()
    operation = Operation.GENERATE
    if route == "img2img":
        images = document.get("init_images")
        if not images:
            raise Refused(404, "HTTPException", "Init image not found")
        inputs, operation = (_image(images[0], InputRole.IMAGE),), Operation.EDIT
        if document.get("mask"):
            inputs += (_image(document["mask"], InputRole.MASK),)
            operation = Operation.INPAINT
    for unit in _units(document):
        if set(unit) - _UNIT or not isinstance(unit.get("model"), str):
            raise Refused(_INVALID, "HTTPException", "Invalid ControlNet unit")
        inputs += (_image(unit["image"], InputRole.CONTROL),)
        operation = Operation.CONTROL
    # A checkpoint that it does not have is left aside without a word.
    asked = str(document.get("override_settings", {}).get("sd_model_checkpoint", ""))
    model = re.sub(r"\.safetensors.*", "", asked)
    seed = document.get("seed", -1)
    return GenerationRequest(
        operation=operation,
        model=model if model in _HASHES else _CURRENT,
        prompt=document.get("prompt", ""),
        size=Size(document.get("width", 512), document.get("height", 512)),
        count=document.get("batch_size", 1) * document.get("n_iter", 1),
        seed=None if seed < 0 else seed,
        inputs=inputs,
    )


def _extra(document: dict[str, Any]) -> GenerationRequest:
    """Return what is enlarged or restored.

    :raises Refused: if the server would refuse it.
    """
    image = _image(document.get("image", ""), InputRole.IMAGE)
    names = {entry["name"] for entry in _LISTS["upscalers"]}
    if document.get("upscaler_1", "None") not in names:
        raise Refused(_FAILED, "AssertionError", "could not find upscaler")
    restored = max(document.get("gfpgan_visibility", 0), document.get("codeformer_visibility", 0))
    if not 0 <= restored <= 1:
        raise Refused(_INVALID, "", "value is not valid", param="visibility")
    size = image.size
    if document.get("resize_mode", 0) == 1:
        size = Size(document["upscaling_resize_w"], document["upscaling_resize_h"])
    is_larger = document.get("upscaler_1", "None") != "None"
    return GenerationRequest(
        operation=Operation.UPSCALE if is_larger else Operation.RESTORE_FACES,
        model=_CURRENT,
        prompt="",
        size=size,
        inputs=(image,),
    )


def _units(document: dict[str, Any]) -> list[dict[str, Any]]:
    scripts = document.get("alwayson_scripts", {})
    if set(scripts) - {"controlnet"}:
        raise Refused(_INVALID, "HTTPException", "always on script not found")
    units = scripts.get("controlnet", {}).get("args", [])
    return [unit for unit in units if unit.get("enabled")]


def _image(text: str, role: InputRole) -> ImageInput:
    try:
        data = base64.b64decode(text, validate=True)
        return generation.image_input(data, media_type="image/png", role=role)
    except (ValueError, TypeError):
        raise Refused(_FAILED, "HTTPException", "Invalid encoded image") from None


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as the server writes it: the name of an exception, or the framework's list."""
    if refused.status == _INVALID and not refused.code:
        entry = {"loc": ["body", refused.param], "msg": str(refused), "type": "type_error"}
        return asgi.reply({"detail": [entry]}, status=_INVALID)
    status = 402 if refused.reason == "quota" else refused.status
    error = refused.code or ("RuntimeError" if status >= _FAILED else "HTTPException")
    document = {"error": error, "detail": str(refused), "body": "", "errors": ""}
    return replace(asgi.reply(document, status=status), headers=refused.headers)
