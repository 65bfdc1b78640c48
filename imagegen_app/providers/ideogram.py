"""Speak Ideogram's API: jobs for its newest models, and one answer for 3.0 and for what has no model.

A mask is black where the image is to be changed, and must leave a part of it. 2026-11: nothing finds
a lost call again, and nothing is cancelled; images are kept for a day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

from imagegen_app.core import multipart
from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import (
    ContentBlocked,
    InvalidRequest,
    NotFound,
    UnsupportedParameter,
)
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    GenerationRequest,
    InputRole,
    Operation,
    ProviderResult,
    RecoveryMethod,
    Size,
    Usage,
)
from imagegen_app.providers.families import (
    base64_json,
    jwks,
    masks,
    operation_fields,
    price_quotes,
    resolutions,
    results,
    statuses,
)
from imagegen_app.providers.families.submit_poll import JobShape, items_of
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import Call, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

_HOOK = "x-ideogram-webhook-"
_SIGNED = jwks.Signed(
    *(_HOOK + n for n in ("generation-id", "user-id", "timestamp", "signature", "key-id"))
)
_UNSAFE = 422
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    #: The fields that it takes.
    fields: str = ""
    image: str = "image"
    references: str = ""
    is_job: bool = False
    #: The part that holds the fields as JSON; empty where each is a part of its own.
    wrapper: str = ""
    #: Whether it is asked by its address to make a job, and not by fields.
    is_asked_by_query: bool = False


_JOB = "prompt quality num_images seed async webhook_url"
_ALONE = {
    Operation.REMOVE_BACKGROUND: _Route("/v1/remove-background"),
    Operation.UPSCALE: _Route(
        "/upscale",
        "prompt resemblance detail magic_prompt_option num_images seed",
        image="image_file",
        wrapper="image_request",
    ),
}
_COMMON = "prompt rendering_speed magic_prompt num_images seed style_type"
_ROUTES_3 = _ALONE | {
    Operation.GENERATE: _Route("/v1/ideogram-v3/generate", f"{_COMMON} resolution negative_prompt"),
    Operation.INPAINT: _Route("/v1/ideogram-v3/inpaint", _COMMON),
    Operation.EDIT: _Route(
        "/v1/edit", "prompt resolution magic_prompt num_images seed", "images", "images"
    ),
}
_GENERATE = _Route("/v2/image/generate/{model}", f"{_JOB} size magic_prompt", is_job=True)
#: Without a word about the prompt, it would be rewritten.
_NEWEST = _Route(_GENERATE.path, f"{_JOB} size magic_prompt", is_job=True, is_asked_by_query=True)
_PRECISE = _Route("/v2/image/precise-edit/{model}", _JOB, "image", "reference_images", is_job=True)
#: By the beginning of a model's name; of others nothing is known but that they generate.
_ROUTES: tuple[tuple[str, Mapping[Operation, _Route]], ...] = (
    ("ideogram-v3", _ROUTES_3),
    (
        "ideogram-4-5",
        _ALONE
        | {
            Operation.GENERATE: _GENERATE,
            Operation.EDIT: _PRECISE,
            Operation.INPAINT: _PRECISE,
        },
    ),
    (
        "ideogram-4-6",
        {
            Operation.GENERATE: _NEWEST,
            Operation.EDIT: replace(
                _NEWEST, fields=f"{_JOB} magic_prompt", image="images", references="images"
            ),
        },
    ),
    ("", {Operation.GENERATE: _GENERATE}),
)


_SIZES_3 = resolutions.listed(
    "1024x1024 512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 "
    "704x1216 704x1280 704x1344 704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 "
    "800x1280 832x960 832x1024 832x1088 832x1152 832x1216 832x1248 864x1152 896x960 896x1024 "
    "896x1088 896x1120 896x1152 960x1024 960x1088"
)
_SIZES_4 = resolutions.listed(
    "1024x1024 2048x2048 1440x2880 1664x2496 1792x2240 1440x2560 1600x2560 1728x2304 1296x3168 "
    "1152x2944 1248x3328 1280x3072 1024x3072 896x1120 864x1152 832x1248 800x1280 720x1280 720x1440"
)
_WRITTEN = frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT})
_PERCENT: Mapping[str, Any] = {"low": 1, "high": 100, "operations": frozenset({Operation.UPSCALE})}
_PARAMETERS = {
    "magic_prompt": Parameter(
        "choice",
        choices=("off", "on", "auto"),
        default="off",
        help=gettext_noop("Let the provider rewrite the prompt."),
        operations=_WRITTEN,
    ),
    "style_type": Parameter(
        "choice",
        choices=("AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION", "STYLIZED"),
        operations=frozenset({Operation.GENERATE, Operation.INPAINT}),
    ),
    "resemblance": Parameter(
        "int", **_PERCENT, help=gettext_noop("How near the result stays to the image.")
    ),
    "detail": Parameter("int", **_PERCENT, help=gettext_noop("How much detail is added.")),
}


class Ideogram(RemoteJobs):
    """An account at Ideogram."""

    name: ClassVar[str] = "ideogram"
    label: ClassVar[str] = "Ideogram"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://api.ideogram.ai"
    #: Only some models report by webhook; one that comes is heeded nevertheless.
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    webhook_kind: ClassVar[str] = "Ed25519, by published keys"
    signed_webhook: jwks.Signed | None = _SIGNED
    webhook_keys: str = "/v1/.well-known/jwks.json"
    webhook_ids: tuple[str, ...] = ("generation_id",)
    job_path: str = "/v2/generations/{ref}"
    shape: JobShape = JobShape(
        id="generation_id",
        output="data",
        error="failure_reason",
        has_bare_codes=True,
        blocked_billed="unknown",
        terminal={"completed": "succeeded", "failed": "failed"},
    )
    example_models: ClassVar[tuple[str, ...]] = ("ideogram-4-5", "ideogram-4-6", "ideogram-v3")
    options: ClassVar[Mapping[str, Parameter]] = {
        "webhook_user": jwks.WEBHOOK_USER,
        "result_hosts": RESULT_HOSTS,
    }

    def auth_with(self, credential: Credential) -> Auth:
        return Auth(credential, header="Api-Key", scheme="")

    def capabilities(self, model: str) -> Capabilities:
        routes, is_old = _routes(model), model.startswith("ideogram-v3")
        fields = {name for route in routes.values() for name in route.fields.split()}
        file = InputRule(max_bytes=(10 if is_old else 25) * _MIB)
        roles = (InputRole.IMAGE, InputRole.REFERENCE) if Operation.EDIT in routes else ()
        mask = {InputRole.MASK: InputRule(formats=("png",), max_bytes=10 * _MIB, max_count=1)}
        return Capabilities(
            operations=frozenset(routes),
            sizes=_SIZES_3 if is_old else _SIZES_4,
            operation_sizes={
                operation: SizeRule()
                for operation, route in routes.items()
                if not {"size", "resolution"} & set(route.fields.split())
            },
            max_count=8,
            max_prompt_chars=10_000,
            qualities=_SPEEDS if is_old else _QUALITIES,
            max_inputs=(10 if is_old else 5) if roles else 0,
            inputs=dict.fromkeys(roles, file) | (mask if Operation.INPAINT in routes else {}),
            supports_mask=Operation.INPAINT in routes,
            supports_seed=True,
            supports_negative_prompt="negative_prompt" in fields,
            promptless=frozenset(one for one in routes if one is Operation.REMOVE_BACKGROUND),
            parameters={name: one for name, one in _PARAMETERS.items() if name in fields},
        )

    async def describe_model(self, model: str) -> ModelDescription:
        """Return what one image costs, as the provider quotes it for calls that are not made.

        2026-11: only the paths of version 2 quote; another one might make the call.
        """
        if not model:
            return ModelDescription()
        routes = {
            operation: route
            for operation, route in _routes(model).items()
            if route.path.startswith(_QUOTING)
        }
        quotes: dict[Operation, dict[str, Decimal]] = {}
        for operation, route in routes.items():
            try:
                quotes[operation] = await self._quotes(model, operation, route)
            except NotFound:
                return ModelDescription(is_known=False)
        price = price_quotes.price_list_of(
            quotes,
            dict.fromkeys(routes, (*_QUALITIES, "")),
            source=f"{self.base}{_GENERATE.path.format(model=model)}?{_AS_QUOTE}",
            now=self.account.clock(),
        )
        left = sorted(one.value for one in _routes(model) if not quotes.get(one))
        unknown = (Message(_NOT_QUOTED, {"operations": ", ".join(left)}),) if left else ()
        return ModelDescription(is_known=bool(routes) or None, price_list=price, unknown=unknown)

    async def _quotes(self, model: str, operation: Operation, route: _Route) -> dict[str, Decimal]:
        """Return what an image of each quality costs; the empty one is what a call without any has.

        :raises NotFound: if there is no such model.
        """
        found: dict[str, Decimal] = {}
        for quality in (*_QUALITIES, ""):
            inputs = price_quotes.plain_inputs(operation, size=_QUOTED_SIZE)
            request = GenerationRequest(
                operation, model, "a mug", _QUOTED_SIZE, quality=quality, inputs=inputs
            )
            try:
                form = await self.build(_form, request, route)
                query = _query(request, route)
                reply = await self.send(
                    "POST",
                    f"{route.path.format(model=model)}{query}{'&' if query else '?'}{_AS_QUOTE}",
                    body=form.body,
                    content_type=form.content_type,
                )
                amount = price_quotes.dollars_in(self.success_of(reply))
            except (InvalidRequest, UnsupportedParameter):
                # Not every operation has every quality.
                continue
            if amount is not None:
                found[quality] = amount
        return found

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        route = _routes(request.model)[request.operation]
        form = await self.build(_form, request, route)
        reply = await self.send(
            "POST",
            route.path.format(model=request.model) + _query(request, route),
            body=form.body,
            content_type=form.content_type,
            answer=None if route.is_job else answer,
            billable=True,
        )
        note = {"is_rewritten": request.parameters.get("magic_prompt", "off") != "off"}
        if route.is_job:
            return self.accepted(reply, state=note)
        submission = await self.kept(reply, answer=answer, note=note)
        await self.fetch_urls(answer, items_in=_items)
        return submission

    async def fetch_again(self, call: Call, *, answer: SpooledAnswer) -> None:
        """Fetch the images of a kept answer that could not be fetched when it came."""
        if call.ref:
            await super().fetch_again(call, answer=answer)
        else:
            await self.fetch_urls(answer, items_in=_items)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read, note = base64_json.load(answer), answer.metadata()
        items = _items(read.content)

        def image(item: object, n: int) -> Any:
            if isinstance(item, dict) and note.get("is_rewritten"):
                item = {**item, "revised_prompt": item.get("prompt")}
            return results.image_of(item, n, read=read, answer=answer, note=note)

        filtered = [value_at(item, "is_image_safe") is False for item in items]
        images, unusable = results.read_each(items, image, filtered=filtered)
        return ProviderResult(images, usage=Usage(images=len(items)), unusable=unusable)

    def error_of(self, reply: Reply) -> ProviderError:
        error = statuses.classify(
            reply,
            quota_codes=statuses.QUOTA_CODES | {"insufficient_funds"},
            error_of=lambda document: {"code": value_at(document, "reject_reason")},
        )
        if reply.status != _UNSAFE:
            return error
        # What is not valid has another status here.
        return statuses.instead(error, ContentBlocked, stage="input")


#: What asks for the price of a call in its place, where the paths begin that heed it, and the size
#: that it is asked for: the price does not depend on it.
_AS_QUOTE, _QUOTING, _QUOTED_SIZE = "dry_run=true", "/v2/", Size(1024, 1024)
_NOT_QUOTED = gettext_noop("it quotes no price of an image for: %(operations)s")
_BY_QUERY = frozenset({"async", "webhook_url"})
_SPEEDS = ("FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY")
_QUALITIES = ("very_low", "low", "medium", "high")


def _items(document: object) -> tuple[Any, ...]:
    return items_of(value_at(document, "data"))


def _routes(model: str) -> Mapping[Operation, _Route]:
    return next(routes for start, routes in _ROUTES if model.startswith(start))


def _query(request: GenerationRequest, route: _Route) -> str:
    """Return how the address asks for a job; empty where fields do."""
    if not route.is_asked_by_query:
        return ""
    asked = {"async": "true", "webhook_url": request.webhook_url}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _form(request: GenerationRequest, route: _Route) -> multipart.Form:
    images, mask = masks.split(request.inputs, style="black", must_be_partial=True)
    parts = [(route.image if n == 0 else route.references, one) for n, one in enumerate(images)]
    parts += [] if mask is None else [("mask", mask)]
    if (request.operation is Operation.GENERATE and images) or not all(name for name, _ in parts):
        raise UnsupportedParameter(detail="inputs: more images than this operation takes")
    files = [
        multipart.FormFile(name, f"{name}-{n}", one.media_type, one.data)
        for n, (name, one) in enumerate(parts)
    ]
    fields = _fields(request, route)
    if route.is_asked_by_query:
        fields = {name: value for name, value in fields.items() if name not in _BY_QUERY}
    if route.wrapper:
        fields = {route.wrapper: json.dumps(fields, sort_keys=True)}
    return multipart.encode(fields=[(k, str(v)) for k, v in fields.items()], files=files)


def _fields(request: GenerationRequest, route: _Route) -> dict[str, Any]:
    taken = route.fields.split()
    magic = str(request.parameters.get("magic_prompt", "off"))
    quality, size = request.quality, str(request.size)
    usual, wanted = operation_fields.asked(request, count="num_images", seed="seed")
    values = {
        **request.parameters,
        **usual,
        "prompt": request.prompt,
        "resolution": size,
        "size": size,
        "quality": quality,
        "rendering_speed": quality,
        "magic_prompt": magic if route.is_job else magic.upper(),
        "magic_prompt_option": "OFF",
        "async": "true",
        "webhook_url": request.webhook_url,
    }
    wanted["magic_prompt"] = "magic_prompt" in request.parameters
    if not {"quality", "rendering_speed"} & set(taken):
        wanted["quality"] = bool(quality)
    if quality == "very_low" and "size" in taken:
        # Only what is edited can be so cheap.
        raise UnsupportedParameter(detail="quality: not taken by this operation")
    return operation_fields.chosen(values, taken=taken, wanted=wanted)
