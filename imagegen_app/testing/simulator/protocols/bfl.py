"""Speak Black Forest Labs' API: one path a model, tasks that are polled, and results elsewhere."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.testing.simulator import asgi, generation
from imagegen_app.testing.simulator.jobs import Job, Jobs
from imagegen_app.testing.simulator.making import answer_to_job, strange_answer
from imagegen_app.testing.simulator.protocol import Protocol
from imagegen_app.testing.simulator.refusals import Refused, broken_off, refuse_as_planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import ImageInput
    from imagegen_app.testing.simulator.state import State

_PREFIX = "/bfl/v1/"
_RESULT = "/bfl/v1/get_result"
_FORMATS = ("jpeg", "png", "webp")
_SIDES = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}
_MAX_SIDE_RATIO = 21 / 9 + 0.01
_CREDITS, _MAX_LISTED = 3.0, 10


@dataclass(frozen=True, slots=True)
class _Range:
    """Which numbers a field takes."""

    low: float
    high: float
    step: int = 1
    is_whole: bool = True

    def accepts(self, value: object) -> bool:
        """Return whether a value is one of them."""
        kinds = (int,) if self.is_whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return False
        return self.low <= value <= self.high and value % self.step in {0, value % 1}


@dataclass(frozen=True, slots=True)
class _Model:
    """The body that one path takes."""

    numbers: Mapping[str, _Range] = field(default_factory=dict)
    switches: frozenset[str] = frozenset()
    #: Fields with images as base64.
    images: tuple[str, ...] = ()
    #: What must be there, beside the prompt.
    required: frozenset[str] = frozenset()
    operation: Operation = Operation.EDIT
    #: Fields beside those, such as the proportions.
    more: frozenset[str] = frozenset({"output_format", "seed"})


def _numbered(name: str, most: int) -> tuple[str, ...]:
    return (name, *(f"{name}_{n}" for n in range(2, most + 1)))


_UP = frozenset({"prompt_upsampling"})
_RATIO = frozenset({"aspect_ratio", "output_format", "seed"})
_TUNED = frozenset({"finetune_id", "output_format", "seed"})
_WIDE = _Range(64, 8192, 16)
_FLUX_2 = {"width": _WIDE, "height": _WIDE, "safety_tolerance": _Range(0, 5)}
_FLUX_1 = {"safety_tolerance": _Range(0, 6)}
_SQUARE = {"width": _Range(256, 1440, 32), "height": _Range(256, 1440, 32), **_FLUX_1}
_FINE = {"steps": _Range(15, 50), "guidance": _Range(1.5, 100, is_whole=False), **_FLUX_1}
_STRENGTH = {"finetune_strength": _Range(0, 2, is_whole=False)}
_PROMPTED = {"image_prompt_strength": _Range(0, 1, is_whole=False), **_FLUX_1}
_EDGES = {name: _Range(0, 2048) for name in ("top", "bottom", "left", "right")}
_IMAGE = frozenset({"image"})
_FILL = _Model(_FINE, _UP, ("image", "mask"), _IMAGE, Operation.INPAINT)
_ULTRA = _Model(_PROMPTED, _UP | {"raw"}, ("image_prompt",), more=_RATIO)
_FLUX_2_PRO = _Model(_FLUX_2, images=_numbered("input_image", 8))
_KLEIN = _Model(_FLUX_2, images=_numbered("input_image", 4))
_KONTEXT = _Model(_FLUX_1, _UP, _numbered("input_image", 4), more=_RATIO)
MODELS: Mapping[str, _Model] = {
    "flux-3-image": _Model(
        {"safety_tolerance": _Range(0, 4)},
        frozenset({"grounding"}),
        more=frozenset({"aspect_ratio", "images", "resolution"}),
    ),
    "flux-2-pro": _FLUX_2_PRO,
    "flux-2-pro-preview": _FLUX_2_PRO,
    "flux-2-max": _FLUX_2_PRO,
    "flux-2-flex": _Model(
        _FLUX_2 | {"steps": _Range(1, 50), "guidance": _Range(1.5, 10, is_whole=False)},
        _UP,
        _numbered("input_image", 8),
    ),
    "flux-2-klein-4b": _KLEIN,
    "flux-2-klein-9b": _KLEIN,
    "flux-2-klein-9b-preview": _KLEIN,
    "flux-kontext-pro": _KONTEXT,
    "flux-kontext-max": _KONTEXT,
    "flux-pro-1.1": _Model(_SQUARE, _UP, ("image_prompt",)),
    "flux-dev": _Model(
        _SQUARE | {"steps": _Range(1, 50), "guidance": _Range(1.5, 5, is_whole=False)},
        _UP,
        ("image_prompt",),
    ),
    "flux-pro-1.1-ultra": _ULTRA,
    "flux-pro-1.1-ultra-finetuned": _Model(
        _PROMPTED | _STRENGTH,
        _UP,
        ("image_prompt",),
        frozenset({"finetune_id"}),
        more=_RATIO | _TUNED,
    ),
    "flux-pro-1.0-fill": _FILL,
    "flux-pro-1.0-fill-finetuned": replace(
        _FILL,
        numbers=_FINE | _STRENGTH,
        required=frozenset({"finetune_id", "image"}),
        more=_TUNED,
    ),
    "flux-pro-1.0-expand": _Model(_FINE | _EDGES, _UP, ("image",), _IMAGE, Operation.OUTPAINT),
}


class BFLProtocol(Protocol):
    """The endpoints under /bfl/v1."""

    name: ClassVar[str] = "bfl"
    base_path: ClassVar[str] = "/bfl"

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._jobs = Jobs(state, webhook=lambda _: {})

    def reset(self) -> None:
        self._jobs.reset()

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if not call.path.startswith(_PREFIX):
            return None
        try:
            if (call.method, call.path) == ("GET", _RESULT):
                # Whoever knows a task's id may ask, also without a key.
                return self._show(call)
            self._require_key(call)
            return await self._post(call, call.path.removeprefix(_PREFIX))
        except Refused as refused:
            return _error_answer(refused)

    def _require_key(self, call: asgi.Call) -> None:
        if call.headers.get("x-key", "") not in self.state.keys:
            raise Refused(403, "", "Not authenticated")

    async def _post(self, call: asgi.Call, name: str) -> asgi.Answer:
        if (call.method, name) == ("GET", "credits"):
            return asgi.reply({"credits": 1000.0})
        model = MODELS.get(name)
        if call.method != "POST" or model is None:
            raise Refused(404, "", "Not Found")
        fault = self.state.script.next("jobs")
        broken = broken_off(fault, state=self.state)
        if broken is not None:
            return broken
        request = _request(call, name, model)
        self.state.received.add(request, polarity="white")
        is_blocked = fault is not None and fault.kind == "moderation_block"
        refuse_as_planned(None if is_blocked else fault)
        job = self._jobs.start(uuid.uuid4().hex, request, call=call, fault=fault)
        if is_blocked:
            self.state.bill.credit(job.id)
            job.failure = "refused"
        url = f"{call.origin}{_RESULT}?id={job.id}"
        document = {"id": job.id, "polling_url": url, "cost": _CREDITS, "output_mp": 1.05}
        return await answer_to_job(asgi.reply(document), fault=fault)

    def _show(self, call: asgi.Call) -> asgi.Answer:
        fault = self._jobs.refuse_query("poll")
        broken = broken_off(fault, state=self.state) or strange_answer(fault)
        if broken is not None:
            return broken
        job_id = call.query.get("id", "")
        job = self._jobs.get(job_id)
        if job is None:
            return asgi.reply({"id": job_id, "status": "Task not found"}, status=404)
        document: dict[str, Any] = {
            "id": job.id,
            "status": self._word(job),
            "progress": 0.5 if job.is_under_way else 1.0,
            "result": None,
            "details": None,
        }
        if job.status == "failed" and job.failure in {"blocked", "refused"}:
            document["details"] = {"Moderation Reasons": ["Violence"]}
        if job.status == "succeeded":
            sample = self.state.file_url(job.file_name(0), origin=job.origin)
            document["result"] = {"sample": sample, "seed": job.images[0].seed, "duration": 4.1}
        # A task that failed is told with the status of an error.
        is_bad = document["status"] in {"Error", "Failed"}
        return asgi.reply(document, status=422 if is_bad else 200)

    def _word(self, job: Job) -> str:
        if job.is_under_way:
            return self.state.script.status_word or "Pending"
        if job.status == "failed":
            words = {"refused": "Request Moderated", "blocked": "Content Moderated"}
            return words.get(job.failure, "Error")
        return "Ready"


def _request(call: asgi.Call, name: str, model: _Model) -> GenerationRequest:
    try:
        document = call.json()
    except ValueError:
        raise _invalid("body", "json_invalid") from None
    known = {"prompt", *model.numbers, *model.switches, *model.images, *model.more}
    for key, value in document.items():
        if key not in known:
            raise _invalid(key, "extra_forbidden")
        if key in model.numbers and not model.numbers[key].accepts(value):
            raise _invalid(key, "value_error")
        if key in model.switches and not isinstance(value, bool):
            raise _invalid(key, "bool_type")
    for key in model.required | ({"prompt"} if model.operation is Operation.EDIT else set()):
        if not document.get(key):
            raise _invalid(key, "missing")
    seed, kind = document.get("seed"), str(document.get("output_format", "jpeg"))
    if seed is not None and type(seed) is not int:
        raise _invalid("seed", "int_type")
    if kind not in _FORMATS:
        raise _invalid("output_format", "enum")
    inputs = _images(document, model)
    return GenerationRequest(
        operation=model.operation if inputs else Operation.GENERATE,
        model=name,
        prompt=str(document.get("prompt", "")),
        size=_size(document, inputs),
        seed=seed,
        output_format=kind,
        inputs=inputs,
    )


def _images(document: Mapping[str, Any], model: _Model) -> tuple[ImageInput, ...]:
    given = [(name, document[name]) for name in model.images if document.get(name)]
    listed = document.get("images", [])
    if not isinstance(listed, list) or len(listed) > _MAX_LISTED:
        raise _invalid("images", "too_long")
    inputs = []
    for name, text in [*given, *(("images", text) for text in listed)]:
        try:
            data = base64.b64decode(text, validate=True)
            role = InputRole.MASK if name == "mask" else InputRole.IMAGE
            inputs.append(generation.image_input(data, media_type="image/png", role=role))
        except (binascii.Error, ValueError, TypeError):
            raise _invalid(name, "value_error") from None
    sizes = {(one.width, one.height) for one in inputs}
    if "mask" in model.images and len(sizes) > 1:
        raise _invalid("mask", "value_error")
    return tuple(inputs)


def _size(document: Mapping[str, Any], inputs: tuple[ImageInput, ...]) -> Size:
    if "aspect_ratio" in document or "resolution" in document:
        try:
            shape = ratio_value(str(document.get("aspect_ratio", "16:9")))
            side = _SIDES[str(document.get("resolution", "1k"))]
        except (ValueError, LookupError):
            raise _invalid("aspect_ratio", "value_error") from None
        if not 1 / _MAX_SIDE_RATIO <= shape <= _MAX_SIDE_RATIO:
            raise _invalid("aspect_ratio", "value_error")
        return Size(round(side * shape**0.5 / 16) * 16, round(side / shape**0.5 / 16) * 16)
    first = inputs[0] if inputs else None
    wide, high = (first.width, first.height) if first else (1024, 768)
    wide = document.get("width", wide) + document.get("left", 0) + document.get("right", 0)
    high = document.get("height", high) + document.get("top", 0) + document.get("bottom", 0)
    return Size(wide, high)


def _invalid(name: str, kind: str) -> Refused:
    return Refused(422, kind, "Input is not valid", param=name)


def _error_answer(refused: Refused) -> asgi.Answer:
    """Return an error as this API writes it."""
    if refused.param:
        place = ["body", refused.param]
        document: Any = [{"loc": place, "msg": str(refused), "type": refused.code}]
        return asgi.reply({"detail": document}, status=refused.status)
    status = 402 if refused.reason == "quota" else refused.status
    return replace(asgi.reply({"detail": str(refused)}, status=status), headers=refused.headers)
