"""Speak to servers that copy OpenAI's Images API, each with what it adds, renames and leaves aside.

A profile says which server it is: LiteLLM, LocalAI, SGLang, stable-diffusion.cpp or vLLM-Omni. What a
server would ignore without a word is refused before a call. None of them can be asked about a lost call.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import NotFound, PermissionDenied, UnsupportedParameter
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import Cost, InputRole, Operation
from imagegen_app.providers.families import (
    openai_like,
    openai_models,
    prompt_syntax,
    server_models,
    statuses,
)
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_openai import RemoteOpenAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.model_descriptions import ModelDescription
    from imagegen_app.core.multipart import Form
    from imagegen_app.core.types import (
        GenerationRequest,
        ProviderResult,
        RecoveryMethod,
        Submission,
    )
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

_IDS = ("x-litellm-call-id", "x-request-id")
_COST, _FALLBACKS = "x-litellm-response-cost", "x-litellm-attempted-fallbacks"
#: The model behind the proxy that answered.
_MODEL = "x-litellm-model-name"
_LOADED_SECONDS = 60.0
_STEPS = Parameter("int", 1, 200)
_SCALE = Parameter("float", 0, 20)
#: The class of an exception, with which LiteLLM begins what it says.
_CLASS = re.compile(r"(?:litellm\.)?(?:\w+: )?(?:litellm\.)?(\w+Error)\b")
#: What LiteLLM's exceptions mean, where its status says less.
_MEANINGS = {
    "ContentPolicyViolationError": "content_policy_violation",
    "BudgetExceededError": "budget_exceeded",
}
#: What the provider behind LiteLLM said: its own codes are left out, and the words that begin its text
#: are all that is left of them. Google's "exceeded your current quota" may mean a minute, not a day.
_BEHIND = re.compile(r"(?:[\w.]+: ){0,3}(\w+)Exception - (.{0,600})", re.DOTALL)
_REJECTED = re.compile(
    r"your (?:request was rejected|task failed) (?:by|as a result of) (?:our|the) safety system",
    re.IGNORECASE,
)
_USED_UP = re.compile(r"insufficient_quota|billing[_ ]hard[_ ]limit|credit_balance|PerDay")
#: Of OpenAI itself, or of another proxy that speaks as OpenAI does.
_CAPS = ("Billing hard limit", "Budget has been exceeded!")
#: The proxy's own budgets, of a key, a user, a team or a deployment.
_OVER_BUDGET = re.compile(
    r"Budget has been exceeded!|(?:Authentication Error, )?ExceededBudget:"
    r"|No deployments available - crossed budget"
)
_NO_QUOTA = "You exceeded your current quota"


@dataclass(frozen=True, slots=True)
class _Server:
    """What one server takes of a call, beside model, prompt, number and size."""

    #: Our parameters, with the server's names.
    parameters: Mapping[str, tuple[str, Parameter]] = field(default_factory=dict)
    max_inputs: int = 16
    max_side: int = 4096
    formats: tuple[str, ...] = ("png",)
    #: The name of a mask's part; empty where the server has none, or ignores it.
    mask: str = ""
    #: The models that read a mask; empty for all.
    mask_models: str = ""
    has_seed: bool = False
    has_negative_prompt: bool = False
    #: Whether it answers in base64 only where it is asked to.
    names_response: bool = True


_SERVERS: Mapping[str, _Server] = {
    # One image as base64 beside the prompt; a second one, and a mask, would be ignored.
    "localai": _Server({"steps": ("step", _STEPS)}, 1, 2048, has_negative_prompt=True),
    "sglang": _Server(
        {"steps": ("num_inference_steps", _STEPS), "guidance": ("guidance_scale", _SCALE)},
        has_seed=True,
        has_negative_prompt=True,
    ),
    "stable_diffusion_cpp": _Server(formats=("png", "jpeg"), mask="mask", names_response=False),
    "vllm_omni": _Server(
        {
            "steps": ("num_inference_steps", _STEPS),
            "guidance": ("guidance_scale", _SCALE),
            "true_guidance": ("true_cfg_scale", _SCALE),
        },
        formats=openai_like.RASTER_FORMATS,
        mask="mask_image",
        mask_models="klein",
        has_seed=True,
        has_negative_prompt=True,
    ),
}
_LITELLM = "litellm"


class OpenAICompatible(RemoteOpenAI):
    """An account at a server, most often of the site's own."""

    name: ClassVar[str] = "openai_compatible"
    label: ClassVar[str] = "LiteLLM, LocalAI, SGLang, stable-diffusion.cpp or vLLM-Omni"
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    example_models: ClassVar[tuple[str, ...]] = ("gpt-image-2",)
    request_id_header: ClassVar[str] = _IDS[0]
    further_id_headers: ClassVar[tuple[str, ...]] = _IDS[1:]
    kept_headers: ClassVar[frozenset[str]] = frozenset({*_IDS, _COST, _FALLBACKS, _MODEL})
    options: ClassVar[Mapping[str, Parameter]] = {
        "profile": Parameter(
            "choice",
            choices=(_LITELLM, *_SERVERS),
            default=_LITELLM,
            help=gettext_noop("Which server it is."),
        ),
        "result_hosts": RESULT_HOSTS,
    }

    @property
    def _server(self) -> _Server | None:
        """What the server takes; None for LiteLLM, which takes what OpenAI takes."""
        return _SERVERS.get(self.option("profile"))

    def capabilities(self, model: str) -> Capabilities:
        server = self._server
        named = openai_models.named_in(model)
        if server is None and named:
            return openai_models.capabilities(named)
        # Behind LiteLLM may be anything: what a mask means there is not known.
        server = server or _Server(formats=openai_like.RASTER_FORMATS)
        has_mask = bool(server.mask) and server.mask_models in model.lower()
        more = {Operation.INPAINT} if has_mask else set()
        picture = InputRule(formats=("png", "jpeg"))
        return Capabilities(
            operations=frozenset({Operation.GENERATE, Operation.EDIT} | more),
            sizes=SizeRule(step=8, max_side=server.max_side),
            max_count=10,
            max_prompt_chars=10_000,
            output_formats=server.formats,
            max_inputs=server.max_inputs,
            inputs=dict.fromkeys((InputRole.IMAGE, InputRole.REFERENCE, InputRole.MASK), picture),
            supports_mask=has_mask,
            supports_seed=server.has_seed,
            supports_negative_prompt=server.has_negative_prompt,
            parameters={name: one for name, (_, one) in server.parameters.items()},
        )

    def prepared(self, request: GenerationRequest) -> GenerationRequest:
        if request.seed is not None or self._server is None or not self._server.has_seed:
            return request
        # The server would choose one, and not tell it.
        seed = int.from_bytes(hashlib.sha256(request.idempotency_key.encode()).digest()[:4])
        return replace(request, seed=seed)

    async def submit(self, request: GenerationRequest, **more: Any) -> Submission:
        if self.option("profile") == "stable_diffusion_cpp":
            self.check(request)
            await self._require_loaded(request.model)
        return await super().submit(request, **more)

    async def _require_loaded(self, model: str) -> None:
        """Refuse another model than the server's, which would draw it under the asked one's name."""
        try:
            listed = await self.kept_query(self._loaded_list, seconds=_LOADED_SECONDS)
        except NotFound:
            # An older server has no such list.
            return
        entries = server_models.listed(listed, at="")
        names = server_models.names_in(entries, "model_name", "filename")
        if names and model not in names:
            raise UnsupportedParameter(detail="model: the server has another one loaded")

    @property
    def _loaded_list(self) -> str:
        """Where stable-diffusion.cpp says what it has loaded; its other list always has one name."""
        return f"{self.base.removesuffix('/v1')}/sdapi/v1/sd-models"

    def note_of(self, request: GenerationRequest, reply: Reply, *, aim: str) -> dict[str, Any]:
        note = super().note_of(request, reply, aim=aim)
        note |= {"seed": request.seed, "is_edit": aim == "edits", "model": request.model}
        texts = (request.prompt, request.negative_prompt)
        is_cleaned = prompt_syntax.has_commands(*texts)
        if self.option("profile") == "localai":
            is_cleaned = is_cleaned or any("|" in text for text in texts)
        # What LiteLLM hands on stays as it was typed.
        return note | {"cleaned": is_cleaned and self._server is not None}

    def form_of(self, request: GenerationRequest) -> Form:
        server = self._server
        if server is None:
            fields = self.fields_of(request)
            if "safety_identifier" in fields:
                # The name that every server behind it is told by.
                fields["user"] = fields.pop("safety_identifier")
            return openai_like.body_of(request, fields)
        prompt = prompt_syntax.without_commands(request.prompt)
        negative = prompt_syntax.without_commands(request.negative_prompt)
        fields = {"model": request.model, "n": request.count, "size": str(request.size)}
        if self.option("profile") == "localai":
            # There, what stands behind a bar is the negative prompt.
            prompt, negative = prompt.replace("|", " "), negative.replace("|", " ")
            prompt, negative = f"{prompt}|{negative}" if negative else prompt, ""
        optional = {
            "negative_prompt": negative or None,
            "seed": request.seed,
            "output_format": request.output_format if len(server.formats) > 1 else None,
            "response_format": "b64_json" if server.names_response else None,
        }
        fields |= {"prompt": prompt} | {k: v for k, v in optional.items() if v is not None}
        for name, value in request.parameters.items():
            fields[server.parameters[name][0]] = value
        if self.option("profile") == "localai" and request.inputs:
            # As JSON, and base64 alone: what it cannot read, such as a data URL, it ignores.
            lone = replace(request, operation=Operation.GENERATE, inputs=())
            return openai_like.body_of(lone, {**fields, "file": request.inputs[0].base64_text})
        return openai_like.body_of(request, fields, mask_name=server.mask, mask_style="white")

    async def describe_model(self, model: str) -> ModelDescription:
        """Return what the server says of a model: whether it has it, and what it can do there."""
        profile = self.option("profile")
        if profile == "stable_diffusion_cpp":
            _, document = await self.query(self._loaded_list)
            entries = server_models.listed(document, at="")
            return server_models.among(model, server_models.names_in(entries, "model_name"))
        with suppress(NotFound, PermissionDenied):
            if profile == _LITELLM:
                _, document = await self.query("/model/info")
                source, now = self.address("/model/info"), self.account.clock()
                return server_models.of_litellm(document, model, source=source, now=now)
            if profile == "localai":
                _, document = await self.query("/models/capabilities")
                return server_models.of_localai(document, model)
        # What each of them has, and older ones and lesser keys, too.
        _, document = await self.query("/models")
        if profile == "sglang":
            known = self.capabilities(model)
            return server_models.of_sglang(document, model, known=known)
        names = server_models.names_in(server_models.listed(document), "id")
        return server_models.among(model, names)

    def error_of(self, reply: Reply) -> ProviderError:
        return statuses.classify(reply, error_of=_error_in)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = openai_like.read_images(answer, error_of=_error_in)
        note = answer.metadata()
        headers, seed = note.get("headers"), note.get("seed")
        headers = headers if isinstance(headers, dict) else {}
        images = result.images
        if isinstance(seed, int) and len(images) == 1:
            images = (replace(images[0], seed=seed),)
        resolved = dict(result.resolved)
        if headers.get(_FALLBACKS, "0") != "0":
            # Another model than the one that was asked.
            resolved["fallbacks"] = str(headers[_FALLBACKS])
        resolved = prompt_syntax.noted(resolved, note=note)
        model = result.model_version or statuses.short_word(headers, _MODEL)
        # Its prices of Stability's edits are a tenth of the truth.
        is_wrong = note.get("is_edit") and "stability" in str(note.get("model", ""))
        cost = None if is_wrong else _cost(headers.get(_COST))
        return replace(
            result, images=images, model_version=model, resolved=resolved, reported_cost=cost
        )


