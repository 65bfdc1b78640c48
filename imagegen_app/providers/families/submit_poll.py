"""Read the documents of a job API: its state, result and error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    Billed,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.live_secrets import holds_secret
from imagegen_app.core.provider_values import MAX_UNITS, clean_count, clean_number
from imagegen_app.core.types import ProviderResult, Submission, SubmissionStatus
from imagegen_app.providers.families import base64_json, openai_like, results
from imagegen_app.providers.families.statuses import (
    CONTENT_CODES,
    QUOTA_CODES,
    error_in,
    explicit_error,
    with_message,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.providers.answers import SpooledAnswer

JobEnd = Literal["succeeded", "failed", "cancelled"]
JobStatus = Literal["queued", "running"] | JobEnd

#: Not of dots alone: in an address these would lead to another place.
_REF = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.:-]{1,200}")
#: A text that is a code, where one may stand for an error.
_BARE_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")
#: What the end of a job is usually called, in lower case.
TERMINAL_WORDS: Mapping[str, JobEnd] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
}
#: A failed job's code: none of these was billed unless the job's document says so.
_FAILURES: Mapping[str, type[ProviderError]] = {
    "authentication_failed": AuthenticationFailed,
    "invalid_request": InvalidRequest,
    "not_found": NotFound,
    "permission_denied": PermissionDenied,
    "provider_unavailable": ProviderUnavailable,
    "rate_limited": RateLimited,
    "overloaded": ProviderUnavailable,
}
MIN_POLL_SECONDS = 0.5
MAX_POLL_SECONDS = 15 * 60.0
#: Longer queues are not believed.
MAX_POSITION = 10**6
#: Of an error's text so much is looked through.
MAX_ERROR_CHARS = 2000
_STAGE = re.compile(r"[a-z][a-z0-9 _-]{0,59}")
_REFUSED = r"\b(?:blocked|detected|filtered|flagged|refused|rejected|triggered|violat\w+)\b"
#: A pattern of what a model says of content that its safety check stopped; the word alone may be about
#: a part that cannot be loaded.
SAFETY = rf"{_REFUSED}[^.]{{0,80}}\bsafety\b|\bsafety\b[^.]{{0,80}}{_REFUSED}"


@dataclass(frozen=True, slots=True)
class JobShape:
    """Where a provider's document of a job says what; paths are names joined by dots.

    What a document lacks is left out; only its id and its status must be there.
    """

    id: str = "id"
    #: Empty where the answer to a submission has none.
    status: str = "status"
    #: A list of items, or one item; a text is taken for a URL.
    output: str = "output"
    #: The address, and the base64 text, in an item of the output.
    item_url: str = "url"
    item_base64: str = "b64_json"
    #: An object with a `code`, or a text.
    error: str = "error"
    #: Whether a single word in the place of an error is its code.
    has_bare_codes: bool = False
    #: The words for an end, in lower case; any other word means that the job is under way.
    terminal: Mapping[str, JobEnd] = field(default_factory=lambda: TERMINAL_WORDS)
    progress: str = "progress"
    #: Calls before this one in the queue.
    position: str = "queue_position"
    poll_after: str = "poll_after"
    usage: str = "usage"
    #: How long it was computed, where that is billed.
    seconds: str = "metrics.predict_time"
    model_version: str = "model_version"
    content_codes: frozenset[str] = CONTENT_CODES
    quota_codes: frozenset[str] = QUOTA_CODES
    #: Found in the text of an error where a provider has no code for blocked content; None: never.
    block_words: re.Pattern[str] | None = None
    #: Whether blocked content is billed where the document does not say; None: what the error says.
    blocked_billed: Billed | None = None
    #: Whether a cancelled job is billed where the document does not say: it may be, or is not.
    cancelled_billed: Literal["no", "unknown"] = "unknown"


#: The shape of the generic job protocol.
GENERIC = JobShape()


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A job as the provider describes it."""

    ref: str
    status: JobStatus
    #: The provider's own word for the status.
    stage: str = ""
    position: int | None = None
    progress: float | None = None
    poll_after: float | None = None
    #: One entry an image, each with `url` or `b64_json`; not validated yet.
    output: tuple[Any, ...] = field(default=(), repr=False)
    usage: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model_version: str = ""
    #: The provider says, or is known to mean, that it bills nothing for it.
    is_free: bool = False
    #: The provider says that it bills the job, however it ended.
    is_billed: bool = False


def read_job(document: object, *, shape: JobShape = GENERIC, request_id: str = "") -> JobDocument:
    """Read a job's document.

    :raises BadResponse: if it names no job or no status.
    """
    if not isinstance(document, dict):
        raise BadResponse(detail="no job in the answer", request_id=request_id)
    ref = value_at(document, shape.id)
    status = value_at(document, shape.status) if shape.status else "running"
    is_named = isinstance(ref, str) and _REF.fullmatch(ref) is not None
    if not is_named or not isinstance(status, str) or not status:
        raise BadResponse(detail="no job in the answer", request_id=request_id)
    if holds_secret(str(ref)):
        # It would go into addresses, tables and the log.
        raise BadResponse(detail="a secret as a job's reference", request_id=request_id)
    word = status.strip().lower()
    # In the queue is under way, too; it only tells people more.
    state: JobStatus = shape.terminal.get(word) or ("queued" if word == "queued" else "running")
    billed = document.get("billed")
    if state == "cancelled" and type(billed) is not bool:
        billed = False if shape.cancelled_billed == "no" else None
    usage, version = value_at(document, shape.usage), value_at(document, shape.model_version)
    return JobDocument(
        ref=str(ref),
        status=state,
        stage=word if _STAGE.fullmatch(word) else "",
        position=clean_count(value_at(document, shape.position), most=MAX_POSITION),
        progress=clean_number(value_at(document, shape.progress), low=0.0, high=1.0),
        poll_after=clean_number(
            value_at(document, shape.poll_after), low=MIN_POLL_SECONDS, high=MAX_POLL_SECONDS
        ),
        output=tuple(_item(one, shape=shape) for one in items_of(value_at(document, shape.output))),
        usage=usage if isinstance(usage, dict) else {},
        error=error_of_job(document, shape=shape),
        model_version=version if isinstance(version, str) and _REF.fullmatch(version) else "",
        is_free=billed is False,
        is_billed=billed is True,
    )


