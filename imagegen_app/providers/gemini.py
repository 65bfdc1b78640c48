"""Speak to Gemini's `generateContent`: of Google's Developer API, and of Vertex AI.

Synchronous: one POST, one image; blocked content comes as a success without an image.
2026-11: neither heeds an idempotency key nor can be asked, so a lost answer stays unknown.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.providers.families import generate_content, openai_like, resolutions
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import GenerationRequest, ProviderResult, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_MORE_RATIOS = (*_RATIOS, "1:4", "4:1", "1:8", "8:1")
#: The names of sizes: about as many pixels as a square with this side.
_ONE, _UP_TO_4K = {"1K": 1024}, {"1K": 1024, "2K": 2048, "4K": 4096}
#: The first entry that a model's name begins with decides: proportions, sizes and input images. An
#: unknown model is taken for one of the newest line.
_MODELS: Mapping[str, tuple[tuple[str, ...], Mapping[str, int], int]] = {
    "gemini-2.5-flash-image": (_RATIOS, _ONE, 3),
    "gemini-3.1-flash-lite-image": (_RATIOS, _ONE, 14),
    "gemini-3-pro-image": (_RATIOS, _UP_TO_4K, 14),
    "nano-banana-pro": (_RATIOS, _UP_TO_4K, 14),
    "": (_MORE_RATIOS, {"512": 512, **_UP_TO_4K}, 14),
}
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_PARAMETERS: Mapping[str, Parameter] = {
    # To block nothing at all is no choice on a site that answers for what it shows.
    "safety_threshold": Parameter(
        "choice",
        choices=("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH"),
        help=gettext_noop("Content is blocked if harm is at least this likely."),
    ),
}
_VERTEX_PARAMETERS: Mapping[str, Parameter] = {
    **_PARAMETERS,
    "person_generation": Parameter(
        "choice",
        choices=("ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE"),
        help=gettext_noop("Which people an image may show."),
    ),
    "output_compression": Parameter(
        "int", low=0, high=100, help=gettext_noop("Quality of JPEG and WebP, in percent.")
    ),
}
#: 2026-11: larger files would have to be uploaded first.
_FILES = InputRule(formats=openai_like.RASTER_FORMATS, max_bytes=7 * 1024 * 1024)
_SEEDS = range(-(2**31), 2**31)


class Gemini(Remote):
    """An account at Google's Developer API."""

    name: ClassVar[str] = "gemini"
    label: ClassVar[str] = "Google Gemini (Developer API)"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com/v1"
    key_check_path: ClassVar[str] = "/models"
    data_handling: ClassVar[Mapping[str, DataFact]] = {
        # Of paid use; what is sent unpaid is used to improve Google's products.
        **facts(
            source="https://ai.google.dev/gemini-api/docs/logs-policy",
            checked_on="2026-11-27",
            training="opt_in",
        ),
        **facts(
            source="https://ai.google.dev/gemini-api/docs/imagen-prompt-guide",
            checked_on="2026-11-27",
            marks=["synthid"],
        ),
    }
    names_models: ClassVar[bool] = True
    example_models: ClassVar[tuple[str, ...]] = ("gemini-nano-banana-2.1",)

    def auth_with(self, credential: Credential) -> Auth:
        return Auth(credential, header="x-goog-api-key", scheme="")

    def capabilities(self, model: str) -> Capabilities:
        ratios, sides, most = _line(model)
        return Capabilities(
            operations=frozenset({Operation.GENERATE, Operation.EDIT}),
            sizes=resolutions.size_rule(ratios, sides),
            max_prompt_chars=32_000,
            # 2026-11: what comes is a JPEG, and no other format can be asked for.
            output_formats=("jpeg",),
            max_inputs=most,
            inputs=dict.fromkeys((InputRole.IMAGE, InputRole.REFERENCE), _FILES),
            supports_seed=True,
            parameters=_PARAMETERS,
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        path = f"{self.models_path()}/{quote(request.model, safe='')}:generateContent"
        document = await self.build(self.document, request)
        # The server then gives up before we do, and says so.
        seconds = max(1, int(min(self.http.limits.read, self.http.limits.total)) - 5)
        headers = {"X-Server-Timeout": str(seconds), **self.more_headers()}
        reply = await self.send(
            "POST", path, document=document, headers=headers, answer=answer, billable=True
        )
        sent = document["generationConfig"]["imageConfig"]
        submission = await self.kept(reply, answer=answer, note={"sent": sent})
        request_id = await asyncio.to_thread(generate_content.response_id, answer)
        return replace(submission, request_id=request_id)

    def models_path(self) -> str:
        """Return the path of the models below the base URL."""
        return "/models"

    def more_headers(self) -> Mapping[str, str]:
        """Return further headers of a call."""
        return {}

    def document(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the body of a call.

        :raises UnsupportedParameter: if a value cannot be sent.
        """
        # Else Google keeps prompts and images for weeks, in projects where logging is on.
        return {**_document(request), "store": False}

    def error_of(self, reply: Reply) -> ProviderError:
        return generate_content.error_of(reply)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        return generate_content.read_result(answer)


class Vertex(Gemini):
    """A project at Vertex AI; its credential is a source of access tokens, which live an hour."""

    name: ClassVar[str] = "gemini_vertex"
    label: ClassVar[str] = "Google Gemini (Vertex AI)"
    base_url: ClassVar[str] = "https://aiplatform.googleapis.com/v1"
    key_check_path: ClassVar[str] = ""
    #: 2026-11: of single regions, and of several together.
    hosts: ClassVar[tuple[str, ...]] = (
        "*-aiplatform.googleapis.com",
        "aiplatform.*.rep.googleapis.com",
    )
    data_handling: ClassVar[Mapping[str, DataFact]] = facts(
        source="https://docs.cloud.google.com/gemini-enterprise-agent-platform/resources/zero-data-retention",
        checked_on="2026-11-27",
        zero_retention="setting",
        training="opt_in",
    )
    options: ClassVar[Mapping[str, Parameter]] = {
        "project": Parameter("text", default="", help=gettext_noop("The project that is used.")),
        "location": Parameter(
            "text",
            default="global",
            help=gettext_noop("Where images are made; the base URL must belong to it."),
        ),
        "quota_project": Parameter(
            "text",
            default="",
            help=gettext_noop("The project that is billed, where it is another one."),
        ),
    }

    def auth_with(self, credential: Credential) -> Auth:
        return Auth(credential)

    def capabilities(self, model: str) -> Capabilities:
        return replace(
            super().capabilities(model),
            output_formats=openai_like.RASTER_FORMATS,
            parameters=_VERTEX_PARAMETERS,
        )

    def models_path(self) -> str:
        project, place = (quote(self.option(name), safe="") for name in ("project", "location"))
        if not project:
            raise UnsupportedParameter(detail="the account's option “project” is missing")
        return f"/projects/{project}/locations/{place}/publishers/google/models"

    def more_headers(self) -> Mapping[str, str]:
        project = self.option("quota_project")
        return {"x-goog-user-project": project} if project else {}

    def document(self, request: GenerationRequest) -> dict[str, Any]:
        document, given = _document(request), request.parameters
        output: dict[str, Any] = {"mimeType": f"image/{request.output_format}"}
        if "output_compression" in given:
            if request.output_format == "png":
                raise UnsupportedParameter(detail="output_compression: for jpeg and webp only")
            output["compressionQuality"] = given["output_compression"]
        chosen = document["generationConfig"]["imageConfig"]
        chosen["imageOutputOptions"] = output
        if "person_generation" in given:
            chosen["personGeneration"] = given["person_generation"]
        return document


def _line(model: str) -> tuple[tuple[str, ...], Mapping[str, int], int]:
    return next(line for start, line in _MODELS.items() if model.startswith(start))


def _document(request: GenerationRequest) -> dict[str, Any]:
    _, sides, _ = _line(request.model)
    chosen = {"aspectRatio": SizeRule(ratios=_MORE_RATIOS).ratio_of(request.size)}
    if len(sides) > 1:
        chosen["imageSize"] = resolutions.nearest(request.size, sides)
    config: dict[str, Any] = {"responseModalities": ["IMAGE"], "imageConfig": chosen}
    if request.seed is not None:
        if request.seed not in _SEEDS:
            raise UnsupportedParameter(detail="seed: at most 2147483647 is possible")
        config["seed"] = request.seed
    images = [
        {"inlineData": {"mimeType": image.media_type, "data": image.base64_text}}
        for image in request.inputs
    ]
    document: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": request.prompt}, *images]}],
        "generationConfig": config,
    }
    threshold = request.parameters.get("safety_threshold")
    if threshold:
        document["safetySettings"] = [
            {"category": f"HARM_CATEGORY_{harm}", "threshold": threshold} for harm in _HARMS
        ]
    return document
