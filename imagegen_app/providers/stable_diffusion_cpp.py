"""Speak stable-diffusion.cpp's own API: jobs in one queue, with their place, and cancelled while they wait.

The server holds one model. Fields that it does not know, and samplers, are ignored there without a word:
the names are looked up before a call. 2026-11: no key of ours, no list of jobs, and its memory ends with
the process and some minutes after a job, so that a lost call stays unknown and a lost job runs again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import (
    NotFound,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_message import sentence_in
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.families import masks, own_servers, server_models, statuses
from imagegen_app.providers.families.submit_poll import JobShape
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.data_handling import DataFact
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.core.types import Call, GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome
    from imagegen_app.providers.http import Reply

_SERVER_PATH, _SERVER_SECONDS = "/sdcpp/v1/capabilities", 60.0
_STRENGTH = Parameter(
    "float",
    low=0.0,
    high=1.0,
    default=0.75,
    help=gettext_noop("How much of the image is changed."),
)
#: Where a call has each of our parameters.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "clip_skip": ("clip_skip",),
    "distilled_guidance": ("sample_params", "guidance", "distilled_guidance"),
    "guidance": ("sample_params", "guidance", "txt_cfg"),
    "sampler": ("sample_params", "sample_method"),
    "scheduler": ("sample_params", "scheduler"),
    "steps": ("sample_params", "sample_steps"),
    "strength": ("strength",),
}
_PARAMETERS = {
    "steps": Parameter("int", low=1, high=200),
    "guidance": Parameter("float", low=0, high=30),
    "distilled_guidance": Parameter("float", low=0, high=30),
    "sampler": Parameter("text", low=1),
    "scheduler": Parameter("text", low=1),
    "clip_skip": Parameter("int", low=1, high=12),
}
_BY_REFERENCE = "reference"
_GENERATING, _FAILED = 409, 500
_GONE = frozenset({404, 410})
#: What the server says of a job that it has forgotten; a proxy says something else.
_FORGOTTEN = frozenset({"job expired", "job not found"})


class StableDiffusionCpp(RemoteJobs):
    """A server of the site's own."""

    name: ClassVar[str] = "stable_diffusion_cpp"
    label: ClassVar[str] = "stable-diffusion.cpp"
    is_self_hosted: ClassVar[bool] = True
    example_models: ClassVar[tuple[str, ...]] = ("sd_xl_base_1.0",)
    job_path: str = "/sdcpp/v1/jobs/{ref}"
    cancel_path: str = "/sdcpp/v1/jobs/{ref}/cancel"
    shape: JobShape = JobShape(
        output="result.images",
        terminal={"completed": "succeeded", "failed": "failed", "cancelled": "cancelled"},
        cancelled_billed="no",
    )
    data_handling: ClassVar[Mapping[str, DataFact]] = own_servers.data_handling(
        source="https://github.com/leejet/stable-diffusion.cpp", checked_on="2026-11-27"
    )
    options: ClassVar[Mapping[str, Parameter]] = {
        "images": Parameter(
            "choice",
            choices=("start", _BY_REFERENCE),
            default="start",
            help=gettext_noop("Whether its model starts from an image or looks at several."),
        ),
    }

    def capabilities(self, model: str) -> Capabilities:
        del model
        changed = {Operation.INPAINT} if self._by_reference else {Operation.EDIT, Operation.INPAINT}
        rule = InputRule(formats=("png", "jpeg"))
        roles = {InputRole.IMAGE: rule, InputRole.MASK: rule}
        return Capabilities(
            operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT}),
            sizes=SizeRule(step=8, min_pixels=64 * 64, max_side=4096),
            max_count=8,
            max_prompt_chars=10_000,
            output_formats=("png", "jpeg"),
            # A model that starts from an image would ignore all others.
            max_inputs=8 if self._by_reference else 1,
            inputs=roles | ({InputRole.REFERENCE: rule} if self._by_reference else {}),
            supports_mask=True,
            supports_seed=True,
            supports_negative_prompt=True,
            parameters={
                **_PARAMETERS,
                "strength": replace(_STRENGTH, operations=frozenset(changed)),
            },
            max_loras=8,
            lora_weights=(-2.0, 2.0),
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        del answer  # The result comes later, by `poll`.
        server = await self.kept_query(_SERVER_PATH, seconds=_SERVER_SECONDS)
        _require_known(request, server)
        if request.seed is None:
            # The server would choose one, and not tell it.
            seed = int.from_bytes(hashlib.sha256(request.idempotency_key.encode()).digest()[:4])
            request = replace(request, seed=seed)
        document = await self.build(self._document, request, server)
        reply = await self.send("POST", "/sdcpp/v1/img_gen", document=document, billable=True)
        loaded = value_at(server, "model.name")
        return self.accepted(reply, state={"seed": request.seed, "model": loaded})

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        try:
            return await super().poll(call, answer=answer)
        except NotFound as error:
            # Our own state tells that the server had accepted it.
            if error.detail not in _FORGOTTEN or not call.state:
                raise
            lost = ProviderUnavailable(detail=error.detail, status=error.status)
            lost.is_call_outcome = True
            raise lost from None

    async def follow(self, document: object, reply: Reply, **more: Any) -> Submission:
        """Follow a job; the server bills nothing, and what fails there may succeed later."""
        if isinstance(document, dict):
            document = {**document, "model_version": value_at(more.get("note"), "model")}
            if document.get("status") == "failed":
                document |= {"billed": False, "error": _failure(document)}
        return await super().follow(document, reply, **more)

    async def describe_model(self, model: str) -> ModelDescription:
        """Return whether the server has loaded a model, and what it can choose there."""
        _, document = await self.query(_SERVER_PATH)
        known = self.capabilities(model)
        return server_models.of_stable_diffusion_cpp(document, model, known=known, places=_PLACES)

    def cancel_outcome(self, reply: Reply) -> CancelOutcome:
        """Return what became of it: only jobs that wait are cancelled, and those cost nothing."""
        if reply.status == _GENERATING:
            return "not_offered"
        if reply.status in _GONE:
            return "too_late"
        return super().cancel_outcome(reply)

    def error_of(self, reply: Reply) -> ProviderError:
        error, said = statuses.classify(reply), _said(reply)
        if reply.status in _GONE and said in _FORGOTTEN:
            error.detail = said
        elif reply.status == _FAILED and said == "server_error":
            # It says so before a job is there.
            return statuses.instead(error, ProviderUnavailable)
        return error

    @property
    def _by_reference(self) -> bool:
        return bool(self.option("images") == _BY_REFERENCE)

    def _document(self, request: GenerationRequest, server: object) -> dict[str, Any]:
        paths = _lora_paths(server)
        document: dict[str, Any] = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "width": request.size.width,
            "height": request.size.height,
            "seed": request.seed,
            "batch_count": request.count,
            "output_format": request.output_format,
            # Else the file would hold the prompt.
            "embed_image_metadata": False,
            "lora": [{"path": paths[one.name], "multiplier": one.weight} for one in request.loras],
        }
        for name, value in request.parameters.items():
            *above, last = _PLACES[name]
            place = document
            for part in above:
                place = place.setdefault(part, {})
            place[last] = value
        given, mask = masks.split(request.inputs, style="white")
        images = [one.base64_text for one in given]
        if images and (mask is not None or not self._by_reference):
            document["init_image"] = images.pop(0)
        if mask is not None:
            document["mask_image"] = mask.base64_text
        if images:
            document["ref_images"] = images
        return document


