"""Speak fal's queue API: submit to an endpoint, poll the request, fetch what was made.

One model is one endpoint, such as `fal-ai/flux/dev`, with names of its own for the same things.
2026-11: COMPLETED may mean failed; a result is kept for an hour unless payloads are stored; nothing
finds a lost request again but its webhook.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from imagegen_app.core.data_handling import DataFact, facts
from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    OutcomeUnknown,
    PermissionDenied,
    ProviderUnavailable,
    QuotaExhausted,
)
from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.model_descriptions import PAGE_MODELS
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import (
    ProviderResult,
    RecoveryMethod,
    Submission,
    Usage,
)
from imagegen_app.providers.fal_endpoints import endpoint_of, input_fields
from imagegen_app.providers.families import (
    base64_json,
    fal_platform,
    jwks,
    results,
    statuses,
    submit_poll,
)
from imagegen_app.providers.http import Auth
from imagegen_app.providers.remote import MAX_QUERY_BYTES, RESULT_HOSTS, asked_in_vain, is_below
from imagegen_app.providers.remote_jobs import RemoteJobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.model_descriptions import ModelDescription, ModelPage
    from imagegen_app.core.types import Call, GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome
    from imagegen_app.providers.credentials import Credential
    from imagegen_app.providers.http import Reply

_HOOK = "x-fal-webhook-"
_SIGNED = jwks.Signed(*(_HOOK + n for n in ("request-id", "user-id", "timestamp", "signature")))
_TEMPORARY = re.compile(
    r"runner_\w+|internal_\w+|downstream_\w+|(?:request|startup|generation)_timeout"
)
_CANCELLED = frozenset({"client_cancelled", "client_disconnected"})
_LOCKED = re.compile(rb"exhausted balance|insufficient (?:balance|credits?)", re.IGNORECASE)
#: What an error in place of a result says of our asking, and not of the result.
_QUERY_ERRORS = frozenset({401, 403, 404, 408, 429})
_KEPT_SECONDS = 3600.0
_MAX_URL_CHARS = 500
_KEYS = "https://rest.fal.ai/.well-known/jwks.json"
_PLATFORM = "https://api.fal.ai/v1"
#: A page of the list, or an endpoint with its schema.
_MAX_TOLD_BYTES = 8 * 1024 * 1024
_FOREIGN_KEYS = gettext_noop(
    "must be a path that begins with /, below the base URL, or an https address at one of the "
    "provider's own hosts: %(hosts)s"
)
#: Apps of these owners have one part more in their names.
_NAMESPACES = frozenset({"workflows", "comfy"})


class Fal(RemoteJobs):
    """An account at fal."""

    name: ClassVar[str] = "fal"
    label: ClassVar[str] = "fal"
    needs_credential: ClassVar[bool] = True
    base_url: ClassVar[str] = "https://queue.fal.run"
    data_handling: ClassVar[Mapping[str, DataFact]] = {
        # As we ask for it with each call.
        **facts(
            source="https://fal.ai/docs/documentation/model-apis/inference/payloads",
            checked_on="2026-11-27",
            option="store_payloads",
            input_retention=0,
        ),
        **facts(
            source="https://docs.fal.ai/documentation/model-apis/media-expiration",
            checked_on="2026-11-27",
            option="result_seconds",
            output_retention=24,
        ),
    }
    shape: submit_poll.JobShape = submit_poll.JobShape(
        id="request_id",
        terminal={"completed": "succeeded", "cancelled": "cancelled", "canceled": "cancelled"},
    )
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.WEBHOOK})
    webhook_kind: ClassVar[str] = "Ed25519, by published keys"
    signed_webhook: jwks.Signed | None = _SIGNED
    #: A request that was tried again goes by the second one.
    webhook_ids: tuple[str, ...] = ("request_id", "gateway_request_id")
    example_models: ClassVar[tuple[str, ...]] = (
        "fal-ai/flux/dev",
        "fal-ai/flux-general/inpainting",
        "fal-ai/nano-banana-2/edit",
        "fal-ai/codeformer",
    )
    options: ClassVar[Mapping[str, Parameter]] = {
        "result_seconds": Parameter(
            "int",
            low=600,
            high=30 * 86_400,
            default=86_400,
            help=gettext_noop("How long the provider keeps results, readable for everyone."),
        ),
        "store_payloads": Parameter(
            "bool",
            default=False,
            help=gettext_noop("Let the provider keep prompts and answers for longer than an hour."),
        ),
        "queue_priority": Parameter(
            "choice",
            choices=("normal", "low"),
            default="normal",
            help=gettext_noop("Calls of low priority wait for the others."),
        ),
        "webhook_keys": Parameter(
            "text",
            default=_KEYS,
            help=gettext_noop("Where the keys that sign webhooks are published."),
        ),
        "webhook_user": jwks.WEBHOOK_USER,
        "platform": Parameter(
            "text",
            default=_PLATFORM,
            help=gettext_noop("Where the provider describes its models and names their prices."),
        ),
        "result_hosts": RESULT_HOSTS,
    }
    kept_headers: ClassVar[frozenset[str]] = frozenset({"x-fal-error-type"})
    request_id_header: ClassVar[str] = "x-fal-request-id"

    @classmethod
    def option_problems(cls, options: Mapping[str, Any]) -> Mapping[str, Message]:
        """Return by name which options lead to servers that are not the provider's."""
        found = {}
        for name, usual in (("webhook_keys", _KEYS), ("platform", _PLATFORM)):
            address = str(options.get(name, usual))
            if not is_below(cls.base_url, address) and not is_below(usual, address):
                hosts = ", ".join(str(urlsplit(url).hostname) for url in (cls.base_url, usual))
                found[name] = Message(_FOREIGN_KEYS, {"hosts": hosts})
        return found

    def auth_with(self, credential: Credential) -> Auth:
        return Auth(credential, scheme="Key")

    def capabilities(self, model: str) -> Capabilities:
        return endpoint_of(model).can

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        offer = self.check(request)
        del answer  # The result comes later, by `poll`.
        fields = await self.build(partial(input_fields, offer=offer), request)
        path = "/" + quote(request.model.strip("/"))
        if request.webhook_url:
            path += f"?fal_webhook={quote(request.webhook_url, safe='')}"
        reply = await self.send(
            "POST", path, document=fields, headers=self._headers(), billable=True
        )
        accepted = self.accepted(reply, state={"root": self._root_in(reply)})
        if self.option("store_payloads"):
            return accepted
        return replace(accepted, expires_at=self.account.clock() + _KEPT_SECONDS)

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        root = self._root(call)
        reply, found = await self.query(f"{root}/status")
        document = {**_mapping(found), "request_id": call.ref}
        if statuses.short_word(document, "error_type") in _CANCELLED:
            document["status"] = "cancelled"
        if str(document.get("status")).upper() != "COMPLETED":
            return await self.follow(document, reply, answer=answer)
        named = str(document.get("response_url"))
        address = named if named.startswith(f"{self.base}/") else root
        reply = await self.send("GET", address, limit=MAX_QUERY_BYTES)
        if not reply.ok:
            raise self._error_of_result(reply, status=document)
        try:
            made = _mapping(self.document_of(reply))
        except BadResponse as error:
            raise asked_in_vain(error) from None
        ended = {"request_id": call.ref, "status": "COMPLETED", "output": _items(made)}
        return await self.follow({**made, **ended}, reply, answer=answer)

    async def cancel(self, call: Call) -> CancelOutcome:
        reply = await self.send("PUT", f"{self._root(call)}/cancel")
        if reply.status == 404 or b"ALREADY_COMPLETED" in reply.body:  # noqa: PLR2004 - a status
            return "too_late"
        if not reply.ok:
            raise self.error_of(reply)
        # Only what has not begun is surely stopped; the next poll tells.
        return "requested"

    async def list_models(self, *, search: str, page: str) -> ModelPage:
        """Return a page of the provider's models that make images."""
        asked = {"limit": str(PAGE_MODELS), "q": search, "cursor": page}
        query = urlencode({name: value for name, value in asked.items() if value})
        return fal_platform.page_of(await self._told(f"/models?{query}"))

    async def describe_model(self, model: str) -> ModelDescription:
        """Return what the provider says of an endpoint, with its price where a key may ask for it."""
        name, endpoint = quote(model.strip("/")), endpoint_of(model)
        document = await self._told(f"/models?endpoint_id={name}&expand=openapi-3.0")
        found = fal_platform.description_of(
            document,
            model.strip("/"),
            known=endpoint.can,
            image_field=endpoint.image,
            quality=endpoint.quality,
        )
        if not found.is_known:
            return found
        source = self.address(f"{self.option('platform')}/models/pricing")
        if not self._may_have_key(source):
            return fal_platform.unpriced(found, host=str(urlsplit(source).hostname))
        document = await self._told(f"/models/pricing?endpoint_id={name}")
        now = self.account.clock()
        return fal_platform.priced(found, document, model.strip("/"), source=source, now=now)

    def _may_have_key(self, url: str) -> bool:
        credential = self.account.credential
        return credential is not None and credential.allows(url)

    async def _told(self, path: str) -> Any:
        """Return what the platform says; its list is told without a key, too."""
        address = f"{self.option('platform')}{path}"
        with_key = self._may_have_key(self.address(address))
        return (await self.query(address, limit=_MAX_TOLD_BYTES, with_key=with_key))[1]

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read, note = base64_json.load(answer), answer.metadata()
        document = _mapping(read.content)
        items = submit_poll.items_of(document.get("output") or _items(document))
        flags = document.get("has_nsfw_concepts") or document.get("nsfw_content_detected")
        flags = flags if isinstance(flags, list) else []
        seed = document.get("seed")
        images, unusable = results.read_each(
            items,
            lambda item, n: results.image_of(
                item, n, read=read, answer=answer, note=note, own=results.alone(items, seed=seed)
            ),
            filtered=[flag is True for flag in flags],
        )
        return ProviderResult(
            images=images,
            usage=Usage(images=len(items), megapixels=_megapixels(items)),
            resolved={"seed": str(seed)} if isinstance(seed, int) else {},
            unusable=unusable,
        )

    def error_of(self, reply: Reply) -> ProviderError:
        error = statuses.classify(reply, error_of=_error_in)
        if isinstance(error, PermissionDenied) and _LOCKED.search(reply.body):
            # There is no code for it, and it is not the permission that lacks.
            return statuses.instead(error, QuotaExhausted)
        return error

    def _headers(self) -> dict[str, str]:
        expiry = {"expiration_duration_seconds": self.option("result_seconds")}
        return {
            "X-Fal-Object-Lifecycle-Preference": json.dumps(expiry),
            "X-Fal-Store-IO": "1" if self.option("store_payloads") else "0",
            "X-Fal-Queue-Priority": self.option("queue_priority"),
        }

    def _root_in(self, reply: Reply) -> str:
        """Return the path of a request as the provider names it, if that is at our base URL."""
        try:
            text = str(value_at(load_json(reply.body), "status_url"))
        except InvalidJson:
            return ""
        is_ours = text.startswith(f"{self.base}/") and len(text) < _MAX_URL_CHARS
        return text.removeprefix(self.base).removesuffix("/status") if is_ours else ""

    def _root(self, call: Call) -> str:
        known = call.state.get("root")
        if isinstance(known, str) and known.startswith("/"):
            return known
        parts = call.model.strip("/").split("/")
        app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
        return f"/{quote(app)}/requests/{quote(call.ref, safe='')}"

    def _error_of_result(self, reply: Reply, *, status: Mapping[str, Any]) -> ProviderError:
        """Return how a request ended, if that is what an error in place of its result says."""
        error = self.error_of(reply)
        try:
            said = statuses.short_word(_error_in(load_json(reply.body)), "type")
        except InvalidJson:
            said = ""
        code = said or reply.headers.get("x-fal-error-type", "")
        if reply.status in _QUERY_ERRORS and not code:
            return error
        code = code or statuses.short_word(status, "error_type")
        if isinstance(error, ContentBlocked):
            error.billed, error.is_call_outcome = "unknown", True
            return error
        if code or status.get("error"):
            ended = _failure(code, detail=error.detail, request_id=reply.request_id)
            ended.provider_message = error.provider_message
            return ended if ended.provider_message else statuses.with_message(ended, status)
        return asked_in_vain(error) if isinstance(error, OutcomeUnknown) else error