def amount_of(value: object) -> Decimal:
    """Return a number that a provider counts, such as seconds or credits; 0 for none."""
    number = clean_number(value, low=0.0, high=float(MAX_UNITS))
    return Decimal(0) if number is None else Decimal(str(number))


def error_of_job(document: object, *, shape: JobShape) -> dict[str, Any]:
    """Return the error in a job's document; empty where there is none."""
    said = value_at(document, shape.error)
    is_code = shape.has_bare_codes and isinstance(said, str) and _BARE_CODE.fullmatch(said)
    return {"code": said} if is_code else error_in({"error": said})


def _item(item: Any, *, shape: JobShape) -> Any:
    """Return an item of a result under the names that `results` knows."""
    if not isinstance(item, dict) or (shape.item_url, shape.item_base64) == ("url", "b64_json"):
        return item
    found = {"url": value_at(item, shape.item_url), "b64_json": value_at(item, shape.item_base64)}
    return item | {name: value for name, value in found.items() if value is not None}


def items_of(output: object) -> tuple[Any, ...]:
    """Return the items of a result: of a list each, or the only one; texts are URLs."""
    if output is None:
        return ()
    items = output if isinstance(output, list) else [output]
    return tuple({"url": item} if isinstance(item, str) else item for item in items)


def under_way(
    job: JobDocument,
    *,
    shape: JobShape = GENERIC,
    request_id: str = "",
    retry_after: float | None = None,
) -> Submission:
    """Return the state of a job that has no result yet, or was cancelled.

    `retry_after` is what the headers ask for; the longer wait counts.

    :raises ProviderError: if the job failed.
    """
    if job.status == "failed":
        raise failure(job, shape=shape, request_id=request_id)
    status = {
        "queued": SubmissionStatus.ACCEPTED,
        "cancelled": SubmissionStatus.CANCELLED,
    }.get(job.status, SubmissionStatus.RUNNING)
    return Submission(
        status,
        ref=job.ref,
        request_id=request_id,
        progress=job.progress,
        poll_after=longer(job.poll_after, retry_after),
        stage=job.stage,
        position=job.position,
        is_unbilled=job.is_free,
    )


def longer(one: float | None, other: float | None) -> float | None:
    """Return the longer of two waits; None where there is none."""
    return max((wait for wait in (one, other) if wait is not None), default=None)


def failure(job: JobDocument, *, shape: JobShape = GENERIC, request_id: str = "") -> ProviderError:
    """Turn a failed job into one of our errors, by its code, or the words that its shape names."""
    error = explicit_error(
        job.error,
        content_codes=shape.content_codes,
        quota_codes=shape.quota_codes,
        request_id=request_id,
    )
    said = job.error.get("message")
    words = shape.block_words if isinstance(said, str) and error is None else None
    if words is not None and words.search(str(said)[:MAX_ERROR_CHARS]):
        # It ran, and nobody says that it costs nothing.
        error = ContentBlocked(detail="the job failed", request_id=request_id, billed="yes")
    if not isinstance(error, ContentBlocked | QuotaExhausted):
        code = job.error.get("code")
        kind = _FAILURES.get(code, BadResponse) if isinstance(code, str) else BadResponse
        error = kind(detail="the job failed", request_id=request_id)
    with_message(error, job.error)
    error.is_call_outcome = True
    if isinstance(error, ContentBlocked) and shape.blocked_billed is not None:
        error.billed = shape.blocked_billed
    if job.is_free:
        error.billed = "no"
    if job.is_billed:
        # Such as images that were made and then filtered.
        error.billed = "yes"
    return error


def read_result(answer: SpooledAnswer, *, shape: JobShape = GENERIC) -> ProviderResult:
    """Read the spooled document of a job that succeeded, with the images that were fetched.

    :raises BadResponse: if it cannot be read, or none of its images can be used.
    """
    return read_with_document(answer, shape=shape)[0]


def read_with_document(
    answer: SpooledAnswer, *, shape: JobShape = GENERIC
) -> tuple[ProviderResult, Any]:
    """Read the result as `read_result` does, and return the document, too, for what else it says.

    :raises BadResponse: as `read_result` does.
    """
    read = base64_json.load(answer)
    job = read_job(read.content, shape=shape)
    note = answer.metadata()
    images, unusable = results.read_each(
        job.output,
        lambda item, n: results.image_of(item, n, read=read, answer=answer, note=note),
    )
    usage = openai_like.usage_of(job.usage, images=len(images) + len(unusable))
    result = ProviderResult(
        images=images,
        usage=replace(usage, seconds=amount_of(value_at(read.content, shape.seconds))),
        model_version=job.model_version,
        unusable=unusable,
    )
    return result, read.content
