"""Make what a provider says fit to be stored, shown and counted with.

Adapters hand on what they were told; the services pass it through here where it comes in. A value
out of range is left out or cut, and never an error: the images are paid for. Texts go through
`provider_text`.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core import live_secrets
from imagegen_app.core.errors import ContentBlocked, OutcomeUnknown, ProviderError, RateLimited
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.provider_message import carried_message
from imagegen_app.core.provider_text import Characters, provider_text
from imagegen_app.core.types import Cost, ProviderImage, ProviderResult, SubmissionStatus, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Submission

#: Containers of a provider's document may be nested this deep.
MAX_DEPTH: Final = 64
#: A whole number with more digits is left out of a document.
MAX_DIGITS: Final = 60
#: The database stores seeds of 63 bits.
MAX_SEED: Final = (1 << 63) - 1
MAX_TOKENS: Final = 10**9
#: More than any call makes; each is charged.
MAX_IMAGES: Final = 1000
#: Megapixels, credits, seconds or steps of one call.
MAX_UNITS: Final = 10**6
#: What one call may cost by what the provider says, in any currency.
MAX_COST: Final = Decimal(100_000)
MAX_REF_CHARS: Final = 200
MAX_WORD_CHARS: Final = 120
#: Waits that a provider names reach a day.
MAX_SECONDS: Final = 86_400.0
#: What an adapter keeps about a call, as JSON.
MAX_STATE_CHARS: Final = 4000
#: In the year 2100.
MAX_UNIX_TIME: Final = 4_102_444_800.0
#: Longer queues are not believed.
MAX_POSITION: Final = 10**6
#: What an answer counts in whole numbers, with the most that is believed.
_COUNTS: Final = {
    "input_text_tokens": MAX_TOKENS,
    "input_image_tokens": MAX_TOKENS,
    "output_image_tokens": MAX_TOKENS,
    "cached_input_text_tokens": MAX_TOKENS,
    "cached_input_image_tokens": MAX_TOKENS,
    "output_text_tokens": MAX_TOKENS,
    "images": MAX_IMAGES,
    "steps": MAX_UNITS,
}
_AMOUNTS: Final = ("megapixels", "credits", "seconds")
_MAX_CATEGORIES = 20
_MAX_RESOLVED = 20
_LOWEST_STATUS, _HIGHEST_STATUS = 100, 599
_CURRENCY_CHARS = 3
_MAX_AMOUNT_CHARS = 40


class InvalidJson(ValueError):
    """A document of a provider is no JSON, or nested too deeply."""


def load_json(data: bytes | str) -> Any:
    """Parse a provider's document; whole numbers of absurd length become None.

    :raises InvalidJson: if it is no JSON, or is nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(data, parse_int=_whole_number)
    except (ValueError, RecursionError):
        raise InvalidJson("not JSON") from None
    level = [value]
    for _depth in range(MAX_DEPTH):
        level = [inner for container in level for inner in _items(container)]
        if not level:
            return value
    raise InvalidJson("nested too deeply")


def clean_number(value: object, *, low: float, high: float) -> float | None:
    """Return a number brought between two limits; None for what is none, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return min(max(number, low), high) if math.isfinite(number) else None


def clean_count(value: object, *, most: int) -> int | None:
    """Return a whole number from 0 to `most`; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def clean_submission(submission: Submission) -> Submission:
    """Return what a provider said of a call, with each value in its range.

    :raises OutcomeUnknown: if it accepted the call under a reference that cannot be used again.
    """
    if not submission.ref and submission.status is SubmissionStatus.ACCEPTED:
        raise OutcomeUnknown(detail="accepted under an unusable reference")
    return replace(
        submission,
        progress=clean_number(submission.progress, low=0.0, high=1.0),
        poll_after=clean_number(submission.poll_after, low=0.0, high=MAX_SECONDS),
        rate_limited_for=clean_number(submission.rate_limited_for, low=0.0, high=MAX_SECONDS),
        state=_clean_state(submission.state),
        reported_cost=_clean_cost(submission.reported_cost),
        expires_at=clean_number(submission.expires_at, low=0.0, high=MAX_UNIX_TIME),
        position=clean_count(submission.position, most=MAX_POSITION),
    )


