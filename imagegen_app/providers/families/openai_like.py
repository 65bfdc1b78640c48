"""Understand what servers that speak like OpenAI answer: errors and images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
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
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.core.types import ProviderResult, Usage
from imagegen_app.providers.families import base64_json, results
from imagegen_app.providers.rate_headers import rate_limited_for
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

#: Formats that we accept; svg is active content and gif is animated, whatever the server offers.
RASTER_FORMATS = ("png", "jpeg", "webp")

CONTENT_CODES = frozenset(
    {
        "bio_policy",
        "content_blocked",
        "content_filter",
        "content_policy_violation",
        "contentfilter",
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
}
_SERVER_ERRORS = range(500, 600)
_REDIRECTS = range(300, 400)
_TOO_MANY = 429
_CONFLICT = 409


def error_of(body: bytes) -> dict[str, Any]:
    """Return the error object of a body; empty where there is none."""
    try:
        document = load_json(body)
    except InvalidJson:
        return {}
    return error_in(document)


def error_in(document: object) -> dict[str, Any]:
    """Return the error object of a decoded document; empty where there is none."""
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, dict):
        return error
    # Some local servers answer {"error": "text"} or {"detail": ...}.
    return {"message": error} if isinstance(error, str) and error else {}


def classify(reply: Reply) -> ProviderError:
    """Turn a reply whose status is not 2xx into one of our errors.

    The order counts: content codes, then quota codes, then the status; never the free text.
    """
    error = error_of(reply.body)
    explicit = explicit_error(error, status=reply.status, request_id=reply.request_id)
    if explicit is not None:
        return explicit
    detail, wait = _detail(error, status=reply.status), retry_after(reply.headers)
    kind = _STATUS.get(reply.status)
    if reply.status == _TOO_MANY:
        wait = wait or rate_limited_for(reply.headers)
    elif reply.status == _CONFLICT and wait is not None:
        # The same call is being worked on, or its object is locked: it is asked for again later.
        kind = ProviderUnavailable
    if kind is None:
        kind = InvalidRequest
        if reply.status in _SERVER_ERRORS:
            kind = OutcomeUnknown
        elif reply.status in _REDIRECTS:
            kind = NotFound
    return kind(detail=detail, status=reply.status, request_id=reply.request_id, retry_after=wait)


def explicit_error(
    error: Mapping[str, Any], *, status: int | None = None, request_id: str = ""
) -> ProviderError | None:
    """Return the error that the codes alone make certain, or None."""
    code, kind = _text(error, "code").lower(), _text(error, "type").lower()
    detail = _detail(error, status=status)
    if code in CONTENT_CODES or kind in CONTENT_CODES:
        stage, categories = _moderation(error)
        return ContentBlocked(
            stage=stage, categories=categories, detail=detail, status=status, request_id=request_id
        )
    if code in QUOTA_CODES or kind in QUOTA_CODES:
        return QuotaExhausted(detail=detail, status=status, request_id=request_id)
    return None


def read_images(answer: SpooledAnswer) -> ProviderResult:
    """Decode an images answer; its note tells `asked`, `output_format` and `request_id`.

    :raises ContentBlocked: if the answer is a refusal with status 200.
    :raises BadResponse: if it is not the JSON of images, or none of them can be used.
    """
    note = answer.metadata()
    request_id = str(note.get("request_id", ""))
    try:
        return _images_in(base64_json.load(answer), answer=answer, note=note)
    except ProviderError as error:
        error.request_id = error.request_id or request_id
        raise


def items_with_urls(answer: SpooledAnswer) -> list[object]:
    """Return the items of an answer of which some have to be fetched; empty where none has."""
    # Decoding a large answer twice would cost more than this look.
    if not base64_json.mentions(answer, b'"url"', b'"http'):
        return []
    try:
        content = base64_json.load(answer).content
    except BadResponse:
        return []
    items = content.get("data") if isinstance(content, dict) else None
    if not isinstance(items, list) or all(results.address_of(item) is None for item in items):
        return []
    return items


def _images_in(
    read: base64_json.Document, *, answer: SpooledAnswer, note: Mapping[str, Any]
) -> ProviderResult:
    document = read.content
    items = document.get("data") if isinstance(document, dict) else None
    if not isinstance(items, list) or not items:
        raise _error_inside(document) or BadResponse(detail="no images in the answer")
    resolved = {
        name: _text(document, name)
        for name in ("size", "quality", "background", "output_format")
        if _text(document, name)
    }
    claimed = resolved.get("output_format") or str(note.get("output_format", ""))
    try:
        images, unusable = results.read_each(
            items,
            lambda item, n: results.image_of(
                item, n, read=read, answer=answer, note=note, claimed=claimed
            ),
        )
    except BadResponse as nothing:
        # An error beside images counts only if none of them can be used.
        raise _error_inside(document) or nothing from None
    asked = note.get("asked")
    if isinstance(asked, int) and asked > len(images):
        resolved["count"] = f"{len(images)} of {asked}"
    return ProviderResult(
        images=images,
        usage=usage_of(document.get("usage"), images=len(images) + len(unusable)),
        model_version=_text(document, "model"),
        resolved=resolved,
        unusable=unusable,
    )


def _error_inside(document: object) -> ProviderError | None:
    """Return the error of an answer that claims success, if it holds one."""
    error = error_in(document)
    if not error:
        return None
    found = explicit_error(error)
    if isinstance(found, ContentBlocked):
        # Unlike a refusal with an error's status: the images were made, and then filtered.
        found.billed = "yes"
    return found or BadResponse(detail="error inside a success: " + _detail(error, status=None))


def usage_of(document: object, *, images: int) -> Usage:
    """Read the token counts of an answer; what is missing or odd counts as zero."""
    if not isinstance(document, dict):
        return Usage(images=images)
    inputs = document.get("input_tokens_details")
    outputs = document.get("output_tokens_details")
    text, image = _count(inputs, "text_tokens"), _count(inputs, "image_tokens")
    drawn, written = _count(outputs, "image_tokens"), _count(outputs, "text_tokens")
    # Without details, all of the input is text, and the rest of the output is images.
    text = text if text or image else _count(document, "input_tokens")
    drawn = drawn or max(0, _count(document, "output_tokens") - written)
    cached_text, cached_image = _cached(inputs, text=text, image=image)
    return Usage(
        input_text_tokens=text - cached_text,
        cached_input_text_tokens=cached_text,
        input_image_tokens=image - cached_image,
        cached_input_image_tokens=cached_image,
        output_image_tokens=drawn,
        output_text_tokens=written,
        images=images,
    )


def _cached(inputs: object, *, text: int, image: int) -> tuple[int, int]:
    """Return how many of the text and image tokens of an input were cached."""
    cached = _count(inputs, "cached_tokens")
    details = inputs.get("cached_tokens_details") if isinstance(inputs, dict) else None
    cached_text, cached_image = _count(details, "text_tokens"), _count(details, "image_tokens")
    if not cached_text and not cached_image:
        # Without details: the text comes first in what a provider caches.
        cached_text, cached_image = cached, max(0, cached - text)
    return min(cached_text, text), min(cached_image, image)


def _count(document: object, name: str) -> int:
    value = document.get(name) if isinstance(document, dict) else None
    return value if type(value) is int and 0 <= value < 1 << 40 else 0


def _text(document: Mapping[str, Any], name: str) -> str:
    """Return a short word of a document: never a sentence, which could quote the prompt."""
    value = document.get(name)
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return ""
    return provider_text(value, max_chars=MAX_LINE_CHARS)


def _detail(error: Mapping[str, Any], *, status: int | None) -> str:
    words = [f"HTTP {status}" if status else "", _text(error, "type"), _text(error, "code")]
    parameter = _text(error, "param")
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
