"""Choose the headers that are kept of an answer, and write those that carry a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.provider_text import MAX_LINE_CHARS, provider_text
from imagegen_app.providers.credentials import SecretMissing, SecretUnreadable
from imagegen_app.providers.http.values import SecretHeaders

if TYPE_CHECKING:
    import httpx

    from imagegen_app.providers.http.values import Auth

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


def auth_headers(auth: Auth | None, *, url: str) -> list[dict[str, str]]:
    """Return the headers of each live value of a credential.

    :raises AuthenticationFailed: if it has no usable value or is not meant for this host.
    :raises ProviderUnavailable: if it cannot be read just now.
    """
    if auth is None:
        return [{}]
    if not auth.credential.allows(url):
        raise AuthenticationFailed(detail="the credential is not meant for this host")
    try:
        values = [auth.value(secret) for secret in auth.credential.values()]
    except SecretUnreadable:
        raise ProviderUnavailable(detail="the credential cannot be read") from None
    except SecretMissing:
        raise AuthenticationFailed(detail="the credential has no value") from None
    if not all(value.isascii() and value.isprintable() for value in values):
        raise AuthenticationFailed(detail="the credential does not fit into a header")
    return [SecretHeaders({auth.header: value}) for value in values]


def safe_headers(headers: httpx.Headers) -> dict[str, str]:
    """Return a choice of an answer's headers, printable, cut to a length and without secrets."""
    safe = {
        name: provider_text(value.encode("ascii", "ignore").decode(), max_chars=MAX_LINE_CHARS)
        for name, value in headers.items()
        if name in _SAFE_HEADERS or name.startswith("x-ratelimit-")
    }
    if "location" in headers:
        # Followed by a download and never stored or shown, so it stays as it is.
        location = "".join(c for c in headers["location"] if c.isprintable())
        safe["location"] = location[:_MAX_LOCATION_CHARS]
    return safe
