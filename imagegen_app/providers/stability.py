"""Speak to Stability's v2beta API: forms in, one image out; two calls become jobs.

A model is a service: `core`, `ultra` and `sd3.5-...` generate, `edit` and `control` alter an image, and
`fast`, `conservative` and `creative` enlarge one. 2026-11: no key, no look-up; a filtered image is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core import multipart
from imagegen_app.core.capabilities import ANY_SIZE, Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import ContentBlocked, UnsupportedParameter
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, ProviderImage, ProviderResult
from imagegen_app.providers.families import (
    base64_json,
    masks,
    results,
    stable_image,
    statuses,
)
from imagegen_app.providers.families.submit_poll import JobDocument, JobShape, failure
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import Call, ControlGuide, GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

_BOTH = (Operation.GENERATE, Operation.EDIT)
#: The path of each operation and the parameters, by the beginning of the model's name.
_SERVICES: dict[str, tuple[dict[Operation, str], str]] = {
    "core": ({Operation.GENERATE: "generate/core"}, "style_preset"),
    "ultra": (dict.fromkeys(_BOTH, "generate/ultra"), "style_preset strength"),
    "sd3.5-": (dict.fromkeys(_BOTH, "generate/sd3"), "style_preset strength cfg_scale"),
    "edit": (
        {
            Operation.INPAINT: "edit/inpaint",
            Operation.ERASE: "edit/erase",
            Operation.OUTPAINT: "edit/outpaint",
            Operation.REPLACE: "edit/search-and-replace",
            Operation.RECOLOUR: "edit/search-and-recolor",
            Operation.REMOVE_BACKGROUND: "edit/remove-background",
            Operation.RELIGHT: "edit/replace-background-and-relight",
        },
        "style_preset grow_mask creativity anchor search_prompt select_prompt light_source_direction",
    ),
    "control": ({Operation.CONTROL: "control/structure"}, "style_preset"),
    "fast": ({Operation.UPSCALE: "upscale/fast"}, ""),
    "conservative": ({Operation.UPSCALE: "upscale/conservative"}, "creativity"),
    "creative": ({Operation.UPSCALE: "upscale/creative"}, "creativity style_preset"),
}
_ROLES = (InputRole.IMAGE, InputRole.MASK)
_PROMPTS = {Operation.RELIGHT: "background_prompt"}
_JOBS = frozenset({"edit/replace-background-and-relight", "upscale/creative"})
_BLOCKS = frozenset({"content_moderation"})
_NO_PROMPT = frozenset({"edit/erase", "edit/remove-background", "upscale/fast"})
_NO_NEGATIVE = _NO_PROMPT | {"edit/outpaint"}
_FILE = InputRule(max_bytes=4 * 1024 * 1024, max_pixels=9_437_184, max_count=1)
_PARAMETERS = {
    **stable_image.PARAMETERS,
    "cfg_scale": Parameter("float", 1, 10),
    "light_source_direction": Parameter(
        "choice",
        choices=("above", "below", "left", "right"),
        operations=frozenset({Operation.RELIGHT}),
    ),
}


class Stability(RemoteJobs):
    """An account at Stability."""

    name: ClassVar[str] = "stability"
    label: ClassVar[str] = "Stability"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://api.stability.ai"
    key_check_path: ClassVar[str] = "/v1/user/balance"
    shape: JobShape = JobShape(status="", content_codes=_BLOCKS)
    example_models: ClassVar[tuple[str, ...]] = ("edit", *_SERVICES)

    def capabilities(self, model: str) -> Capabilities:
        paths, parameters = _service(model)
        guides = (InputRole.CONTROL,) if Operation.CONTROL in paths else ()
        return Capabilities(
            operations=frozenset(paths),
            sizes=stable_image.RATIOS if Operation.GENERATE in paths else SizeRule(),
            operation_sizes={Operation.EDIT: SizeRule(), Operation.OUTPAINT: ANY_SIZE},
            max_prompt_chars=stable_image.MAX_PROMPT_CHARS,
            output_formats=("png", "jpeg") if model.startswith("sd3") else ("png", "jpeg", "webp"),
            max_inputs=0 if model.startswith("core") else 1,
            inputs=dict.fromkeys((*_ROLES, *guides), _FILE),
            supports_mask=Operation.INPAINT in paths,
            supports_seed=True,
            supports_negative_prompt=True,
            promptless=frozenset(one for one, path in paths.items() if path in _NO_PROMPT),
            control_kinds=("sketch", "structure", "style"),
            parameters={name: _PARAMETERS[name] for name in parameters.split()},
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        path = _service(request.model)[0][request.operation]
        stable_image.check_images(request, min_side=32 if path == "upscale/fast" else 64)
        guide = stable_image.guide_of(request)
        if guide is not None:
            path = f"control/{guide.kind or 'structure'}"
        if path in _NO_NEGATIVE and request.negative_prompt:
            raise UnsupportedParameter(detail="negative_prompt: not taken by this operation")
        form = await self.build(_form, request, path, guide)
        user = {"stability-client-user-id": request.end_user} if request.end_user else {}
        reply = await self.send(
            "POST",
            f"/v2beta/stable-image/{path}",
            body=form.body,
            content_type=form.content_type,
            headers={"Accept": "application/json", **user},
            answer=None if path in _JOBS else answer,
            billable=True,
        )
        return self.accepted(reply) if path in _JOBS else await self.kept(reply, answer=answer)

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        path = f"/v2beta/results/{quote(call.ref, safe='')}"
        reply, document = await self.query(path, headers={"Accept": "application/json"})
        if value_at(document, "errors") is not None:
            code = {"code": value_at(document, "name")}
            raise failure(
                JobDocument(call.ref, "failed", error=code, is_free=True), shape=self.shape
            )
        if value_at(document, "image") is None:
            return await self.follow(document, reply, answer=answer)
        await results.keep_document(answer, document, {"request_id": reply.request_id})
        return self.answered(reply, ref=call.ref)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read = base64_json.load(answer)
        if value_at(read.content, "finish_reason") == "CONTENT_FILTERED":
            raise ContentBlocked(stage="output", detail="CONTENT_FILTERED")
        data, seed = read.image(value_at(read.content, "image")), value_at(read.content, "seed")
        return ProviderResult((ProviderImage(data, seed=seed if type(seed) is int else None),))

    def error_of(self, reply: Reply) -> ProviderError:
        return statuses.classify(
            reply,
            content_codes=_BLOCKS,
            error_of=lambda document: {"code": value_at(document, "name")},
            usual_wait=60.0,
        )


def _service(model: str) -> tuple[dict[Operation, str], str]:
    known = (service for start, service in _SERVICES.items() if model.startswith(start))
    return next(known, _SERVICES["core"])


def _form(request: GenerationRequest, path: str, guide: ControlGuide | None) -> multipart.Form:
    inputs = masks.restyled(request.inputs, style="white")
    image = "subject_image" if request.operation is Operation.RELIGHT else "image"
    names = {InputRole.MASK: "mask"}
    files = [
        multipart.FormFile(names.get(one.role, image), one.role, one.media_type, one.data)
        for one in inputs
    ]
    fields = _fields(request, path, guide)
    return multipart.encode(fields=[(k, str(v)) for k, v in fields.items()], files=files)


def _fields(request: GenerationRequest, path: str, guide: ControlGuide | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"output_format": request.output_format, **request.parameters}
    optional = {
        "seed": stable_image.seed_of(request),
        "negative_prompt": request.negative_prompt or None,
    }
    fields |= {name: value for name, value in optional.items() if value is not None}
    if path not in _NO_PROMPT:
        fields[_PROMPTS.get(request.operation, "prompt")] = request.prompt
    if path == "generate/sd3":
        mode = "image-to-image" if request.inputs else "text-to-image"
        fields |= {"model": request.model, "mode": mode}
    if guide is not None:
        fields |= stable_image.strength_of(guide, kind=guide.kind)
    if request.operation is Operation.GENERATE:
        fields["aspect_ratio"] = stable_image.RATIOS.ratio_of(request.size)
    elif request.operation is Operation.EDIT:
        fields = {"strength": _PARAMETERS["strength"].default, **fields}
    elif request.operation is Operation.OUTPAINT:
        fields |= stable_image.growth(request, anchor=fields.pop("anchor", "center"))
    return fields
