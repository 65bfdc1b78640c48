"""Adapters as a site would write them: each declares another way to recover a lost call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from imagegen_app.core.types import RecoveryMethod
from imagegen_app.providers.generic_jobs import GenericJobs

if TYPE_CHECKING:
    from imagegen_app.core.types import Call, GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer


class Unrecoverable(GenericJobs):
    """Declares nothing: no look-up, no idempotency keys, no webhooks."""

    name: ClassVar[str] = "stranger"
    label: ClassVar[str] = "A stranger's gateway"
    needs_credential: ClassVar[bool] = True
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        return await super().submit(replace(request, idempotency_key=""), answer=answer)

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        del call, request, answer
        return None


class Keyed(Unrecoverable):
    """Heeds idempotency keys, and cannot be asked about calls."""

    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.IDEMPOTENCY_KEY})

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        return await GenericJobs.submit(self, request, answer=answer)


class ForgetfulKeyed(Keyed):
    """Heeds idempotency keys, but forgets them at once."""

    idempotency_seconds: ClassVar[float] = 0.0


class Lookup(GenericJobs):
    """Can be asked by our key, as the generic job protocol can."""

    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.LOOKUP})


class ClientReference(Keyed):
    """Takes our key as its reference, so that it is polled by it."""

    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.CLIENT_REFERENCE})

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        if call.ref.startswith("job_"):
            return await super().poll(call, answer=answer)
        _reply, document = await self.query(f"/v1/jobs?idempotency_key={call.ref}")
        if not document["data"]:
            _reply, document = await self.query(f"/v1/jobs/{call.ref}")
        return await super().poll(replace(call, ref=document["data"][0]["id"]), answer=answer)


class WebhookOnly(Keyed):
    """Only reports results by webhook."""

    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset({RecoveryMethod.WEBHOOK})


class SlowToLookUp(GenericJobs):
    """Takes longer for a look-up than an answer of a vault is kept."""

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        await asyncio.sleep(0.3)
        return await super().reconcile(call, request, answer=answer)
