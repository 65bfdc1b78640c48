"""Read the documents of a job API: its state, result and error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.core.live_secrets import holds_secret
from imagegen_app.core.provider_values import clean_number
from imagegen_app.core.types import Submission, SubmissionStatus
from imagegen_app.providers.families.openai_like import error_in, explicit_error

if TYPE_CHECKING:
    from collections.abc import Mapping

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

_REF = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
#: What the end of a job is called, in lower case; every other word means that it is under way.
_STATUSES: Mapping[str, JobStatus] = {
    "queued": "queued",
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


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A job as the provider describes it."""

    ref: str
    status: JobStatus
    progress: float | None = None
    poll_after: float | None = None
    #: One entry an image, each with `url` or `b64_json`; not validated yet.
    output: tuple[Any, ...] = field(default=(), repr=False)
    usage: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model_version: str = ""
    #: The provider says that it bills nothing for it.
    is_free: bool = False
    #: The provider says that it bills the job, however it ended.
    is_billed: bool = False


def read_job(document: object, *, request_id: str = "") -> JobDocument:
    """Read a job's document.

    :raises BadResponse: if it names no job or no status.
    """
    if not isinstance(document, dict):
        raise BadResponse(detail="no job in the answer", request_id=request_id)
    ref, status = document.get("id"), document.get("status")
    is_named = isinstance(ref, str) and _REF.fullmatch(ref) is not None
    if not is_named or not isinstance(status, str) or not status:
        raise BadResponse(detail="no job in the answer", request_id=request_id)
    if holds_secret(str(ref)):
        # It would go into addresses, tables and the log.
        raise BadResponse(detail="a secret as a job's reference", request_id=request_id)
    output, usage = document.get("output"), document.get("usage")
    version = document.get("model_version")
    return JobDocument(
        ref=str(ref),
        status=_STATUSES.get(status.strip().lower(), "running"),
        progress=clean_number(document.get("progress"), low=0.0, high=1.0),
        poll_after=clean_number(
            document.get("poll_after"), low=MIN_POLL_SECONDS, high=MAX_POLL_SECONDS
        ),
        output=tuple(output) if isinstance(output, list) else (),
        usage=usage if isinstance(usage, dict) else {},
        error=error_in(document),
        model_version=version if isinstance(version, str) and _REF.fullmatch(version) else "",
        is_free=document.get("billed") is False,
        is_billed=document.get("billed") is True,
    )


def under_way(
    job: JobDocument, *, request_id: str = "", retry_after: float | None = None
) -> Submission:
    """Return the state of a job that has no result yet, or was cancelled.

    `retry_after` is what the headers ask for; the longer wait counts.

    :raises ProviderError: if the job failed.
    """
    if job.status == "failed":
        raise failure(job, request_id=request_id)
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
        is_unbilled=job.is_free,
    )


def longer(one: float | None, other: float | None) -> float | None:
    """Return the longer of two waits; None where there is none."""
    return max((wait for wait in (one, other) if wait is not None), default=None)


def failure(job: JobDocument, *, request_id: str = "") -> ProviderError:
    """Turn a failed job into one of our errors, by its code alone."""
    error = explicit_error(job.error, request_id=request_id)
    if not isinstance(error, ContentBlocked | QuotaExhausted):
        code = job.error.get("code")
        kind = _FAILURES.get(code, BadResponse) if isinstance(code, str) else BadResponse
        error = kind(detail="the job failed", request_id=request_id)
    error.is_call_outcome = True
    if job.is_billed:
        # Such as images that were made and then filtered.
        error.billed = "yes"
    return error