def _megapixels(items: Sequence[object]) -> Decimal:
    """Return the size of all images by what the answer says of each, by which most are billed."""
    sides = [(value_at(item, "width"), value_at(item, "height")) for item in items]
    pixels = [w * h for w, h in sides if type(w) is int and type(h) is int and w > 0 and h > 0]
    return Decimal(sum(pixels)) / 1_000_000 if len(pixels) == len(items) else Decimal(0)


def _mapping(document: object) -> dict[str, Any]:
    return document if isinstance(document, dict) else {}


def _items(made: Mapping[str, Any]) -> Any:
    return made.get("images") or made.get("image")


def _error_in(document: object) -> dict[str, Any]:
    """Return the error of an answer: of the queue as a text, of a model as the first of a list."""
    first = statuses.complaint_in(document)
    stage = "input" if "body" in first.get("loc", ()) else "unknown"
    return {
        "type": first.get("type") or _mapping(document).get("error_type"),
        "param": first.get("param"),
        "moderation_details": {"moderation_stage": stage},
    }


def _failure(code: str, *, detail: str, request_id: str) -> ProviderError:
    """Return how a request has failed; what the provider's side has broken is not billed."""
    error: ProviderError
    detail = detail if code in detail else f"{detail} {code}"
    if code in statuses.CONTENT_CODES:
        error = ContentBlocked(detail=detail, request_id=request_id, billed="unknown")
    elif _TEMPORARY.fullmatch(code):
        error = ProviderUnavailable(detail=detail, request_id=request_id)
    elif not code or code == "no_media_generated":
        error = BadResponse(detail=detail, request_id=request_id, billed="unknown")
    else:
        error = InvalidRequest(detail=detail, request_id=request_id, billed="unknown")
    error.is_call_outcome = True
    return error
