"""Turn network failures into our errors, by whether the call may have been billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore
import httpx

from imagegen_app.core.errors import (
    AnswerCutOff,
    AnswerTimedOut,
    BadResponse,
    InvalidRequest,
    OutcomeUnknown,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.providers.http.transport import AddressNotAllowed, HostNotFound
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from imagegen_app.providers.http.values import Reply

#: All that httpx and httpcore raise while a call is made.
FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    TimeoutError,
)
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
_NOT_WRITTEN = (
    httpcore.LocalProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def translated(error: Exception, *, billable: bool, begun: Reply | None = None) -> ProviderError:
    """Turn a failure of the transport into one of our errors.

    `begun` is the head of a success, if one had come before its body failed.
    """
    before = _before_anything_was_sent(error)
    if before is not None:
        return before
    slow = isinstance(error, TimeoutError | httpcore.TimeoutException)
    if begun is not None:
        return _while_receiving(begun, slow=slow, billable=billable)
    reason = "silence" if slow else "the connection broke"
    if billable:
        return OutcomeUnknown(detail=f"sent, then {reason}")
    return ProviderTimeout(detail=reason) if slow else ProviderUnavailable(detail=reason)


def downloaded(reply: Reply) -> Reply:
    """Return the answer to the query for a result.

    :raises ProviderUnavailable: if it is not there just now.
    :raises BadResponse: if it is gone.
    """
    if reply.ok:
        return reply
    if reply.status in _TRANSIENT:
        raise ProviderUnavailable(
            detail="result not served just now",
            status=reply.status,
            retry_after=retry_after(reply.headers),
        )
    raise BadResponse(detail="result gone", status=reply.status)


def _while_receiving(begun: Reply, *, slow: bool, billable: bool) -> ProviderError:
    kind: type[ProviderError] = AnswerTimedOut if slow else AnswerCutOff
    if not billable:
        kind = ProviderTimeout if slow else ProviderUnavailable
    reason = "timed out while receiving" if slow else "the connection broke while receiving"
    return kind(detail=reason, status=begun.status, request_id=begun.request_id)


def _before_anything_was_sent(error: Exception) -> ProviderError | None:
    if isinstance(error, AddressNotAllowed):
        return ProviderUnavailable(detail="address refused")
    if isinstance(error, HostNotFound):
        return ProviderTimeout(detail="name not found")
    if isinstance(error, httpcore.ConnectTimeout | httpcore.PoolTimeout):
        return ProviderTimeout(detail="no connection in time")
    if isinstance(error, httpcore.ConnectError | httpcore.ProxyError):
        return ProviderUnavailable(detail="no connection")
    if isinstance(error, _NOT_WRITTEN):
        return InvalidRequest(detail="the request could not be written")
    return None
