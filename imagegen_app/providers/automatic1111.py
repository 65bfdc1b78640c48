"""Speak to AUTOMATIC1111's web UI and to Forge, started with `--api`: a site's own server, one call a time.

A model is a checkpoint. What it does not have, it drops without a word, so names are looked up first.
2026-11: no result to ask for, and an interrupt would hit anybody's call; progress is asked by our own id.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import (
    InvalidRequest,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import MAX_UNITS, InvalidJson, clean_count, load_json
from imagegen_app.core.types import InputRole, Operation, ProviderImage, ProviderResult, Usage
from imagegen_app.providers.families import (
    base64_json,
    masks,
    own_servers,
    prompt_syntax,
    results,
    server_models,
    statuses,
    task_progress,
)
from imagegen_app.providers.families.basic_auth import BasicAuth
from imagegen_app.providers.remote import Remote, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.data_handling import DataFact
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.core.types import GenerationRequest, ImageInput, RecoveryMethod, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import PreviewHook, ProgressHook
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Auth, Reply

_API = "/sdapi/v1"
_PATHS = {
    Operation.GENERATE: "txt2img",
    Operation.CONTROL: "txt2img",
    Operation.EDIT: "img2img",
    Operation.INPAINT: "img2img",
    Operation.UPSCALE: "extra-single-image",
    Operation.RESTORE_FACES: "extra-single-image",
}
#: By what comes behind drawing, of one image and by no prompt.
_TREATED = (Operation.UPSCALE, Operation.RESTORE_FACES)
_DRAWN = tuple(of for of in _PATHS if of not in _TREATED)
_CHANGED = (Operation.EDIT, Operation.INPAINT)
_FILLS = ("fill", "original", "latent_noise", "latent_nothing")
_UPSCALER = "R-ESRGAN 4x+"
#: The field that says how much of each face restorer's work is taken.
_RESTORERS = {"CodeFormer": "codeformer_visibility", "GFPGAN": "gfpgan_visibility"}
_RESTORER = "CodeFormer"
#: Our names of parameters, where the server has others.
_FIELDS = {"sampler": "sampler_name", "strength": "denoising_strength", "guidance": "cfg_scale"}


def _for(kind: Any, *of: Operation, **limits: Any) -> Parameter:
    return Parameter(kind, operations=frozenset(of), **limits)


_PARAMETERS = {
    "steps": _for("int", *_DRAWN, low=1, high=150, default=20),
    "guidance": _for("float", *_DRAWN, low=1, high=30, default=7),
    "sampler": _for("text", *_DRAWN, low=1, default="Euler a"),
    "scheduler": _for("text", *_DRAWN, low=1, default="Automatic"),
    "strength": _for("float", *_CHANGED, low=0, high=1, default=0.75),
    "mask_blur": _for("int", Operation.INPAINT, low=0, high=64, default=4),
    "inpainting_fill": _for("choice", Operation.INPAINT, choices=_FILLS, default="original"),
    "upscaler": _for("text", Operation.UPSCALE, low=1, default=_UPSCALER),
    "restorer": _for(
        "choice",
        Operation.RESTORE_FACES,
        choices=tuple(_RESTORERS),
        default=_RESTORER,
        help=gettext_noop("What restores the faces."),
    ),
    "visibility": _for(
        "float",
        Operation.RESTORE_FACES,
        low=0.01,
        high=1,
        default=1,
        help=gettext_noop("How much of the restored faces is blended into the image."),
    ),
    "fidelity": _for(
        "float",
        Operation.RESTORE_FACES,
        low=0,
        high=1,
        default=0,
        help=gettext_noop("How near CodeFormer stays to the faces; 0 changes them most."),
    ),
}
#: Forge only; the other one drops it without a word.
_FORGE = {"distilled_cfg_scale": _for("float", *_DRAWN, low=0, high=30, default=3.5)}
#: Exceptions at the server that another request would not have met.
_OURS = frozenset({"AssertionError", "HTTPException", "OutOfMemoryError", "ValueError"})
_FAILED = 500
#: What the server lists, by our name for a choice of it; models come first.
_LISTS = {
    "": "sd-models",
    "sampler": "samplers",
    "scheduler": "schedulers",
    "upscaler": "upscalers",
    "restorer": "face-restorers",
}
_LIST_SECONDS = 60.0


class Automatic1111(Remote):
    """A server of the site's own."""

    name: ClassVar[str] = "automatic1111"
    label: ClassVar[str] = "AUTOMATIC1111 or Forge"
    is_self_hosted: ClassVar[bool] = True
    data_handling: ClassVar[Mapping[str, DataFact]] = own_servers.data_handling(
        source="https://github.com/AUTOMATIC1111/stable-diffusion-webui", checked_on="2026-11-27"
    )
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    has_previews: ClassVar[bool] = True
    has_progress: ClassVar[bool] = True
    names_models: ClassVar[bool] = True
    example_models: ClassVar[tuple[str, ...]] = ("sd_xl_base_1.0",)
    options: ClassVar[Mapping[str, Parameter]] = {
        "user": Parameter(
            "text",
            default="",
            help=gettext_noop("The user whose password the credential is; empty if it has both."),
        ),
        "asks_progress": own_servers.ASKS_PROGRESS,
        "is_forge": Parameter("bool", default=False, help=gettext_noop("Whether it is Forge.")),
        "control_models": Parameter(
            "json",
            default={},
            help=gettext_noop("ControlNet's “model” and “module” for each kind of guide."),
        ),
    }

    def auth_with(self, credential: Credential) -> Auth:
        return BasicAuth(credential, user=self.option("user"))

    def capabilities(self, model: str) -> Capabilities:
        del model
        kinds = tuple(self._control_models)
        image = InputRule(max_count=1)
        roles = {InputRole.IMAGE: image, InputRole.REFERENCE: image, InputRole.MASK: image}
        return Capabilities(
            operations=frozenset(_PATHS) - (frozenset() if kinds else {Operation.CONTROL}),
            sizes=SizeRule(step=8, max_side=2048),
            operation_sizes={
                Operation.UPSCALE: SizeRule(max_side=8192),
                Operation.RESTORE_FACES: SizeRule(),
            },
            max_count=8,
            max_inputs=4 if kinds else 1,
            inputs=roles | ({InputRole.CONTROL: InputRule(max_count=3)} if kinds else {}),
            supports_mask=True,
            supports_seed=True,
            is_reproducible=True,
            supports_negative_prompt=True,
            promptless=frozenset(_TREATED),
            control_kinds=kinds,
            parameters=_PARAMETERS | (_FORGE if self.option("is_forge") else {}),
            max_loras=8,
            lora_weights=(-2.0, 2.0),
        )

    async def submit(
        self,
        request: GenerationRequest,
        *,
        answer: SpooledAnswer,
        on_progress: ProgressHook | None = None,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        self.check(request)
        _require_used(request)
        if request.operation in _DRAWN:
            await self._require("sd-models", "model", {request.model}, ("title", "model_name"))
            names = {lora.name for lora in request.loras}
            await self._require("loras", "loras", names, ("name", "alias"))
            await self._require_scheduler(request)
        elif request.operation is Operation.UPSCALE:
            names = {request.parameters.get("upscaler", _UPSCALER)}
            await self._require("upscalers", "upscaler", names, ("name",))
        else:
            names = {_restorer(request.parameters)}
            await self._require("face-restorers", "restorer", names, ("name",))
        document = await self.build(self._document, request)
        task = ""
        is_watched = on_progress is not None or on_preview is not None
        if is_watched and request.operation in _DRAWN and self.option("asks_progress"):
            task = document["force_task_id"] = task_progress.task_of(request.idempotency_key)
        body = await asyncio.to_thread(encoded, document)
        path = f"{_API}/{_PATHS[request.operation]}"
        options: dict[str, Any] = {"content_type": "application/json", "billable": True}
        watched = task_progress.watched(self, task, on_progress=on_progress, on_preview=on_preview)
        async with watched:
            reply = await self.send("POST", path, body=body, answer=answer, **options)
        is_cleaned = prompt_syntax.has_commands(request.prompt, request.negative_prompt)
        note = {"asked": request.count, "cleaned": is_cleaned}
        return await self.kept(reply, answer=answer, note=note)

    async def describe_model(self, model: str) -> ModelDescription:
        """Return whether the server has a checkpoint, and what else there is to choose from."""
        documents = [await self._listed(path) for path in _LISTS.values()]
        models, *others = [server_models.listed(one, at="") for one in documents]
        found = server_models.among(model, server_models.names_in(models, "model_name", "title"))
        # Schedulers have a name for people, too, and are taken by either.
        keys = ["label" if path == "schedulers" else "name" for path in _LISTS.values()][1:]
        names = [server_models.names_in(*one) for one in zip(others, keys, strict=True)]
        told: dict[str, Any] = dict(zip([name for name in _LISTS if name], names, strict=True))
        told["restorer"] = [name for name in told["restorer"] if name in _RESTORERS]
        known = server_models.with_choices(self.capabilities(model), told)
        if not told["restorer"]:
            known = replace(known, operations=known.operations - {Operation.RESTORE_FACES})
        return replace(found, capabilities=known)

    async def _listed(self, path: str) -> Any:
        """Return one of the server's lists; None if it has no such list."""
        try:
            return (await self.query(f"{_API}/{path}"))[1]
        except NotFound:
            return None

    async def _require(self, path: str, part: str, names: set[str], keys: tuple[str, ...]) -> None:
        """Refuse names that the server does not list.

        :raises UnsupportedParameter: if there is one.
        """
        listed = await self.kept_query(f"{_API}/{path}", seconds=_LIST_SECONDS) if names else []
        entries = listed if isinstance(listed, list) else []
        known = [value_at(entry, key) for entry in entries for key in keys]
        server_models.require_listed(part, names, known=known)

    async def _require_scheduler(self, request: GenerationRequest) -> None:
        """Refuse a scheduler that the server has not: it would take the model's own without a word."""
        names = {request.parameters["scheduler"]} if "scheduler" in request.parameters else set()
        try:
            await self._require("schedulers", "scheduler", names, ("name", "label"))
        except NotFound:
            # An older server has neither the list nor the field.
            server_models.require_listed("scheduler", names, known=())

    @property
    def _control_models(self) -> dict[str, Mapping[str, Any]]:
        given = self.option("control_models")
        given = given if isinstance(given, dict) else {}
        return {kind: one for kind, one in given.items() if isinstance(value_at(one, "model"), str)}

    def _document(self, request: GenerationRequest) -> dict[str, Any]:
        inputs = masks.restyled(request.inputs, style="white")
        if request.operation is Operation.RESTORE_FACES:
            return _restoring(inputs[0], request.parameters)
        if request.operation is Operation.UPSCALE:
            return {
                "image": inputs[0].base64_text,
                "resize_mode": 1,
                "upscaling_resize_w": request.size.width,
                "upscaling_resize_h": request.size.height,
                "upscaling_crop": True,
                "upscaler_1": request.parameters.get("upscaler", _UPSCALER),
            }
        tags = [f"<lora:{lora.name}:{lora.weight:g}>" for lora in request.loras]
        asked = dict(request.parameters)
        if request.operation is Operation.INPAINT:
            fill = asked.get("inpainting_fill", "original")
            asked |= {"inpainting_fill": _FILLS.index(fill), "inpainting_mask_invert": 0}
        document: dict[str, Any] = {
            "prompt": " ".join([*tags, prompt_syntax.without_commands(request.prompt)]),
            "negative_prompt": prompt_syntax.without_commands(request.negative_prompt),
            "seed": -1 if request.seed is None else request.seed,
            "width": request.size.width,
            "height": request.size.height,
            # One after the other: the memory of the server decides how many fit at once.
            "batch_size": 1,
            "n_iter": request.count,
            "override_settings": {"sd_model_checkpoint": request.model},
            "override_settings_restore_afterwards": True,
            "send_images": True,
            # With it, a contact sheet would come among the images.
            "save_images": False,
        }
        document |= {_FIELDS.get(name, name): value for name, value in asked.items()}
        units = [self._unit(one) for one in inputs if _is_guide(one, request)]
        if units:
            document["alwayson_scripts"] = {"controlnet": {"args": units}}
        for one in inputs:
            if one.role is InputRole.MASK:
                document["mask"] = one.base64_text
            elif not _is_guide(one, request):
                document["init_images"] = [one.base64_text]
        return document

    def _unit(self, image: ImageInput) -> dict[str, Any]:
        models, guide = self._control_models, image.guide
        chosen = models[guide.kind if guide and guide.kind else next(iter(models))]
        unit = {"enabled": True, "image": image.base64_text, "pixel_perfect": True}
        unit |= {"model": chosen["model"], "module": str(chosen.get("module", "none"))}
        if guide is not None:
            times = {"guidance_start": guide.start, "guidance_end": guide.end}
            unit |= {"weight": guide.weight, **times}
        return unit

    def error_of(self, reply: Reply) -> ProviderError:
        try:
            document = load_json(reply.body)
        except InvalidJson:
            document = None
        name = statuses.short_word(document, "error") if isinstance(document, dict) else ""
        found = statuses.classify(reply, error_of=lambda _: {"type": name})
        if not name or reply.status != _FAILED:
            return found
        # The server tells how the call ended, so that nothing is unknown.
        kind = InvalidRequest if name in _OURS else ProviderUnavailable
        return statuses.instead(found, kind)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read, note = base64_json.load(answer), answer.metadata()
        one, several = value_at(read.content, "image"), value_at(read.content, "images")
        items = several if isinstance(several, list) else [one]
        try:
            info = load_json(str(value_at(read.content, "info") or "").encode())
        except InvalidJson:
            # Servers that copy this API leave it empty.
            info = {}
        seeds = value_at(info, "all_seeds")
        seeds = seeds if isinstance(seeds, list) else []
        asked = note.get("asked")
        # Behind the images come the maps that ControlNet made of its guides.
        most = len(seeds) or (asked if isinstance(asked, int) else len(items))
        images, unusable = results.read_each(
            items[:most],
            lambda item, n: ProviderImage(
                read.image(item),
                claimed_media_type="image/png",
                seed=seeds[n] if n < len(seeds) and type(seeds[n]) is int else None,
            ),
        )
        names = ("sd_model_name", "sd_model_hash", "sampler_name")
        model, digest, sampler = (str(value_at(info, name) or "") for name in names)
        # Of each image that it drew, usable or not.
        steps = clean_count(value_at(info, "steps"), most=MAX_UNITS) or 0
        resolved = prompt_syntax.noted({"sampler": sampler} if sampler else {}, note=note)
        return ProviderResult(
            images,
            usage=Usage(steps=steps * most),
            model_version=f"{model} [{digest}]" if digest else model,
            resolved=resolved,
            unusable=unusable,
        )


def _restoring(image: ImageInput, parameters: Mapping[str, Any]) -> dict[str, Any]:
    # Without a factor of one, some versions would make it larger, too.
    document = {"image": image.base64_text, "upscaler_1": "None", "upscaling_resize": 1}
    if "fidelity" in parameters:
        document["codeformer_weight"] = parameters["fidelity"]
    return {**document, _RESTORERS[_restorer(parameters)]: parameters.get("visibility", 1)}


def _restorer(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("restorer", _RESTORER))


def _is_guide(image: ImageInput, request: GenerationRequest) -> bool:
    is_picture = request.operation is Operation.CONTROL and image.role is not InputRole.MASK
    return is_picture or image.role is InputRole.CONTROL


def _require_used(request: GenerationRequest) -> None:
    """Refuse what the server would leave aside without a word.

    :raises UnsupportedParameter: if there is something.
    """
    plain = [one for one in request.inputs if not _is_guide(one, request)]
    pictures = [one for one in plain if one.role is not InputRole.MASK]
    is_lost = len(pictures) != 1 if request.operation in _CHANGED else bool(plain)
    if request.operation in _TREATED:
        more = request.loras or request.negative_prompt or request.seed is not None
        is_lost = bool(more) or max(request.count, len(request.inputs)) > 1
    if "fidelity" in request.parameters and _restorer(request.parameters) != _RESTORER:
        raise UnsupportedParameter(detail=f"fidelity: for {_RESTORER} only")
    if is_lost:
        raise UnsupportedParameter(detail=f"inputs: too many for {request.operation.value}")
