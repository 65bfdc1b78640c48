"""Define what an adapter is: the interface that the worker calls for every provider."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from imagegen_app.core.provider_text import MAX_ID_CHARS, provider_reference, provider_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.types import (
        Call,
        GenerationRequest,
        ProviderResult,
        RecoveryMethod,
        Submission,
    )
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.credentials import Credential, Secret
    from imagegen_app.providers.http import HttpClient

#: `cancelled_free` only where the provider says that it bills nothing for it; `requested` where it
#: only notes the wish, so that a poll tells how the call ends.
CancelOutcome = Literal["cancelled", "cancelled_free", "requested", "too_late", "not_offered"]

#: Takes the bytes of an image on its way, as the provider sent them; returns at once.
PreviewHook = Callable[[bytes], None]
#: Takes what the provider tells of a call before its answer: stage, position and progress.
ProgressHook = Callable[["Submission"], None]


@dataclass(frozen=True, slots=True)
class Account:
    """An account at an image API: all that an adapter is built with."""

    base_url: str = ""
    credential: Credential | None = None
    #: None only for adapters that make no calls, and where none are to be made.
    http: HttpClient | None = None
    #: The adapter's own options, as its class declares them; checked.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The secrets that the provider may sign its webhooks with.
    webhook_secrets: tuple[Secret, ...] = ()
    #: Returns the present Unix time.
    clock: Callable[[], float] = time.time
    #: What an administrator corrects of models' capabilities, as JSON by the model's name; see
    #: `core.capability_overrides`.
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: The workflows that models are, as JSON by the model's name; for adapters with `has_workflows`.
    workflows: Mapping[str, Any] = field(default_factory=dict)


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
    """An account at an image API, ready to be called; built with an `Account`.

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

        A class that declares `has_previews = True` takes `on_preview`, too, a `PreviewHook` or None:
        each image on its way goes there, for the eyes of who waits, and is no part of the answer.
        One that declares `has_progress = True` takes `on_progress`, a `ProgressHook` or None. What
        makes either fail must not make the call fail.

        :raises ProviderError: if the provider refused the call, failed or did not answer.
        """
        ...

    async def poll(self, call: Call, *, answer: SpooledAnswer) -> Submission:
        """Query the state of a call, and fetch the result into `answer` once it is available.

        A class that declares `has_live_polls = True` takes the hooks of its `submit` here, too, and
        may then take some seconds; it is asked again at once where `poll_after` says so.

        :raises ProviderError: if the call failed at the provider or cannot be asked about.
        """
        ...

    async def cancel(self, call: Call) -> CancelOutcome:
        """Ask the provider to stop the call."""
        ...

    async def reconcile(
        self, call: Call, request: GenerationRequest, *, answer: SpooledAnswer
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

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        """Check a webhook's signature over its raw bytes.

        :raises AuthenticationFailed: if it is not the provider's, is stale or malformed.
        :raises ProviderUnavailable: or `ProviderTimeout`, if that cannot be told now, such as while
            the provider's public keys cannot be fetched; it may be sent again.
        """
        ...
