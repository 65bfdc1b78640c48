"""Read what Gemini's `generateContent` answers: the image, blocks inside a success, errors, usage."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_values import InvalidJson, clean_count, load_json
from imagegen_app.core.types import ProviderResult, Usage
from imagegen_app.providers.families import base64_json, results, statuses
from imagegen_app.providers.rate_headers import duration
from imagegen_app.providers.retry_after import MAX_SECONDS

if TYPE_CHECKING:
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http import Reply

#: Reasons for an answer without an image that mean blocked content.
_BLOCKS = frozenset(
    {
        "BLOCKLIST",
        "ESCALATION",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
#: A reason that is about the account, not about what was asked for.
_LIMITED = "PUP_LIMITED_DISABLED"
#: Its quotes have no backslashes, so no text of the model's can be taken for it.
_RESPONSE_ID = re.compile(rb'"responseId"\s*:\s*"([\w.-]{1,200})"')
_TAIL_BYTES = 8192
_MOST_TOKENS = 1 << 40
_TOO_MANY = 429


def error_of(reply: Reply) -> ProviderError:
    """Return what a reply that is no success means."""
    try:
        said = _error_in(load_json(reply.body))
    except InvalidJson:
        said = {}
    error = statuses.classify(reply, error_of=lambda _: said)
    wait = duration(said.get("wait", ""))
    kind = type(error)
    if said.get("type") == "API_KEY_INVALID":
        kind = AuthenticationFailed
    elif said.get("code") == "FAILED_PRECONDITION":
        # The account has no billing, or may not be used from this country.
        kind = PermissionDenied
    elif reply.status == _TOO_MANY and (said.get("is_used_up") or (wait or 0.0) > MAX_SECONDS):
        kind = QuotaExhausted
    if kind is not type(error):
        return statuses.instead(error, kind)
    if error.retryable:
        error.retry_after = error.retry_after or wait
    return error


def response_id(answer: SpooledAnswer) -> str:
    """Return the provider's id of an answer, which stands at its end; empty if there is none."""
    with answer.body_path.open("rb") as file:
        file.seek(max(0, answer.body_path.stat().st_size - _TAIL_BYTES))
        found = _RESPONSE_ID.search(file.read())
    return found[1].decode("ascii") if found else ""


def read_result(answer: SpooledAnswer) -> ProviderResult:
    """Decode an answer; its note tells `sent`, the chosen proportions and size.

    :raises ContentBlocked: if the prompt or the image was blocked.
    :raises PermissionDenied: if the account may not make images.
    :raises BadResponse: if it has no usable image.
    """
    read, note = base64_json.load(answer), answer.metadata()
    candidate = _first(value_at(read.content, "candidates"))
    parts = value_at(candidate, "content.parts")
    images = [_image_in(part) for part in parts] if isinstance(parts, list) else []
    # The images before the last one are drafts.
    final = [image for image in images if image][-1:]
    usage = _usage(value_at(read.content, "usageMetadata"))
    if not final:
        error = _without_image(read.content, candidate, usage=usage)
        error.request_id = response_id(answer)
        said = value_at(read.content, "promptFeedback.blockReasonMessage")
        raise statuses.with_message(error, said or value_at(candidate, "finishMessage"))
    found, unusable = results.read_each(
        final, lambda item, n: results.image_of(item, n, read=read, answer=answer, note=note)
    )
    resolved = {
        "aspect_ratio": value_at(note, "sent.aspectRatio"),
        "image_size": value_at(note, "sent.imageSize"),
        # Tells when a model is to be retired.
        "model_stage": value_at(read.content, "modelStatus.modelStage"),
    }
    return ProviderResult(
        images=found,
        usage=replace(usage, images=1),
        model_version=statuses.short_word(read.content, "modelVersion"),
        resolved={name: value for name, value in resolved.items() if isinstance(value, str)},
        unusable=unusable,
    )