def _error_in(document: object) -> dict[str, Any]:
    """Return the error of a document, with what the class of LiteLLM's exception means as its code."""
    error = statuses.error_in(document)
    said = error.get("message")
    if not isinstance(said, str):
        return error
    named = _CLASS.match(said[:200])
    meaning = (_MEANINGS.get(named[1], "") if named else "") or _meaning_behind(said)
    if not meaning and _OVER_BUDGET.match(said):
        meaning = "budget_exceeded"
    return {**error, "code": meaning} if meaning else error


def _meaning_behind(said: str) -> str:
    """Return what a text means that LiteLLM hands on from a provider; empty where it is nothing special."""
    found = _BEHIND.match(said[:1000])
    if found is None:
        return ""
    provider, text = found.groups()
    if _REJECTED.match(text):
        return "content_policy_violation"
    is_limit = "RateLimitError" in said[: found.start(1)]
    is_ours = provider.lower().startswith(("openai", "azure")) and text.startswith(_NO_QUOTA)
    is_used_up = is_limit and (is_ours or _USED_UP.search(text))
    is_capped = provider == "OpenAI" and text.startswith(_CAPS)
    return "insufficient_quota" if is_used_up or is_capped else ""


def _cost(text: object) -> Cost | None:
    """Return what LiteLLM says that a call cost; a model without a price has none, which is not zero."""
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        return None
    return Cost(amount) if amount.is_finite() and amount >= 0 else None
