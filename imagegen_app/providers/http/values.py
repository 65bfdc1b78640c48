"""Hold what goes into the HTTP client and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.providers.credentials import Credential, Secret

_OK = range(200, 300)
_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Time limits in seconds and size limits in bytes."""

    connect: float = 5.0
    read: float = 600.0
    write: float = 60.0
    pool: float = 10.0
    #: A whole call, from the first byte sent to the last one received.
    total: float = 900.0
    #: Seconds in which the body of an answer may come at any rate.
    slow_grace: float = 300.0
    #: Seconds after that in which it must bring `least_rate` bytes a second, again and again.
    slow_window: float = 60.0
    least_rate: float = 1024.0
    #: Seconds for the body of an error: its status is known already.
    error_body: float = 10.0
    max_answer: int = 128 * 1024 * 1024
    max_error: int = 64 * 1024
    max_json: int = 1024 * 1024
    download_first_byte: float = 15.0
    download_total: float = 60.0
    max_download: int = 32 * 1024 * 1024
    max_connections: int = 128
    #: Bodies that are read at once; the others wait outside of our memory.
    max_open_bodies: int = 8
    #: Seconds after which a body is read nevertheless, so that slow ones hold up nobody for long.
    body_wait: float = 5.0


class SecretHeaders(dict[str, str]):
    """Headers with a key among them: reports of errors that print local variables show names only."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


@dataclass(frozen=True, slots=True)
class Auth:
    """A credential, and how it travels: in a header, or as a signature."""

    credential: Credential
    header: str = "Authorization"
    scheme: str = "Bearer"
    #: Statuses by which the provider refuses a key: another live value of it is tried then.
    refused_by: frozenset[int] = frozenset({_UNAUTHORIZED})

    def headers(self, secret: Secret, *, method: str, url: str, body: bytes) -> dict[str, str]:
        """Return the headers that carry one value of the key; a subclass may sign the call instead.

        The URL is whole and the body is what is sent, to the last byte.
        """
        del method, url, body
        return {self.header: f"{self.scheme} {secret.reveal()}".strip()}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; the body is empty where it went to an answer file."""

    status: int
    #: A safe choice of the headers, by lower-case name.
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    #: The digest of the spooled body, in hex.
    sha256: str = ""
    #: The header that names the request at the provider, in lower case.
    request_id_header: str = "x-request-id"

    @property
    def ok(self) -> bool:
        return self.status in _OK

    @property
    def request_id(self) -> str:
        return self.headers.get(self.request_id_header, "")
