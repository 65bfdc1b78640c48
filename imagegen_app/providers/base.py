"""Define what an adapter is: the interface that the worker calls for every provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from imagegen_app.core.provider_text import MAX_ID_CHARS, provider_reference, provider_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import (
        Capabilities,
        GenerationRequest,
        ProviderResult,
        RecoveryMethod,
        Submission,
    )
    from imagegen_app.providers.answers import SpooledAnswer

#: `cancelled_free` only where the provider says that it bills nothing for it.
CancelOutcome = Literal["cancelled", "cancelled_free", "too_late", "not_offered"]


@dataclass(frozen=True, slots=True)
class WebhookNotice:
    """A verified hint that something happened; the result is always fetched by us."""

    delivery_id: str
    ref: str
    status: str

    def __post_init__(self) -> None:
        status = provider_text(self.status, max_chars=MAX_ID_CHARS)
        object.__setattr__(self, "status", status)
        for name in ("delivery_id", "ref"):
            object.__setattr__(self, name, provider_reference(getattr(self, name)))


class ProviderAdapter(Protocol):
    """An account at an image API, ready to be called.

    Adapters are built by `registry.build` with values only: base URL, secret, HTTP client, limits.
    A class declares itself, whoever wrote it: `name` and `recovery` here, and of the other fields of
    `registry.Adapter` what differs from their defaults, such as `label` or `needs_credential`.
    """

    #: The adapter's name in the registry.
    name: ClassVar[str]
    #: How the outcome of an unanswered call can be found out; empty where it cannot. With
    #: `IDEMPOTENCY_KEY`, `submit` must write the same bytes for the same request; with
    #: `CLIENT_REFERENCE`, the call is polled by its idempotency key.
    recovery: ClassVar[frozenset[RecoveryMethod]]

    def capabilities(self, model: str) -> Capabilities:
        """Return what the model can do."""
        ...

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        """Make the billable call; a synchronous answer's bytes go to `answer` and are durable
        there before this returns `ANSWERED`.

        :raises ProviderError: if the provider refused the call, failed or did not answer.
        """
        ...

    async def poll(self, ref: str, *, answer: SpooledAnswer) -> Submission:
        """Query the state of a call, and fetch the result into `answer` once it is available.

        :raises ProviderError: if the call failed at the provider or cannot be asked about.
        """
        ...

    async def cancel(self, ref: str) -> CancelOutcome:
        """Ask the provider to stop the call."""
        ...

    async def reconcile(
        self, request: GenerationRequest, *, answer: SpooledAnswer
    ) -> Submission | None:
        """Find out the outcome of a call that was sent but never answered, at no further cost.

        Returns None where this provider offers no way to ask.

        :raises NotFound: if the provider never had the call.
        :raises ProviderError: with `is_call_outcome` set if the provider says that the call failed;
            otherwise only the query failed.
        """
        ...

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        """Decode a spooled answer; no network, so it can be repeated.

        :raises BadResponse: if the bytes cannot be used.
        :raises ContentBlocked: if the answer is really a refusal.
        """
        ...

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        """Check a webhook's signature over its raw bytes.

        :raises AuthenticationFailed: if it is not the provider's, is stale or malformed.
        """
        ...
