"""Make calls and fetch results within limits."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Self

import httpcore
import httpx

from imagegen_app.core.errors import (
    BadResponse,
    InvalidRequest,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers import addresses
from imagegen_app.providers.content_coding import decoded
from imagegen_app.providers.http.failures import FAILURES, translated
from imagegen_app.providers.http.headers import auth_headers, safe_headers
from imagegen_app.providers.http.pace import paced
from imagegen_app.providers.http.transport import CheckedBackend, CheckedTransport, origin, parse
from imagegen_app.providers.http.values import Auth, HttpLimits, Reply, SecretHeaders
from imagegen_app.providers.redaction import install_filter
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    import ssl

    from imagegen_app.providers.answers import SpooledAnswer

install_filter()

_OK = range(200, 300)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})
_UNAUTHORIZED = 401
_MAX_REDIRECTS = 3
_PIECE = 256 * 1024
#: Takes the decoded chunks of a body; returns what to keep of them, and their digest.
_Sink = Callable[[AsyncIterator[bytes]], Any]


class HttpClient:
    """The client of one event loop; close it, or use it as an async context manager."""

    def __init__(
        self,
        *,
        limits: HttpLimits | None = None,
        trusted_origins: frozenset[str] = frozenset(),
        resolver: addresses.Resolver = addresses.resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or HttpLimits()
        self._trusted = frozenset(origin(httpx.URL(text)) for text in trusted_origins)
        self._resolver = resolver
        self._given_ssl = ssl_context
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}
        self._bodies = asyncio.Semaphore(self.limits.max_open_bodies)

    @functools.cached_property
    def _ssl(self) -> ssl.SSLContext:
        # On first use: reading the certificates takes longer than verifying a webhook.
        return self._given_ssl or httpx.create_ssl_context(trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        async with AsyncExitStack() as stack:
            for client in self._clients.values():
                stack.push_async_callback(client.aclose)
            self._clients.clear()

    def can_call(self, url: str) -> bool:
        """Tell whether an API at this URL may be called: https, or a trusted origin."""
        try:
            parsed = parse(url)
        except ValueError:
            return False
        return parsed.scheme == "https" or origin(parsed) in self._trusted

    async def post_json(self, url: str, *, body: bytes, **options: Any) -> Reply:
        """POST a JSON document; see `send`.

        :raises ProviderError: as `send` does.
        """
        return await self.send(
            "POST", url, body=body, content_type="application/json", **{"billable": True} | options
        )

    async def post_form(self, url: str, *, body: bytes, content_type: str, **options: Any) -> Reply:
        """POST an encoded multipart form; see `send`.

        :raises ProviderError: as `send` does.
        """
        return await self.send(
            "POST", url, body=body, content_type=content_type, **{"billable": True} | options
        )

    async def get_json(self, url: str, **options: Any) -> tuple[Reply, Any]:
        """GET a JSON document; the second value is None unless the status is 2xx.

        :raises BadResponse: if a 2xx body is not JSON.
        :raises ProviderError: as `send` does.
        """
        reply = await self.send("GET", url, **options)
        if not reply.ok:
            return reply, None
        try:
            return reply, load_json(reply.body)
        except InvalidJson:
            raise BadResponse(
                detail="not JSON", status=reply.status, request_id=reply.request_id
            ) from None

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        answer: SpooledAnswer | None = None,
        limit: int | None = None,
        billable: bool = False,
    ) -> Reply:
        """Make one call. A 2xx body goes to `answer` if there is one, else into the reply.

        With two live values of a credential, the second is tried when the first gets a 401.

        :raises AuthenticationFailed: if the credential has no value or is not for this host.
        :raises OutcomeUnknown: if it is billable, may have been begun, and no answer came.
        :raises ProviderError: if the server cannot be reached or its answer is too large.
        """
        try:
            target = parse(url)
        except ValueError:
            raise InvalidRequest(detail="the URL is malformed") from None
        trusted = origin(target) in self._trusted
        if target.scheme != "https" and not trusted:
            raise ProviderUnavailable(detail="address refused")
        sent = {"Accept-Encoding": "identity", "User-Agent": "imagegen_app", **(headers or {})}
        if content_type:
            sent["Content-Type"] = content_type
        client = self._client(trusted=trusted, kept=not billable)
        reply = Reply(_UNAUTHORIZED, {})
        for extra in auth_headers(auth, url=url):
            request = _request(
                client, method, target, headers=SecretHeaders({**sent, **extra}), body=body
            )
            if answer is None:
                cap = limit or self.limits.max_json
                reply = await self._call(client, request, billable, _collector(cap))
            else:
                cap = limit or self.limits.max_answer
                reply = await self._call(client, request, billable, _spooler(answer, cap, "body"))
            if reply.status != _UNAUTHORIZED:
                break
        return reply

    async def download(
        self,
        url: str,
        *,
        base_url: str,
        answer: SpooledAnswer,
        part: str,
        limit: int | None = None,
        hosts: frozenset[str] = frozenset(),
    ) -> Reply:
        """Fetch a result into a part of the answer, without any credential.

        The URL may be relative to the provider's. It must be https on port 443 at a public
        address, unless it is the provider's own, trusted origin. With `hosts`, only these and
        names below them will do.

        :raises BadResponse: if the address is refused, the result is gone or is too large.
        :raises ProviderError: if the server cannot be reached just now.
        """
        base = parse(base_url)
        current = url
        try:
            async with asyncio.timeout(self.limits.download_total):
                for _ in range(_MAX_REDIRECTS + 1):
                    target, trusted = self._result_target(current, base=base, hosts=hosts)
                    client = self._client(trusted=trusted, kept=False)
                    request = _request(
                        client,
                        "GET",
                        target,
                        headers={"Accept-Encoding": "identity", "User-Agent": "imagegen_app"},
                        read=self.limits.download_first_byte,
                    )
                    spool = _spooler(answer, limit or self.limits.max_download, part)
                    reply = await self._call(client, request, False, spool)
                    if reply.status not in _REDIRECTS:
                        return _downloaded(reply)
                    base, current = target, reply.headers.get("location", "")
        except TimeoutError:
            raise ProviderTimeout(detail="the result came too slowly") from None
        raise BadResponse(detail="result redirected too often")

    def _result_target(
        self, url: str, *, base: httpx.URL, hosts: frozenset[str]
    ) -> tuple[httpx.URL, bool]:
        try:
            target = parse(url, base=base)
        except ValueError:
            raise BadResponse(detail="result address refused") from None
        if origin(target) == origin(base) and origin(target) in self._trusted:
            return target, True
        named = not hosts or any(
            target.host == host or target.host.endswith("." + host) for host in hosts
        )
        if origin(target) != f"https://{target.host}:443" or not named:
            raise BadResponse(detail="result address refused")
        return target, False

    def _client(self, *, trusted: bool, kept: bool) -> httpx.AsyncClient:
        client = self._clients.get((trusted, kept))
        if client is None:
            limits = self.limits
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl,
                max_connections=limits.max_connections,
                max_keepalive_connections=16 if kept else 0,
                keepalive_expiry=5.0,
                network_backend=CheckedBackend(resolver=self._resolver, guarded=not trusted),
            )
            client = self._clients[trusted, kept] = httpx.AsyncClient(
                transport=CheckedTransport(pool),
                trust_env=False,
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(
                    connect=limits.connect, read=limits.read, write=limits.write, pool=limits.pool
                ),
            )
        return client

    async def _call(
        self, client: httpx.AsyncClient, request: httpx.Request, billable: bool, sink: _Sink
    ) -> Reply:
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(self.limits.total):
                response = await client.send(request, stream=True)
                try:
                    return await self._read(response, sink)
                finally:
                    await response.aclose()
        except ProviderError:
            raise
        except FAILURES as error:
            begun = None
            if response is not None and response.status_code in _OK:
                begun = Reply(response.status_code, safe_headers(response.headers))
            raise translated(error, billable=billable, begun=begun) from None

    @asynccontextmanager
    async def _body_slot(self) -> AsyncIterator[None]:
        """Limit how many bodies are read at once; after `body_wait` seconds read nevertheless."""
        try:
            await asyncio.wait_for(self._bodies.acquire(), self.limits.body_wait)
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._bodies.release()

    async def _read(self, response: httpx.Response, sink: _Sink) -> Reply:
        headers = safe_headers(response.headers)
        failpoint("answer.headers_read")
        if response.status_code in _OK:
            encoding = response.headers.get("content-encoding", "")
            chunks = paced(response.aiter_raw(), limits=self.limits)
            async with self._body_slot():
                body, sha256 = await sink(decoded(chunks, encoding=encoding))
            return Reply(response.status_code, headers, body, sha256)
        body = b""
        try:
            async with asyncio.timeout(self.limits.error_body):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= self.limits.max_error:
                        break
        except FAILURES:
            # The status decides; only the text of the error is lost.
            pass
        return Reply(response.status_code, headers, body[: self.limits.max_error])


def _collector(limit: int) -> _Sink:
    async def collect(chunks: AsyncIterator[bytes]) -> tuple[bytes, str]:
        body = bytearray()
        async for chunk in chunks:
            body += chunk
            if len(body) > limit:
                raise BadResponse(detail=f"answer larger than {limit} bytes")
        return bytes(body), ""

    return collect


def _spooler(answer: SpooledAnswer, limit: int, part: str) -> _Sink:
    async def spool(chunks: AsyncIterator[bytes]) -> tuple[bytes, str]:
        return b"", await answer.write(chunks, limit=limit, part=part)

    return spool


def _request(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    read: float | None = None,
) -> httpx.Request:
    timeout = client.timeout
    if read is not None:
        timeout = httpx.Timeout(
            connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool
        )
    if method == "GET":
        return client.build_request(method, url, headers=headers, timeout=timeout)
    sized = SecretHeaders({**headers, "Content-Length": str(len(body))})
    return client.build_request(method, url, headers=sized, content=_pieces(body), timeout=timeout)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    half = len(body) // 2
    for start in range(0, half, _PIECE):
        yield body[start : min(start + _PIECE, half)]
    failpoint("submit.half_body")
    for start in range(half, len(body), _PIECE):
        yield body[start : start + _PIECE]
    failpoint("submit.after_send_before_answer")


def _downloaded(reply: Reply) -> Reply:
    if reply.ok:
        return reply
    if reply.status in _TRANSIENT:
        raise ProviderUnavailable(
            detail="result not served just now",
            status=reply.status,
            retry_after=retry_after(reply.headers),
        )
    raise BadResponse(detail="result gone", status=reply.status)