def _require_known(request: GenerationRequest, server: object) -> None:
    """Refuse another model than the server's, and names that it would ignore.

    :raises UnsupportedParameter: if there is one.
    """
    names = {value_at(server, f"model.{name}") for name in ("name", "stem")}
    if any(names) and request.model not in names:
        raise UnsupportedParameter(detail="model: the server has another one loaded")
    for name in ("sampler", "scheduler"):
        chosen = [request.parameters[name]] if name in request.parameters else []
        server_models.require_listed(name, chosen, known=_listed(server, f"{name}s"))
    loras = [one.name for one in request.loras]
    server_models.require_listed("loras", loras, known=_lora_paths(server))


def _lora_paths(server: object) -> dict[str, str]:
    """Return where the server has its LoRA, by name and by the path itself."""
    listed = _listed(server, "loras")
    paths = [(value_at(one, "name"), value_at(one, "path")) for one in listed]
    known = {name: path for name, path in paths if isinstance(name, str) and isinstance(path, str)}
    return known | {path: path for path in known.values()}


def _listed(server: object, name: str) -> list[Any]:
    found = value_at(server, name)
    return found if isinstance(found, list) else []


def _failure(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the error of a job as one that may pass, in the server's words."""
    return {"code": "provider_unavailable", "message": sentence_in(document.get("error"))}


def _said(reply: Reply) -> str:
    """Return the text of an error, which stands where others have an object."""
    try:
        said = value_at(load_json(reply.body), "error")
    except InvalidJson:
        return ""
    return said if isinstance(said, str) else ""
