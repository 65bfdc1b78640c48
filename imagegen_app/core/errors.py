"""Define the errors of a provider call and of its answer.

The class hierarchy::

    ProviderError
    ├── InvalidRequest
    │   └── UnsupportedParameter      before any call
    ├── AuthenticationFailed
    │   └── KeyStoreRefused           before any call
    ├── PermissionDenied
    ├── NotFound
    ├── RateLimited
    ├── ContentBlocked
    ├── QuotaExhausted
    ├── ProviderUnavailable
    ├── ProviderTimeout               nothing was sent: connect, connection pool, DNS
    ├── OutcomeUnknown                sent, but no answer
    │   ├── AnswerTimedOut            the answer began, but came too slowly
    │   └── AnswerCutOff              the answer began, but the connection broke
    ├── AnswerNotKept                 answered and billed, but our disk could not take it
    ├── BadResponse                   answered and billed, but unusable
    └── InternalError                 our own software failed

`str(error)` is the first sentence of the class's docstring unless a message is given: it never
holds a prompt, a response body or a key. The provider's own sentence is `provider_message`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from imagegen_app.core.provider_text import (
    MAX_ID_CHARS,
    MAX_LINE_CHARS,
    provider_names,
    provider_text,
)

if TYPE_CHECKING:
    from imagegen_app.core.types import ProviderResult

Billed = Literal["no", "yes", "unknown"]


class ProviderError(Exception):
    """The provider could not generate the image."""

    #: The stable name of the class, stored on jobs and attempts.
    code: ClassVar[str] = "provider_error"
    #: Whether the same call may be repeated automatically.
    retryable: ClassVar[bool] = False
    #: Whether the job may continue with its fallback model.
    can_fail_over: ClassVar[bool] = False
    #: Whether the provider has billed the call; an instance may know better than its class.
    billed: Billed = "no"
    #: What a person can do about it.
    remedy: ClassVar[str] = "Ask an image administrator."

    def __init__(
        self,
        message: str = "",
        *,
        detail: str = "",
        status: int | None = None,
        request_id: str = "",
        retry_after: float | None = None,
        billed: Billed | None = None,
    ) -> None:
        said = provider_text(message, max_chars=MAX_LINE_CHARS)
        super().__init__(said or (self.__doc__ or "").split("\n", maxsplit=1)[0])
        #: A short technical reason: our own words, and codes of the provider.
        self.detail = provider_text(detail, max_chars=MAX_LINE_CHARS)
        #: How the provider explains it, which may repeat the prompt: only for the attempt's row, as
        #: `core.provider_message` cleans it; never for a log, an event or a job.
        self.provider_message = ""
        self.status = status
        self.request_id = provider_text(request_id, max_chars=MAX_ID_CHARS)
        #: Seconds that the provider asks us to wait, with any status; None where it names no time.
        self.retry_after = retry_after
        if billed is not None:
            self.billed = billed
        #: Whether this is how the call itself ended, as the provider reports it. False in answer to
        #: a poll or look-up means that only the query failed: the call's outcome is still unknown.
        self.is_call_outcome = False
        #: What a billed answer counts, such as its tokens, though it holds no image to be used; None
        #: where it does not say.
        self.counted: ProviderResult | None = None


class InvalidRequest(ProviderError):
    """The provider refused the request as invalid."""

    code = "invalid_request"
    remedy = "Change the size, count or parameters and try again."


class UnsupportedParameter(InvalidRequest):
    """The model does not support what was requested; nothing was sent."""

    code = "unsupported_parameter"
    remedy = "Choose another value or another model."


class AuthenticationFailed(ProviderError):
    """The provider does not accept our credential."""

    code = "authentication_failed"
    can_fail_over = True
    remedy = "An image administrator must renew the provider's credential."


class KeyStoreRefused(AuthenticationFailed):
    """The store of the provider's key is set up wrongly or refuses this site; nothing was sent."""

    code = "key_store_refused"
    remedy = (
        "An image administrator must correct the access to the store; the doctor (imagegen_doctor) "
        "says how."
    )


