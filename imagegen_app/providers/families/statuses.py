"""Sort a provider's refusals into our errors: by its codes, then by the status, never by its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from imagegen_app.core.errors import (
    AuthenticationFailed,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.provider_message import MAX_CARRIED_CHARS, carried_message, sentence_in
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers.rate_headers import rate_limited_for
from imagegen_app.providers.redaction import redact
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.providers.http import Reply

CONTENT_CODES = frozenset(
    {
        "bio_policy",
        "content_blocked",
        "content_filter",
        "content_policy_violation",
        "content_safety_violation",
        "contentfilter",
        "cyber_policy",
        "image_content_policy_violation",
        "misalignment_policy_violation",
        "moderation_blocked",
    }
)
QUOTA_CODES = frozenset(
    {
        "billing_hard_limit_reached",
        "budget_exceeded",
        "credit_balance_exhausted",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
        "quota_exhausted",
    }
)
_Error = TypeVar("_Error", bound=ProviderError)
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,500})\]")
_WORD = re.compile(r"[\w./-]{1,60}")
_STATUS: Mapping[int, type[ProviderError]] = {
    401: AuthenticationFailed,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: NotFound,
    408: OutcomeUnknown,
    410: NotFound,
    425: ProviderUnavailable,
    429: RateLimited,
    503: ProviderUnavailable,
    529: ProviderUnavailable,
}
_SERVER_ERRORS = range(500, 600)
_REDIRECTS = range(300, 400)
#: The message of a redirected call: followed, it would carry the key and be billed elsewhere.
REDIRECTED = gettext_noop(
    "The provider redirected the call to another address; it was not followed."
)
_TOO_MANY = 429
_MAX_TEXT_BYTES = MAX_CARRIED_CHARS
_CONFLICT = 409


def error_in(document: object) -> dict[str, Any]:
    """Return the error object of a decoded document; empty where there is none."""
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, dict):
        return error
    # Some local servers answer {"error": "text"} or {"detail": ...}.
    return {"message": error} if isinstance(error, str) and error else {}


def classify(
    reply: Reply,
    *,
    content_codes: frozenset[str] = CONTENT_CODES,
    quota_codes: frozenset[str] = QUOTA_CODES,
    error_of: Callable[[object], Mapping[str, Any]] = error_in,
    usual_wait: float | None = None,
    kinds: Mapping[str, type[ProviderError]] | None = None,
) -> ProviderError:
    """Turn a reply whose status is not 2xx into one of our errors.

    The order counts: content codes, then quota codes, then the status; never the free text.
    `error_of` finds `code`, `type` and `param` in a decoded body; codes are in lower case.
    `usual_wait` is how many seconds to wait after a rate limit that names no time, and `kinds` the
    class of codes whose status tells another one. The provider's sentence is kept with the error.
    """
    try:
        document = load_json(reply.body)
        error = error_of(document)
    except InvalidJson:
        document, error = plain_text(reply.body), {}
    return with_message(
        _sorted(
            reply,
            error,
            content_codes=content_codes,
            quota_codes=quota_codes,
            usual_wait=usual_wait,
            kinds=kinds or {},
        ),
        document,
    )


def _sorted(
    reply: Reply,
    error: Mapping[str, Any],
    *,
    content_codes: frozenset[str],
    quota_codes: frozenset[str],
    usual_wait: float | None,
    kinds: Mapping[str, type[ProviderError]],
) -> ProviderError:
    explicit = explicit_error(
        error,
        content_codes=content_codes,
        quota_codes=quota_codes,
        status=reply.status,
        request_id=reply.request_id,
    )
    if explicit is not None:
        return explicit
    detail, wait = detail_of(error, status=reply.status), retry_after(reply.headers)
    code = short_word(error, "code").lower()
    kind = kinds.get(code) or _STATUS.get(reply.status)
    if reply.status == _TOO_MANY:
        wait = wait or rate_limited_for(reply.headers) or usual_wait
    elif reply.status == _CONFLICT and wait is not None:
        # The same call is being worked on, or its object is locked: it is asked for again later.
        kind = ProviderUnavailable
    if kind is None:
        kind = InvalidRequest
        if reply.status in _SERVER_ERRORS:
            kind = OutcomeUnknown
        elif reply.status in _REDIRECTS:
            return NotFound(
                REDIRECTED,
                detail=f"HTTP {reply.status}, redirected{_target_of(reply)}",
                status=reply.status,
                request_id=reply.request_id,
            )
    return kind(detail=detail, status=reply.status, request_id=reply.request_id, retry_after=wait)


def instead(error: ProviderError, kind: type[_Error], **more: Any) -> _Error:
    """Return an error of another class that says the same of its call; `more` is for its class."""
    other = kind(detail=error.detail, status=error.status, request_id=error.request_id, **more)
    other.provider_message = error.provider_message
    return other


def with_message(error: _Error, document: object) -> _Error:
    """Keep the sentence in a decoded document with the error that it explains, and return it."""
    # Cut first: the whole may have been made to be slow to search.
    error.provider_message = redact(carried_message(sentence_in(document)))
    return error


def plain_text(body: bytes) -> str:
    """Return a body that is no JSON as text, unless it is a page of markup or no text at all."""
    text = body[:_MAX_TEXT_BYTES].decode(errors="ignore").strip()
    return "" if text.startswith("<") or "\0" in text else text


def complaint_in(document: object) -> dict[str, Any]:
    """Return the first complaint in `detail`: its `type`, its `loc` and the `param` meant."""
    said = document.get("detail") if isinstance(document, dict) else None
    first = said[0] if isinstance(said, list) and said else said
    if not isinstance(first, dict):
        return {}
    place = first.get("loc")
    place = place if isinstance(place, list) else []
    return {"type": first.get("type"), "loc": place, "param": place[-1] if place else None}


def _target_of(reply: Reply) -> str:
    """Return where a redirect leads, as host alone: the rest could hold what was sent."""
    try:
        host = urlsplit(reply.headers.get("location", "")).hostname
    except ValueError:
        return ""
    return f" to {host}" if host and _WORD.fullmatch(host) else ""


def explicit_error(
    error: Mapping[str, Any],
    *,
    content_codes: frozenset[str] = CONTENT_CODES,
    quota_codes: frozenset[str] = QUOTA_CODES,
    status: int | None = None,
    request_id: str = "",
) -> ProviderError | None:
    """Return the error that the codes alone make certain, or None."""
    code, kind = short_word(error, "code").lower(), short_word(error, "type").lower()
    detail = detail_of(error, status=status)
    if code in content_codes or kind in content_codes:
        stage, categories = _moderation(error)
        return ContentBlocked(
            stage=stage, categories=categories, detail=detail, status=status, request_id=request_id
        )
    if code in quota_codes or kind in quota_codes:
        return QuotaExhausted(detail=detail, status=status, request_id=request_id)
    return None


def short_word(document: Mapping[str, Any], name: str) -> str:
    """Return a short word of a document: never a sentence, which could quote the prompt."""
    value = document.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return ""
    return provider_text(value, max_chars=MAX_LINE_CHARS)


def detail_of(error: Mapping[str, Any], *, status: int | None) -> str:
    """Return status, type, code and parameter of an error, as far as they are short words."""
    words = [
        f"HTTP {status}" if status else "",
        short_word(error, "type"),
        short_word(error, "code"),
    ]
    parameter = short_word(error, "param")
    return " ".join([w for w in words if w] + ([f"({parameter})"] if parameter else []))


def _moderation(
    error: Mapping[str, Any],
) -> tuple[Literal["input", "output", "unknown"], tuple[str, ...]]:
    details = error.get("moderation_details")
    details = details if isinstance(details, dict) else {}
    categories = details.get("categories")
    if not isinstance(categories, list):
        message = error.get("message")
        match = _VIOLATIONS.search(message) if isinstance(message, str) else None
        categories = [part.strip() for part in match[1].split(",")] if match else []
    known = tuple(c for c in categories if isinstance(c, str) and _WORD.fullmatch(c))[:20]
    stage = details.get("moderation_stage")
    if stage == "input":
        return "input", known
    return ("output" if stage == "output" else "unknown"), known
