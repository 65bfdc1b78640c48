"""Build adapters of job APIs on this: calls that are accepted, polled, fetched and told by webhook."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imagegen_app.core.errors import AuthenticationFailed, BadResponse, OutcomeUnknown
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import ProviderResult, Submission, SubmissionStatus
from imagegen_app.providers.base import WebhookNotice
from imagegen_app.providers.families import jwks, results, standard_webhooks, submit_poll
from imagegen_app.providers.rate_headers import rate_limited_for
from imagegen_app.providers.remote import Remote, asked_in_vain
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Call
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome
    from imagegen_app.providers.http import Reply


class RemoteJobs(Remote):
    """An account at an API whose calls are jobs; a subclass says where and of what shape they are."""

    #: Where a document of a job says what.
    shape: submit_poll.JobShape = submit_poll.GENERIC
    #: The path of a job, and of the request to cancel it, with `{ref}` for its reference.
    job_path: str = ""
    cancel_path: str = ""
    #: Where in a webhook's body the job's document is, as a path; empty for the whole body.
    webhook_job: str = ""
    #: The headers of webhooks that are signed by published keys; None where they are not.
    signed_webhook: jwks.Signed | None = None
    #: Where these keys are, unless the account has the option `webhook_keys`.
    webhook_keys: str = ""
    #: The fields in such a webhook's body that name its call; the first one is the reference.
    webhook_ids: tuple[str, ...] = ()

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        """Query the job at `job_path`; what `Call.state` holds is kept with the answer."""
        reply, document = await self.query(self._path(self.job_path, call))
        return await self.follow(self.job_in(document), reply, answer=answer, note=call.state)

    def job_in(self, document: Any) -> Any:
        """Return the job in the answer to a call or a query; the whole document where it is that."""
        return document

    async def cancel(self, call: Call) -> CancelOutcome:
        """Ask at `cancel_path`, if there is one."""
        if not self.cancel_path:
            return "not_offered"
        reply = await self.send("POST", self._path(self.cancel_path, call), document={})
        return self.cancel_outcome(reply)

    def accepted(self, reply: Reply, *, state: Mapping[str, Any] | None = None) -> Submission:
        """Return the submission of a reply to the billable call; `state` is for `Call.state`.

        :raises OutcomeUnknown: if it is a success, and shows no job.
        :raises ProviderError: if it is a refusal.
        """
        if not reply.ok:
            raise self.error_of(reply)
        try:
            document = self.job_in(self.document_of(reply))
            # Some name a state only when they are asked.
            has_state = value_at(document, self.shape.status) is not None
            shape = self.shape if has_state else replace(self.shape, status="")
            job = submit_poll.read_job(document, shape=shape, request_id=reply.request_id)
        except BadResponse as error:
            # Accepted, but the job is unreadable.
            raise OutcomeUnknown(detail=error.detail, request_id=reply.request_id) from None
        return Submission(
            SubmissionStatus.ACCEPTED,
            ref=job.ref,
            request_id=reply.request_id,
            poll_after=submit_poll.longer(job.poll_after, retry_after(reply.headers)),
            rate_limited_for=rate_limited_for(reply.headers),
            state=state,
            stage=job.stage,
            position=job.position,
        )

    async def follow(
        self,
        document: object,
        reply: Reply,
        *,
        answer: SpooledAnswer,
        note: Mapping[str, Any] | None = None,
    ) -> Submission:
        """Return the state of the job in the answer to a query; fetch the result of one that is done.

        `note` is kept with the answer, for `read_answer`.

        :raises ProviderUnavailable: if there is no job in it, or results cannot be fetched now.
        :raises ProviderError: with `is_call_outcome`, if the job failed.
        """
        try:
            job = self._job(document, reply)
        except BadResponse as error:
            raise asked_in_vain(error) from None
        if job.status != "succeeded":
            return submit_poll.under_way(
                job,
                shape=self.shape,
                request_id=reply.request_id,
                retry_after=retry_after(reply.headers),
            )
        left_out = await results.fetch_all(
            job.output,
            http=self.http,
            base_url=self.base,
            answer=answer,
            hosts=self.result_hosts(),
            auth=self.auth,
        )
        facts = {"request_id": reply.request_id, "ref": job.ref, "left_out": left_out}
        await results.keep_document(answer, document, {**(note or {}), **facts})
        return self.answered(reply, ref=job.ref)

    def cancel_outcome(self, reply: Reply) -> CancelOutcome:
        """Return what the answer to a cancel says, if it is the job's document."""
        if reply.status in {404, 409}:
            return "too_late"
        job = self._job(self.job_in(self.success_of(reply)), reply)
        if job.status == "cancelled":
            return "cancelled_free" if job.is_free else "cancelled"
        return "too_late" if job.status in {"succeeded", "failed"} else "requested"

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = submit_poll.read_result(answer, shape=self.shape)
        seed = answer.metadata().get("seed")
        if not isinstance(seed, int) or len(result.images) > 1 or result.images[0].seed is not None:
            return result
        return replace(result, images=(replace(result.images[0], seed=seed),))

    async def fetch_again(self, call: Call, *, answer: SpooledAnswer) -> None:
        """Fetch the images of a kept answer that could not be fetched when it came."""
        if call.ref and answer.metadata().get("left_out"):
            await self.poll(call, answer=answer)

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        """Check a webhook by published keys, or by the Standard Webhooks rules and its job.

        :raises AuthenticationFailed: if it is forged, late or shows no job, or none is ever sent.
        :raises ProviderError: if the keys cannot be fetched just now, so that nobody can tell.
        """
        if self.signed_webhook is not None:
            return await self._signed_notice(self.signed_webhook, headers, body)
        if not self.webhook_kind:
            return await super().verify_webhook(headers, body)
        delivery_id = standard_webhooks.verify(
            headers, body=body, secrets=self.account.webhook_secrets, now=self.account.clock()
        )
        try:
            document = load_json(body)
            inner = value_at(document, self.webhook_job) if self.webhook_job else document
            job = submit_poll.read_job(inner, shape=self.shape)
        except (InvalidJson, BadResponse):
            raise AuthenticationFailed(detail="webhook body malformed") from None
        return WebhookNotice(delivery_id=delivery_id, ref=job.ref, status=job.status)

    async def _signed_notice(
        self, names: jwks.Signed, headers: Mapping[str, str], body: bytes
    ) -> WebhookNotice:
        # Some accounts are told another place.
        is_option = "webhook_keys" in self.options
        keys = self.option("webhook_keys") if is_option else self.webhook_keys
        delivery = await jwks.verify_delivery(
            headers,
            body=body,
            names=names,
            url=self.address(keys),
            http=self.http,
            now=self.account.clock(),
        )
        delivery.require_about(*self.webhook_ids, user=self.option("webhook_user"))
        ref, status = (str(delivery.document.get(n, "")) for n in (self.webhook_ids[0], "status"))
        return WebhookNotice(delivery_id=delivery.call, ref=ref, status=status)

    def _path(self, template: str, call: Call) -> str:
        return template.replace("{ref}", quote(call.ref, safe=""))

    def _job(self, document: object, reply: Reply) -> submit_poll.JobDocument:
        return submit_poll.read_job(document, shape=self.shape, request_id=reply.request_id)
