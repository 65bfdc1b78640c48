"""Speak to OpenAI's Images API and to servers that copy it.

Synchronous: one POST, an answer of base64 ten seconds to minutes later, no job and no look-up.
2026-11: OpenAI sends and honours no idempotency key, so a lost answer stays unknown.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import (
    Capabilities,
    InputRole,
    InputRule,
    Operation,
    RecoveryMethod,
    Size,
    SizeRule,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers.families import masks, multipart, openai_like, results
from imagegen_app.providers.families.synchronous import Synchronous
from imagegen_app.providers.http import Auth
from imagegen_app.providers.parameters import check_request
from imagegen_app.providers.rate_headers import rate_limited_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import GenerationRequest, ProviderResult
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import HttpClient, Reply

BASE_URL = "https://api.openai.com/v1"

_MAX_COMPRESSION = 100
_OPERATIONS = frozenset(Operation) - {Operation.UPSCALE, Operation.CONTROL}
_LISTED = SizeRule(allowed=(Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)))
_FREE = SizeRule(step=16, min_pixels=655_360, max_pixels=3840 * 2160, max_side=3840, max_ratio=3.0)
_QUALITIES = ("auto", "low", "medium", "high")
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "moderation": ("auto", "low"),
    "output_compression": (),
    "anchor": ("center", "left", "right", "top", "bottom"),
}
#: Never go onto the wire: they steer what we do ourselves.
_OURS = frozenset({"anchor"})
#: 2026-11: the multipart form of edits has no `moderation`.
_JSON_ONLY = frozenset({"moderation"})
_MIB = 1024 * 1024
#: 2026-11, as documented: images of less than 50 MB, and a PNG of less than 4 MB as mask.
_INPUTS: Mapping[InputRole, InputRule] = {
    **dict.fromkeys(
        (InputRole.IMAGE, InputRole.REFERENCE),
        InputRule(formats=openai_like.RASTER_FORMATS, max_bytes=50 * _MIB - 1),
    ),
    InputRole.MASK: InputRule(formats=("png",), max_bytes=4 * _MIB - 1, max_count=1),
}
_VARY = "Make a variation of this image: same subject and style, another composition."
_CUT_OUT = "Remove the background. Keep the subject exactly as it is."


def _matrix(**changes: Any) -> Capabilities:
    values: dict[str, Any] = {
        "operations": _OPERATIONS,
        "sizes": _FREE,
        "max_count": 10,
        "max_prompt_chars": 32_000,
        "qualities": _QUALITIES,
        "output_formats": openai_like.RASTER_FORMATS,
        "backgrounds": ("auto", "opaque", "transparent"),
        "max_inputs": 16,
        "inputs": _INPUTS,
        "supports_mask": True,
        "parameters": _PARAMETERS,
    }
    return Capabilities(**values | changes)


_GPT_IMAGE_2 = _matrix()
#: The first pattern that matches a model's name decides; an unknown model is taken for the
#: `gpt-image-2` line, and the server has the last word.
_MODELS: tuple[tuple[re.Pattern[str], Capabilities], ...] = (
    (
        re.compile(r"gpt-image-2\.6"),
        _matrix(
            qualities=(*_QUALITIES, "xhigh", "max"),
            parameters={**_PARAMETERS, "complexity": ("low", "medium", "high")},
        ),
    ),
    (re.compile(r"gpt-image-2\.5"), _matrix(qualities=(*_QUALITIES, "xhigh", "max"))),
    (re.compile(r"gpt-image-2"), _GPT_IMAGE_2),
    (
        re.compile(r"gpt-image-1\.5"),
        _matrix(sizes=_LISTED, parameters={**_PARAMETERS, "input_fidelity": ("low", "high")}),
    ),
    (re.compile(r"gpt-image-1|chatgpt-image"), _matrix(sizes=_LISTED)),
)


class OpenAI(Synchronous):
    """An account at OpenAI, or at a server that copies its Images API."""

    name: ClassVar[str] = "openai"
    label: ClassVar[str] = "OpenAI, or a server that speaks like it"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = BASE_URL
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    example_models: ClassVar[tuple[str, ...]] = ("gpt-image-2.6-flare",)
    options: ClassVar[tuple[str, ...]] = ("capabilities",)

    def __init__(
        self,
        *,
        base_url: str,
        credential: Credential | None,
        http: HttpClient,
        options: Mapping[str, Any],
    ) -> None:
        self._base = base_url.rstrip("/")
        self._auth = Auth(credential) if credential else None
        self._http = http
        self._matrix: Mapping[str, Capabilities] = options.get("capabilities", {})
        self._result_hosts = frozenset(options.get("result_hosts", ()))
        self._headers = {
            header: str(options[option])
            for option, header in (
                ("organization", "OpenAI-Organization"),
                ("project", "OpenAI-Project"),
            )
            if options.get(option)
        }

    def capabilities(self, model: str) -> Capabilities:
        if model in self._matrix:
            return self._matrix[model]
        for pattern, capabilities in _MODELS:
            if pattern.match(model):
                return capabilities
        return _GPT_IMAGE_2

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        check_request(request, capabilities=self.capabilities(request.model))
        fields = _fields(request)
        if request.operation is Operation.GENERATE and not request.inputs:
            body = json.dumps(fields, ensure_ascii=False).encode()
            reply = await self._http.post_json(
                f"{self._base}/images/generations",
                body=body,
                headers=self._headers,
                auth=self._auth,
                answer=answer,
            )
        else:
            form = await asyncio.to_thread(_form, request, fields)
            reply = await self._http.post_form(
                f"{self._base}/images/edits",
                body=form.body,
                content_type=form.content_type,
                headers=self._headers,
                auth=self._auth,
                answer=answer,
            )
        if not reply.ok:
            raise openai_like.classify(reply)
        await self._spool(reply, request=request, answer=answer)
        return Submission(
            SubmissionStatus.ANSWERED,
            request_id=reply.request_id,
            rate_limited_for=rate_limited_for(reply.headers),
        )

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        return openai_like.read_images(answer)

    async def _spool(
        self, reply: Reply, *, request: GenerationRequest, answer: SpooledAnswer
    ) -> None:
        """Complete the spooled answer, and fetch the images that it has only URLs of."""
        note = {
            "asked": request.count,
            "output_format": request.output_format,
            "request_id": reply.request_id,
            "sha256": reply.sha256,
            "headers": dict(reply.headers),
        }
        # Complete first: the call cannot be repeated, whatever becomes of its URLs.
        await asyncio.to_thread(answer.finish, note)
        await self._fetch_urls(answer, note=note)

    async def fetch_again(self, ref: str, *, answer: SpooledAnswer) -> None:
        """Fetch the images of a kept answer that could not be fetched when it came."""
        del ref
        await self._fetch_urls(answer, note=answer.metadata())

    async def _fetch_urls(self, answer: SpooledAnswer, *, note: Mapping[str, Any]) -> None:
        items = await asyncio.to_thread(openai_like.items_with_urls, answer)
        if items:
            fetch = results.Fetch(
                self._http, base_url=self._base, answer=answer, hosts=self._result_hosts
            )
            left_out = await fetch.at_once(items)
            await asyncio.to_thread(answer.finish, {**note, "left_out": left_out})


def _fields(request: GenerationRequest) -> dict[str, str | int]:
    background = request.background
    prompt = request.prompt
    if request.operation is Operation.REMOVE_BACKGROUND:
        background, prompt = "transparent", prompt or _CUT_OUT
    elif request.operation is Operation.VARY:
        prompt = prompt or _VARY
    fields: dict[str, str | int] = {"model": request.model, "prompt": prompt, "n": request.count}
    if request.operation is not Operation.REMOVE_BACKGROUND:
        fields["size"] = str(request.size)
    fields["output_format"] = request.output_format
    optional = {
        "quality": request.quality,
        "background": background,
        "safety_identifier": request.end_user,
    }
    fields |= {name: value for name, value in optional.items() if value}
    for name, given in request.parameters.items():
        if name not in _OURS:
            fields[name] = _compression(given, request) if name == "output_compression" else given
    return fields


def _compression(value: object, request: GenerationRequest) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) > _MAX_COMPRESSION or request.output_format == "png":
        raise UnsupportedParameter(
            detail="output_compression: a whole number from 0 to 100, for jpeg and webp only"
        )
    return int(text)


def _form(request: GenerationRequest, fields: Mapping[str, str | int]) -> multipart.Form:
    images = [i for i in request.inputs if i.role is not InputRole.MASK]
    alpha = [masks.alpha_mask(i.data) for i in request.inputs if i.role is InputRole.MASK]
    sources = [(image.media_type, image.data) for image in images]
    if request.operation is Operation.OUTPAINT:
        anchor = str(request.parameters.get("anchor", "center"))
        wide, mask = masks.padded(images[0].data, size=request.size, anchor=anchor)
        sources[0], alpha = ("image/png", wide), [mask]
    # One file goes as `image`, several as a repeated `image[]`: what the official client sends.
    name = "image" if len(sources) == 1 else "image[]"
    files = [
        multipart.FormFile(name, f"image-{n}.{kind.removeprefix('image/')}", kind, data)
        for n, (kind, data) in enumerate(sources)
    ]
    files += [multipart.FormFile("mask", "mask.png", "image/png", mask) for mask in alpha]
    return multipart.encode(
        fields=[(key, str(value)) for key, value in fields.items() if key not in _JSON_ONLY],
        files=files,
    )