class PermissionDenied(ProviderError):
    """The provider does not allow our account to use this model."""

    code = "permission_denied"
    can_fail_over = True
    remedy = "An image administrator must check the account at the provider."


class NotFound(ProviderError):
    """The provider does not know this model or address; the model may have been retired."""

    code = "not_found"
    can_fail_over = True
    remedy = "Choose another model; an image administrator should check this one's lifecycle."


class RateLimited(ProviderError):
    """The provider's rate limit is reached."""

    code = "rate_limited"
    retryable = True
    can_fail_over = True
    remedy = "Wait; the job continues automatically."


class ContentBlocked(ProviderError):
    """The provider's safety system refused the request."""

    code = "content_blocked"
    remedy = "Change the prompt or the input image, then try again."

    def __init__(
        self,
        message: str = "",
        *,
        stage: Literal["input", "output", "unknown"] = "unknown",
        categories: tuple[str, ...] = (),
        detail: str = "",
        status: int | None = None,
        request_id: str = "",
        billed: Billed | None = None,
    ) -> None:
        super().__init__(
            message, detail=detail, status=status, request_id=request_id, billed=billed
        )
        self.stage = stage
        self.categories = provider_names(categories)


class QuotaExhausted(ProviderError):
    """Our account at the provider has no credit left."""

    code = "quota_exhausted"
    can_fail_over = True
    remedy = "An image administrator must raise the limit at the provider."


class ProviderUnavailable(ProviderError):
    """The provider's service is unavailable."""

    code = "provider_unavailable"
    retryable = True
    can_fail_over = True
    remedy = "Wait; the job continues automatically."


class ProviderTimeout(ProviderError):
    """The provider could not be reached in time; nothing was started."""

    code = "provider_timeout"
    retryable = True
    can_fail_over = True
    remedy = "Wait; the job continues automatically."


class OutcomeUnknown(ProviderError):
    """The request was sent, but no answer arrived: it may have been billed."""

    code = "outcome_unknown"
    billed = "unknown"
    remedy = "Ask an image administrator: they decide whether the image is requested again."


class AnswerTimedOut(OutcomeUnknown):
    """The provider's answer began, but came too slowly and was given up: it has probably been billed."""

    code = "answer_timed_out"


class AnswerCutOff(OutcomeUnknown):
    """The provider's answer began, but the connection broke: it has probably been billed."""

    code = "answer_cut_off"


class BadResponse(ProviderError):
    """The provider answered, but the answer cannot be used; it was probably billed."""

    code = "bad_response"
    billed = "yes"
    remedy = "Try again, or choose another model; tell an image administrator if it happens again."


class AnswerNotKept(ProviderError):
    """The answer came and could not be kept: the disk of the spool was full or failed."""

    code = "answer_not_kept"
    billed = "yes"
    remedy = "An image administrator must make room on the worker's disk; then request it again."


class InternalError(ProviderError):
    """The site's own software failed unexpectedly."""

    code = "internal_error"
    remedy = "Tell an image administrator; the log of the worker has the details."

    def __init__(self, message: str = "", *, incident: str = "", **details: Any) -> None:
        named = INCIDENT_MESSAGE % {"incident": incident} if incident else ""
        super().__init__(message or named, **details)
        #: The ID of the log entry.
        self.incident = incident


#: The message of an `InternalError`, which names the incident.
INCIDENT_MESSAGE = "The site's own software failed unexpectedly (incident %(incident)s)."


def all_errors() -> dict[str, type[ProviderError]]:
    """Return every class of the hierarchy by its code, subclasses defined elsewhere included."""
    classes: dict[str, type[ProviderError]] = {}
    pending: list[type[ProviderError]] = [ProviderError]
    while pending:
        error = pending.pop()
        classes[error.code] = error
        pending.extend(error.__subclasses__())
    return classes
