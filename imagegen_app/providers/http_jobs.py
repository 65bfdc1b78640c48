"""Call a site's own service, whose jobs the account describes by a body and by paths in its answers.

The options say how a job is asked for (a JSON document with places such as `$prompt`), where it is
polled, cancelled and looked up, and where its answers say what. A body decides what the service can
do: what it has no place for is refused before the call, and never left out in silence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core import json_templates
from imagegen_app.core.capabilities import Capabilities, InputRule, SizeRule
from imagegen_app.core.errors import (
    BadResponse,
    NotFound,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import InputRole, Operation, RecoveryMethod
from imagegen_app.providers.families import (
    http_job_options,
    masks,
    statuses,
    submit_poll,
)
from imagegen_app.providers.families.http_job_options import OPTIONS, placeholders_in
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import RESULT_HOSTS
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.i18n import Message
    from imagegen_app.core.types import Call, GenerationRequest, ImageInput, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import Account
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

_RASTER = ("png", "jpeg", "webp")
_MOST_FILE_BYTES = 32 * 1024 * 1024
#: Other operations keep the size of their image.
_SIZED = frozenset({Operation.GENERATE, Operation.OUTPAINT})


class HttpJobs(RemoteJobs):
    """An account at a service that takes JSON and makes images in jobs."""

    name: ClassVar[str] = "http_jobs"
    label: ClassVar[str] = "HTTP jobs (your own service, described by JSON paths)"
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset(
        {RecoveryMethod.LOOKUP, RecoveryMethod.WEBHOOK}
    )
    webhook_kind: ClassVar[str] = "Standard Webhooks"
    example_models: ClassVar[tuple[str, ...]] = ("in-house-1",)
    options: ClassVar[Mapping[str, Parameter]] = {**OPTIONS, "result_hosts": RESULT_HOSTS}

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._places = placeholders_in(account.options)
        self._answers = http_job_options.AnswerPaths.of(self.option("answers"))
        self.shape = self._answers.shape(
            words=self.option("words"), blocked_codes=self.option("blocked_codes")
        )
        self.webhook_job = self._answers.webhook
        self.job_path, self.cancel_path = self.option("job_path"), self.option("cancel_path")

    @classmethod
    def option_problems(cls, options: Mapping[str, Any]) -> Mapping[str, Message]:
        """Return by name which options do not fit together, the first problem of each."""
        return dict(reversed(list(http_job_options.problems_in(options))))

    @classmethod
    def recovery_of(cls, options: Mapping[str, Any]) -> frozenset[RecoveryMethod]:
        """Return which of the ways to find out a lost call's outcome an account has."""
        return http_job_options.recovery_of(options)

    def auth_with(self, credential: Credential) -> Auth:
        header: str = self.option("auth_header")
        return Auth(credential, header=header, scheme=self.option("auth_scheme"))

    def capabilities(self, model: str) -> Capabilities:
        del model
        places = self._places
        images = 8 if "images" in places else int("image" in places)
        rule = InputRule(formats=_RASTER, max_bytes=_MOST_FILE_BYTES)
        roles = {InputRole.IMAGE: rule, InputRole.REFERENCE: rule} if images else {}
        has_mask = images > 0 and "mask" in places
        return Capabilities(
            operations=http_job_options.operations_of(self.account.options),
            sizes=SizeRule(min_pixels=64 * 64, max_side=8192),
            max_count=8 if "count" in places else 1,
            max_prompt_chars=8000,
            output_formats=_RASTER if "output_format" in places else ("png",),
            backgrounds=("auto", "opaque", "transparent") if "background" in places else (),
            max_inputs=images,
            inputs=roles | ({InputRole.MASK: replace(rule, max_count=1)} if has_mask else {}),
            supports_mask=has_mask,
            supports_seed="seed" in places,
            supports_negative_prompt="negative_prompt" in places,
            parameters={
                name.removeprefix("parameters."): Parameter("text")
                for name in sorted(places)
                if name.startswith("parameters.")
            },
        )

    def check(self, request: GenerationRequest) -> Capabilities:
        offer = super().check(request)
        places = self._places
        for name, value in self._wanted(request, offer).items():
            # What an administrator corrects may promise more than the body has places for.
            if value and name not in places and name.partition(".")[0] not in places:
                raise UnsupportedParameter(detail=f"{name}: the body has no place for it")
        has_size = "size" in places or {"width", "height"} <= places
        rule = offer.sizes_for(request.operation)
        is_only = rule.allowed == (request.size,) or not rule.is_choosable
        if request.operation in _SIZED and not has_size and not is_only:
            raise UnsupportedParameter(
                detail="size: the body has no place for it; correct the model's sizes to the one"
                " that the service makes"
            )
        return offer

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        del answer  # The result comes later, by `poll`.
        values = await self.build(self._values_of, request)
        header: str = self.option("key_header")
        reply = await self.send(
            "POST",
            self.option("submit_path").replace("{model}", quote(request.model, safe="")),
            document=json_templates.filled(self.option("body"), values),
            headers={header: request.idempotency_key} if header else {},
            billable=True,
        )
        return self.accepted(reply)

    def _wanted(self, request: GenerationRequest, offer: Capabilities) -> dict[str, Any]:
        """Return what has to have a place, where there is something."""
        pictures = [one for one in request.inputs if one.role is not InputRole.MASK]
        single = "image" if len(pictures) == 1 and "images" not in self._places else "images"
        return {
            "negative_prompt": request.negative_prompt,
            "seed": None if request.seed is None else str(request.seed),
            "count": request.count if request.count > 1 else 0,
            "quality": request.quality,
            "background": request.background,
            "mask": any(one.role is InputRole.MASK for one in request.inputs),
            single: pictures,
            "loras": request.loras,
            "control_images": any(one.role is InputRole.CONTROL for one in request.inputs),
            "style_images": any(one.role is InputRole.STYLE for one in request.inputs),
            # What there is no choice of need not be said.
            "output_format": len(offer.output_formats) > 1,
            "operation": request.operation not in http_job_options.SHOWN_BY_IMAGES
            and len(offer.operations) > 1,
            **{f"parameters.{name}": True for name in request.parameters},
        }

    def _values_of(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the values of the places; what the request has not is missing."""
        inputs = masks.restyled(request.inputs, style=self.option("mask_style"))
        marks = [self._text(one) for one in inputs if one.role is InputRole.MASK]
        pictures = [self._text(one) for one in inputs if one.role is not InputRole.MASK]
        values = {
            "model": request.model,
            "operation": request.operation.value,
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "width": request.size.width,
            "height": request.size.height,
            "size": str(request.size),
            "count": request.count,
            "quality": request.quality,
            "output_format": request.output_format,
            "background": request.background,
            "end_user": request.end_user,
            "webhook_url": request.webhook_url,
            "idempotency_key": request.idempotency_key,
            "images": pictures,
            "image": next(iter(pictures), ""),
            "mask": next(iter(marks), ""),
            "parameters": dict(request.parameters),
            **{f"parameters.{name}": value for name, value in request.parameters.items()},
        }
        given = {name: value for name, value in values.items() if value not in ("", [], {})}
        return given if request.seed is None else {**given, "seed": request.seed}

    def _text(self, image: ImageInput) -> str:
        is_url = self.option("image_form") == "data_url"
        return image.data_url if is_url else image.base64_text

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        del call
        path: str = self.option("lookup_path")
        if not path:
            return None
        key = request.idempotency_key
        reply, document = await self.look_up(path.replace("{key}", quote(key, safe="")))
        jobs = value_at(document, self._answers.jobs)
        if not isinstance(jobs, list):
            raise BadResponse(detail="no list of jobs", request_id=reply.request_id)
        if not jobs:
            raise NotFound(detail="the provider never had this call", request_id=reply.request_id)
        found = [one for one in map(self.job_in, jobs) if value_at(one, self._answers.key) == key]
        if not found:
            raise ProviderUnavailable(detail="jobs of others", request_id=reply.request_id)
        return await self.follow(found[0], reply, answer=answer)

    def job_in(self, document: Any) -> Any:
        inner = value_at(document, self._answers.job) if self._answers.job else None
        return document if inner is None else inner

    def error_of(self, reply: Reply) -> ProviderError:
        return statuses.classify(
            reply, content_codes=self.shape.content_codes, error_of=self._error_in
        )

    def _error_in(self, document: object) -> dict[str, Any]:
        """Return the error of a refusal: where jobs have theirs, or in one of the usual places."""
        return submit_poll.error_of_job(self.job_in(document), shape=self.shape) or (
            statuses.error_in(document)
        )