def clean_result(result: ProviderResult) -> tuple[ProviderResult, tuple[str, ...]]:
    """Return an answer with each value in its range, and the names of those that were left out."""
    ignored: dict[str, None] = {}
    counts: dict[str, Any] = {
        name: _kept(name, getattr(result.usage, name), most=most, ignored=ignored) or 0
        for name, most in _COUNTS.items()
    }
    amounts: dict[str, Any] = {
        name: _kept_amount(name, getattr(result.usage, name), ignored=ignored) for name in _AMOUNTS
    }
    usage = Usage(**counts, **amounts)
    images = tuple(_clean_image(image, ignored) for image in result.images)
    cost = _clean_cost(result.reported_cost)
    if cost is None and result.reported_cost is not None:
        ignored["cost"] = None
    cleaned = replace(
        result,
        images=images,
        usage=usage,
        model_version=provider_text(result.model_version, max_chars=MAX_WORD_CHARS),
        reported_cost=cost,
        resolved=_clean_words(result.resolved),
    )
    return cleaned, tuple(ignored)


def clean_error(error: ProviderError) -> ProviderError:
    """Bring the values of a provider's error into their ranges, and return it."""
    error.request_id = provider_text(error.request_id, max_chars=MAX_REF_CHARS)
    error.detail = provider_text(error.detail, max_chars=300)
    error.provider_message = carried_message(error.provider_message)
    if clean_count(error.status, most=_HIGHEST_STATUS) is None or (
        error.status is not None and error.status < _LOWEST_STATUS
    ):
        error.status = None
    if error.counted is not None:
        error.counted, _ignored = clean_result(error.counted)
    if isinstance(error, RateLimited):
        error.retry_after = clean_number(error.retry_after, low=0.0, high=MAX_SECONDS)
    if isinstance(error, ContentBlocked):
        words = (provider_text(one, max_chars=60) for one in error.categories[:_MAX_CATEGORIES])
        error.categories = tuple(word for word in words if word)
    return error


def _clean_state(state: object) -> Mapping[str, Any] | None:
    """Return an adapter's own notes on a call; None if they cannot be stored, or hold a secret."""
    if not isinstance(state, dict):
        return None
    try:
        text = json.dumps(state, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    is_storable = len(text) <= MAX_STATE_CHARS and "\\u0000" not in text
    if not is_storable or live_secrets.holds_secret(text):
        return None
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _clean_image(image: ProviderImage, ignored: dict[str, None]) -> ProviderImage:
    return replace(
        image,
        claimed_media_type=provider_text(image.claimed_media_type, max_chars=MAX_WORD_CHARS),
        seed=_kept("seed", image.seed, most=MAX_SEED, ignored=ignored),
        revised_prompt=provider_text(
            image.revised_prompt, max_chars=MAX_PROMPT_CHARS, allowed=Characters.TEXT
        ),
    )


def _kept(name: str, value: object, *, most: int, ignored: dict[str, None]) -> int | None:
    """Return a whole number in its range; of another one, keep the name only."""
    if value is None:
        return None
    number = clean_count(value, most=most)
    if number is None:
        ignored[name] = None
    return number


def _kept_amount(name: str, value: object, *, ignored: dict[str, None]) -> Decimal:
    """Return a counted amount in its range; of another one, keep the name only."""
    number = clean_number(value, low=0.0, high=float(MAX_UNITS))
    if number is None:
        ignored[name] = None
        return Decimal(0)
    return Decimal(str(number))


def _clean_cost(cost: Cost | None) -> Cost | None:
    """Return a cost that can be booked; None for one that cannot be true."""
    if cost is None:
        return None
    currency = provider_text(cost.currency, max_chars=MAX_WORD_CHARS)
    is_currency = len(currency) == _CURRENCY_CHARS and currency.isascii() and currency.isalpha()
    try:
        text = str(cost.amount)
        amount = Decimal(text) if len(text) <= _MAX_AMOUNT_CHARS else None
    except (InvalidOperation, ValueError, RecursionError):
        amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= MAX_COST or not is_currency:
        return None
    return Cost(amount, currency.upper())


def _clean_words(values: Mapping[str, str]) -> dict[str, str]:
    pairs = (
        (provider_text(k, max_chars=MAX_WORD_CHARS), provider_text(v, max_chars=MAX_WORD_CHARS))
        for k, v in list(values.items())[:_MAX_RESOLVED]
    )
    return {name: word for name, word in pairs if name and word}


def _whole_number(text: str) -> int | None:
    return int(text) if len(text) <= MAX_DIGITS else None


def _items(value: object) -> list[Any]:
    """Return the containers inside a container."""
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list):
        inside = value
    else:
        return []
    return [one for one in inside if isinstance(one, dict | list)]
