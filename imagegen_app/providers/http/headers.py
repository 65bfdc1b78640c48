"""Choose the headers that are kept of an answer, and write those that carry a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.providers import refused_keys
from imagegen_app.providers.credentials import Secret, SecretMissing, SecretUnreadable
from imagegen_app.providers.http.values import Reply, SecretHeaders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

    from imagegen_app.providers.http.values import Auth

#: Those of every call.
PLAIN_HEADERS: Mapping[str, str] = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "imagegen_app",
}
_MAX_LOCATION_CHARS = 4096
_SAFE_HEADERS = frozenset(
    {
        "content-length",
        "content-type",
        "date",
        "openai-processing-ms",
        "openai-version",
        "ratelimit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "retry-after",
        "retry-after-ms",
        "x-litellm-response-cost",
        "x-ms-retry-after-ms",
        "x-request-id",
        "x-should-retry",
    }
)
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "www-authenticate"}
)


def with_plain_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every call, as far as others are not given, in whatever case."""
    names = {name.lower() for name in given}
    plain = {name: value for name, value in PLAIN_HEADERS.items() if name.lower() not in names}
    return {**plain, **given}


def auth_headers(
    auth: Auth | None, *, url: str, method: str = "GET", body: bytes = b""
) -> list[dict[str, str]]:
    """Return the headers that carry each live value of a credential.

    :raises AuthenticationFailed: if it has no usable value or is not meant for this host.
    :raises ProviderUnavailable: if it cannot be read just now.
    """
    return [headers for _, headers in keyed_headers(auth, url=url, method=method, body=body)]


def keyed_headers(
    auth: Auth | None, *, url: str, method: str = "GET", body: bytes = b""
) -> list[tuple[Secret | None, dict[str, str]]]:
    """Return the headers as `auth_headers` does, each with the value that it carries.

    :raises AuthenticationFailed: as `auth_headers` does.
    :raises ProviderUnavailable: as `auth_headers` does.
    """
    if auth is None:
        return [(None, {})]
    if not auth.credential.allows(url):
        raise AuthenticationFailed(detail="the credential is not meant for this host")
    try:
        found = [
            (secret, SecretHeaders(auth.headers(secret, method=method, url=url, body=body)))
            for secret in auth.credential.values()
        ]
    except SecretUnreadable:
        raise ProviderUnavailable(detail="the credential cannot be read") from None
    except SecretMissing:
        raise AuthenticationFailed(detail="the credential has no value") from None
    texts = [text for _, headers in found for text in headers.values()]
    if not all(text.isascii() and text.isprintable() for text in texts):
        raise AuthenticationFailed(detail="the credential does not fit into a header")
    return [*found]


def record_refusals(auth: Auth | None, before: Iterable[Secret | None], *, status: int) -> None:
    """Remember that the values before the last one were refused, if that one was not.

    By value, since calls that run at the same time change the order of the live ones. If all were
    refused, the credential is read anew for the next call.
    """
    if auth is None:
        return
    if status in auth.refused_by:
        auth.credential.forget()
        return
    for value in before:
        if value is not None:
            refused_keys.note(auth.credential.name, value)


def key_headers(auth: Auth | None, target: httpx.URL) -> dict[str, str]:
    """Return the headers with the key for a result's address; none where it is not meant for it."""
    if auth is None or not auth.credential.allows(str(target)):
        return {}
    return auth_headers(auth, url=str(target))[0]


@dataclass(frozen=True, slots=True)
class KeptHeaders:
    """Which headers of an answer are kept, and which one names the request."""

    names: frozenset[str] = frozenset()
    request_id: str = "x-request-id"

    def reply(self, response: httpx.Response) -> Reply:
        """Return the head of an answer."""
        headers = safe_headers(response.headers, keep=self.names)
        return Reply(response.status_code, headers, request_id_header=self.request_id)


def safe_headers(headers: httpx.Headers, *, keep: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return a choice of an answer's headers, printable, cut to a length and without secrets.

    `keep` names further ones, in lower case; those that carry keys or cookies are never kept.
    """
    kept = (_SAFE_HEADERS | keep) - _SECRET_HEADERS
    safe = {
        name: provider_text(value.encode("ascii", "ignore").decode(), max_chars=MAX_LINE_CHARS)
        for name, value in headers.items()
        if name in kept or name.startswith("x-ratelimit-")
    }
    if "location" in headers:
        # Followed by a download and never stored or shown, so it stays as it is.
        location = "".join(c for c in headers["location"] if c.isprintable())
        safe["location"] = location[:_MAX_LOCATION_CHARS]
    return safe
