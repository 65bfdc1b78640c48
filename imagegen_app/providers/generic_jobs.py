"""Speak the generic job protocol: the smallest job API that loses nothing.

POST  {base}/v1/jobs                       202 {id, status}; `Idempotency-Key` is honoured
GET   {base}/v1/jobs/{id}                  queued | running | succeeded | failed | cancelled
POST  {base}/v1/jobs/{id}/cancel           the job; `billed: false` where it costs nothing then
GET   {base}/v1/jobs?idempotency_key=...   {data: [job]}

A job that failed costs nothing unless it says `billed: true`, such as one whose images were filtered.

A gateway in front of your own models that speaks it is safe against every crash: the same key
with the same body is the same job for a day at least, and a lost answer can be looked up.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import (
    Capabilities,
    InputRole,
    InputRule,
    Operation,
    ProviderResult,
    RecoveryMethod,
    SizeRule,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers.base import WebhookNotice
from imagegen_app.providers.families import (
    base64_json,
    openai_like,
    results,
    standard_webhooks,
    submit_poll,
)
from imagegen_app.providers.http import Auth
from imagegen_app.providers.parameters import check_request
from imagegen_app.providers.rate_headers import rate_limited_for
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome
    from imagegen_app.providers.credentials import Credential, Secret
    from imagegen_app.providers.http import HttpClient, Reply

_DEFAULT = Capabilities(
    operations=frozenset(Operation),
    sizes=SizeRule(step=8, min_pixels=64 * 64, max_pixels=2048 * 2048, max_side=2048),
    max_count=8,
    max_prompt_chars=8000,
    output_formats=openai_like.RASTER_FORMATS,
    backgrounds=("auto", "opaque", "transparent"),
    max_inputs=8,
    inputs={
        **dict.fromkeys(
            (InputRole.IMAGE, InputRole.REFERENCE),
            InputRule(formats=openai_like.RASTER_FORMATS, max_bytes=32 * 1024 * 1024),
        ),
        InputRole.MASK: InputRule(formats=("png",), max_bytes=32 * 1024 * 1024, max_count=1),
    },
    supports_mask=True,
    supports_seed=True,
    supports_negative_prompt=True,
    parameters={"strength": (), "steps": (), "guidance": (), "style": ()},
)
_MAX_POLL_BYTES = 96 * 1024 * 1024
_CONFLICT = 409


class GenericJobs:
    """An account at a server that speaks the generic job protocol."""

    name: ClassVar[str] = "generic_jobs"
    label: ClassVar[str] = "Generic job protocol (your own gateway)"
    needs_credential: ClassVar[bool] = True
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset(
        {RecoveryMethod.IDEMPOTENCY_KEY, RecoveryMethod.LOOKUP, RecoveryMethod.WEBHOOK}
    )
    #: The protocol asks servers to remember keys for a day at least.
    idempotency_seconds: ClassVar[float] = 86_400.0
    webhook_kind: ClassVar[str] = "Standard Webhooks"
    example_models: ClassVar[tuple[str, ...]] = ("generic-1",)
    options: ClassVar[tuple[str, ...]] = ("capabilities", "result_hosts")

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
        self._webhook_secrets: Sequence[Secret] = options.get("webhook_secrets", ())
        self._result_hosts = frozenset(options.get("result_hosts", ()))
        self._clock: Callable[[], float] = options.get("clock", time.time)

    def capabilities(self, model: str) -> Capabilities:
        return self._matrix.get(model, _DEFAULT)

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        check_request(request, capabilities=self.capabilities(request.model))
        del answer  # The result comes later, by `poll`.
        reply = await self._http.post_json(
            f"{self._base}/v1/jobs",
            body=encoded(request),
            headers={"Idempotency-Key": request.idempotency_key},
            auth=self._auth,
        )
        if not reply.ok:
            raise openai_like.classify(reply)
        try:
            job = submit_poll.read_job(_json(reply), request_id=reply.request_id)
        except BadResponse as error:
            # Accepted, but the job is unreadable: a look-up by our key will find it.
            raise OutcomeUnknown(detail=error.detail, request_id=reply.request_id) from None
        return Submission(
            SubmissionStatus.ACCEPTED,
            ref=job.ref,
            request_id=reply.request_id,
            poll_after=submit_poll.longer(job.poll_after, retry_after(reply.headers)),
            rate_limited_for=rate_limited_for(reply.headers),
        )

    async def poll(self, ref: str, *, answer: SpooledAnswer) -> Submission:
        reply, document = await self._ask(f"/v1/jobs/{quote(ref, safe='')}")
        return await self._follow(document, reply=reply, answer=answer)

    async def cancel(self, ref: str) -> CancelOutcome:
        reply = await self._http.post_json(
            f"{self._base}/v1/jobs/{quote(ref, safe='')}/cancel",
            body=b"{}",
            auth=self._auth,
            billable=False,
        )
        if reply.status in {_CONFLICT, 404}:
            return "too_late"
        if not reply.ok:
            raise openai_like.classify(reply)
        job = submit_poll.read_job(_json(reply))
        if job.status != "cancelled":
            return "too_late"
        return "cancelled_free" if job.is_free else "cancelled"

    async def reconcile(
        self, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        key = quote(request.idempotency_key, safe="")
        reply, document = await self._ask(f"/v1/jobs?idempotency_key={key}")
        jobs = document.get("data") if isinstance(document, dict) else None
        if not isinstance(jobs, list):
            raise BadResponse(detail="no list of jobs", request_id=reply.request_id)
        if not jobs:
            raise NotFound(detail="the provider never had this call", request_id=reply.request_id)
        return await self._follow(jobs[0], reply=reply, answer=answer)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        read = base64_json.load(answer)
        job = submit_poll.read_job(read.content)
        note = answer.metadata()
        images, unusable = results.read_each(
            job.output,
            lambda item, n: results.image_of(item, n, read=read, answer=answer, note=note),
        )
        return ProviderResult(
            images=images,
            usage=openai_like.usage_of(job.usage, images=len(images) + len(unusable)),
            model_version=job.model_version,
            unusable=unusable,
        )

    async def fetch_again(self, ref: str, *, answer: SpooledAnswer) -> None:
        """Fetch the images of a kept answer that could not be fetched when it came."""
        if ref and answer.metadata().get("left_out"):
            await self.poll(ref, answer=answer)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        delivery_id = standard_webhooks.verify(
            headers, body=body, secrets=self._webhook_secrets, now=self._clock()
        )
        try:
            document = load_json(body)
            data = document["data"] if isinstance(document, dict) else None
            job = submit_poll.read_job(data)
        except (InvalidJson, KeyError, BadResponse):
            raise AuthenticationFailed(detail="webhook body malformed") from None
        return WebhookNotice(delivery_id=delivery_id, ref=job.ref, status=job.status)

    async def _ask(self, path: str) -> tuple[Reply, Any]:
        """Query a job; queries are free, so an unusable answer counts as temporary."""
        reply = await self._http.send(
            "GET", self._base + path, auth=self._auth, limit=_MAX_POLL_BYTES
        )
        try:
            if reply.ok:
                return reply, _json(reply)
            raise openai_like.classify(reply)
        except (BadResponse, OutcomeUnknown) as error:
            raise _asked_in_vain(error) from None

    async def _follow(self, document: object, *, reply: Reply, answer: SpooledAnswer) -> Submission:
        try:
            job = submit_poll.read_job(document, request_id=reply.request_id)
        except BadResponse as error:
            raise _asked_in_vain(error) from None
        if job.status != "succeeded":
            return submit_poll.under_way(
                job, request_id=reply.request_id, retry_after=retry_after(reply.headers)
            )
        fetch = results.Fetch(
            self._http, base_url=self._base, answer=answer, hosts=self._result_hosts
        )
        left_out = await fetch.by_poll(job.output)
        body = json.dumps(document).encode()
        await answer.write(_once(body), limit=_MAX_POLL_BYTES * 2)
        note = {"request_id": reply.request_id, "ref": job.ref, "left_out": left_out}
        await asyncio.to_thread(answer.finish, note)
        return Submission(
            SubmissionStatus.ANSWERED, ref=job.ref, request_id=reply.request_id, progress=1.0
        )


def _asked_in_vain(error: ProviderError) -> ProviderUnavailable:
    """Return the error of a query that is repeated later, since queries are free."""
    return ProviderUnavailable(
        detail=error.detail,
        status=error.status,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


def encoded(request: GenerationRequest) -> bytes:
    """Write the body of a job: the same bytes for the same request."""
    document: dict[str, Any] = {
        "operation": request.operation.value,
        "model": request.model,
        "prompt": request.prompt,
        "size": str(request.size),
        "n": request.count,
        "output_format": request.output_format,
    }
    optional = {
        "negative_prompt": request.negative_prompt,
        "quality": request.quality,
        "background": request.background,
        "end_user": request.end_user,
        "webhook_url": request.webhook_url,
        "parameters": dict(request.parameters),
        "inputs": [
            {
                "role": i.role.value,
                "media_type": i.media_type,
                "b64_json": base64.b64encode(i.data).decode("ascii"),
            }
            for i in request.inputs
        ],
    }
    document |= {name: value for name, value in optional.items() if value}
    if request.seed is not None:
        document["seed"] = request.seed
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _json(reply: Reply) -> Any:
    try:
        return load_json(reply.body)
    except InvalidJson:
        raise BadResponse(
            detail="not JSON", status=reply.status, request_id=reply.request_id
        ) from None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