def _error_in(document: object) -> dict[str, Any]:
    """Return the words of an error; some come as a list with one document."""
    error = statuses.error_in(_first(document) if isinstance(document, list) else document)
    listed = error.get("details")
    details = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    found: dict[str, Any] = {"code": error.get("status")}
    for detail in details:
        violations = detail.get("violations")
        if isinstance(detail.get("reason"), str):
            found["type"] = detail["reason"]
        if isinstance(detail.get("retryDelay"), str):
            found["wait"] = detail["retryDelay"]
        if isinstance(violations, list):
            found["is_used_up"] = any(_is_used_up(one) for one in violations)
    return found


def _is_used_up(violation: object) -> bool:
    """Return whether a quota is one of a day, or is zero: to wait some seconds would not help."""
    quota, value = value_at(violation, "quotaId"), value_at(violation, "quotaValue")
    return (isinstance(quota, str) and "PerDay" in quota) or str(value) == "0"


def _first(listed: object) -> object:
    return listed[0] if isinstance(listed, list) and listed else None


def _image_in(part: object) -> dict[str, Any] | None:
    """Return the image of a part that is no thought, as an item of `results`."""
    inline = value_at(part, "inlineData") or value_at(part, "inline_data")
    if not isinstance(inline, dict) or value_at(part, "thought") is True:
        return None
    kind = inline.get("mimeType") or inline.get("mime_type")
    return {"b64_json": inline.get("data"), "mime_type": kind}


def _without_image(document: object, candidate: object, *, usage: Usage) -> ProviderError:
    """Return why an answer has no image."""
    prompt, reason = (
        value if isinstance(value, str) else ""
        for value in (
            value_at(document, "promptFeedback.blockReason"),
            value_at(candidate, "finishReason"),
        )
    )
    drawn: Literal["yes", "no"] = "yes" if usage.output_image_tokens else "no"
    if prompt:
        ratings = value_at(document, "promptFeedback.safetyRatings")
        categories = (prompt, *_blocked(ratings))
        return ContentBlocked(stage="input", categories=categories, detail="promptFeedback")
    if reason == _LIMITED:
        return PermissionDenied(detail=reason, billed=drawn)
    if reason in _BLOCKS:
        categories = (reason, *_blocked(value_at(candidate, "safetyRatings")))
        # Tokens of an image that was drawn and then withheld are charged.
        return ContentBlocked(
            stage="output", categories=categories, detail="finishReason", billed="yes"
        )
    word = statuses.short_word({"reason": reason}, "reason")
    return BadResponse(detail=f"no image in the answer {word}".strip())


def _blocked(ratings: object) -> list[Any]:
    listed = ratings if isinstance(ratings, list) else []
    return [value_at(one, "category") for one in listed if value_at(one, "blocked") is True]


def _usage(said: object) -> Usage:
    """Read the token counts; what is missing or odd counts as zero."""
    asked, made = _count(said, "promptTokenCount"), _count(said, "candidatesTokenCount")
    shown = min(asked, _images_of(said, "promptTokensDetails"))
    # Without details, all of the answer is the image.
    drawn = min(made, _images_of(said, "candidatesTokensDetails") or made)
    cached = min(asked, _count(said, "cachedContentTokenCount"))
    cached_shown = min(cached, shown, _images_of(said, "cacheTokensDetails"))
    cached_text = min(cached - cached_shown, asked - shown)
    return Usage(
        input_text_tokens=asked - shown - cached_text,
        cached_input_text_tokens=cached_text,
        input_image_tokens=shown - cached_shown,
        cached_input_image_tokens=cached_shown,
        output_image_tokens=drawn,
        output_text_tokens=made - drawn + _count(said, "thoughtsTokenCount"),
    )


def _images_of(said: object, name: str) -> int:
    details = value_at(said, name)
    listed = details if isinstance(details, list) else []
    return sum(_count(one, "tokenCount") for one in listed if value_at(one, "modality") == "IMAGE")


def _count(document: object, name: str) -> int:
    return clean_count(value_at(document, name), most=_MOST_TOKENS) or 0
