"""Implement the job methods of adapters whose API is synchronous and has no jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Call, GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import CancelOutcome, WebhookNotice


class Synchronous:
    """The adapter methods that a synchronous API does not support."""

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        """Refuse: there is nothing to poll.

        :raises NotFound: always.
        """
        del call, answer
        raise NotFound(detail="this API has no jobs to ask about")

    async def cancel(self, call: Call) -> CancelOutcome:
        """Return `not_offered`: a call cannot be stopped."""
        del call
        return "not_offered"

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        """Return None: the outcome of a call cannot be queried."""
        del call, request, answer
        return None

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        """Refuse: this API sends no webhooks.

        :raises AuthenticationFailed: always.
        """
        del headers, body
        raise AuthenticationFailed(detail="this API sends no webhooks about images")
