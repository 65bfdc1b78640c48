"""Make calls and fetch results within limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
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
from imagegen_app.providers.http import websocket
from imagegen_app.providers.http.failures import FAILURES, downloaded, translated
from imagegen_app.providers.http.headers import (
    PLAIN_HEADERS,
    KeptHeaders,
    key_headers,
    keyed_headers,
    record_refusals,
    with_plain_headers,
)
from imagegen_app.providers.http.pace import paced
from imagegen_app.providers.http.sinks import Sink, collector, is_event_stream, spooler
from imagegen_app.providers.http.tls import trusted_certificates
from imagegen_app.providers.http.transport import CheckedBackend, CheckedTransport, origin, parse
from imagegen_app.providers.http.values import Auth, HttpLimits, Reply, SecretHeaders
from imagegen_app.providers.redaction import install_filter

if TYPE_CHECKING:
    import ssl

    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.http.events import EventReader
    from imagegen_app.providers.http.websocket import WebSocket

install_filter()

logger = logging.getLogger("imagegen.http")
_OK = range(200, 300)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNAUTHORIZED = 401
_MAX_REDIRECTS = 3
_PIECE = 256 * 1024
_USUAL_HEADERS = KeptHeaders()


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
        self._transports: dict[tuple[bool, bool], CheckedTransport] = {}
        self._bodies = asyncio.Semaphore(self.limits.max_open_bodies)

    @property
    def _ssl(self) -> ssl.SSLContext:
        # On first use: reading the certificates takes longer than verifying a webhook.
        return self._given_ssl or trusted_certificates()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        async with AsyncExitStack() as stack:
            for transport in self._transports.values():
                stack.push_async_callback(transport.aclose)
            self._transports.clear()

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
        part: str = "body",
        limit: int | None = None,
        billable: bool = False,
        keep: frozenset[str] = frozenset(),
        request_id_header: str = "x-request-id",
        reader: EventReader | None = None,
    ) -> Reply:
        """Make one call. A 2xx body goes to a part of `answer` if there is one, else into the reply.

        `keep` names headers of the answer to keep beside the usual ones, and `request_id_header`
        the one with the provider's id of the request; both in lower case. Of an answer that comes as
        a stream of events, `reader` tells which of them is the body. A credential's second value is
        tried when its first is refused, and first from then on.

        :raises AuthenticationFailed: if the credential has no value or is not for this host.
        :raises OutcomeUnknown: if it is billable, may have been begun, and no answer came.
        :raises ProviderError: if the server cannot be reached or its answer is too large.
        """
        target, trusted = self._api_target(url)
        sent = with_plain_headers(headers or {})
        if content_type:
            sent["Content-Type"] = content_type
        transport = self._transport(trusted=trusted, kept=not billable)
        place, reply = 0, Reply(_UNAUTHORIZED, {})
        kept = KeptHeaders(keep | {request_id_header}, request_id_header)
        keys = keyed_headers(auth, url=str(target), method=method, body=body)
        for place, (_, extra) in enumerate(keys):  # noqa: B007 - read below
            request = self._request(
                method, target, headers=SecretHeaders({**sent, **extra}), body=body
            )
            if answer is None:
                cap = limit or self.limits.max_json
                sink = collector(cap)
            else:
                cap = limit or self.limits.max_answer
                sink = spooler(answer, limit=cap, part=part, reader=reader)
            reply = await self._call(transport, request, billable, sink, kept)
            if auth is None or reply.status not in auth.refused_by:
                break
        record_refusals(auth, [value for value, _ in keys[:place]], status=reply.status)
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
        auth: Auth | None = None,
    ) -> Reply:
        """Fetch a result into a part of the answer.

        The key of `auth` goes along only to hosts that it is meant for, and never after a redirect
        to another host.

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
                    # A result may be asked for again, and a new connection with TLS costs as much.
                    transport = self._transport(trusted=trusted, kept=True)
                    request = self._request(
                        "GET",
                        target,
                        headers=SecretHeaders({**PLAIN_HEADERS, **key_headers(auth, target)}),
                        read=self.limits.download_first_byte,
                    )
                    spool = spooler(answer, limit=limit or self.limits.max_download, part=part)
                    reply = await self._call(transport, request, False, spool)
                    if reply.status not in _REDIRECTS:
                        return downloaded(reply)
                    base, current = target, reply.headers.get("location", "")
        except TimeoutError:
            raise ProviderTimeout(detail="the result came too slowly") from None
        raise BadResponse(detail="result redirected too often")

    @asynccontextmanager
    async def websocket(self, url: str, *, auth: Auth | None = None) -> AsyncIterator[WebSocket]:
        """Listen at a websocket of an API, whose URL begins with https or http; see `websocket`.

        :raises AuthenticationFailed: if the credential has no value or is not for this host.
        :raises ProviderError: if there is no websocket, or it cannot be reached.
        """
        target, trusted = self._api_target(url)
        async with websocket.connected(
            target,
            headers=SecretHeaders(keyed_headers(auth, url=str(target))[0][1]),
            backend=self._backend(trusted=trusted),
            ssl_context=self._ssl if target.scheme == "https" else None,
            limits=self.limits,
        ) as opened:
            yield opened

    def _api_target(self, url: str) -> tuple[httpx.URL, bool]:
        """Return the address of an API, and whether it is a trusted one."""
        try:
            target = parse(url)
        except ValueError:
            raise InvalidRequest(detail="the URL is malformed") from None
        trusted = origin(target) in self._trusted
        if target.scheme != "https" and not trusted:
            raise ProviderUnavailable(detail="address refused")
        return target, trusted

    def _backend(self, *, trusted: bool) -> CheckedBackend:
        return CheckedBackend(resolver=self._resolver, guarded=not trusted)

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

    def _transport(self, *, trusted: bool, kept: bool) -> CheckedTransport:
        transport = self._transports.get((trusted, kept))
        if transport is None:
            limits = self.limits
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._ssl,
                max_connections=limits.max_connections,
                max_keepalive_connections=16 if kept else 0,
                keepalive_expiry=5.0,
                network_backend=self._backend(trusted=trusted),
            )
            transport = self._transports[trusted, kept] = CheckedTransport(pool)
        return transport

    def _request(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        read: float | None = None,
    ) -> httpx.Request:
        limits = self.limits
        timeouts = {
            "connect": limits.connect,
            "read": limits.read if read is None else read,
            "write": limits.write,
            "pool": limits.pool,
        }
        extensions = {"timeout": timeouts}
        if method == "GET":
            return httpx.Request(method, url, headers=headers, extensions=extensions)
        sized = SecretHeaders({**headers, "Content-Length": str(len(body))})
        return httpx.Request(
            method, url, headers=sized, content=_pieces(body), extensions=extensions
        )

    async def _call(
        self,
        transport: CheckedTransport,
        request: httpx.Request,
        billable: bool,
        sink: Sink,
        kept: KeptHeaders = _USUAL_HEADERS,
    ) -> Reply:
        response: httpx.Response | None = None
        try:
            async with asyncio.timeout(self.limits.total):
                # Without `httpx.AsyncClient`: its redirects, cookies and authentication are not used,
                # and cost as much as sending does.
                response = await transport.handle_async_request(request)
                if logger.isEnabledFor(logging.INFO):
                    url = request.url.copy_with(query=None)
                    logger.info(
                        'HTTP Request: %s %s "%d"', request.method, url, response.status_code
                    )
                try:
                    return await self._read(response, sink, kept)
                finally:
                    await response.aclose()
        except ProviderError:
            raise
        except FAILURES as error:
            begun = None
            if response is not None and response.status_code in _OK:
                begun = kept.reply(response)
            raise translated(error, billable=billable, begun=begun) from None

    @asynccontextmanager
    async def _body_slot(self) -> AsyncIterator[None]:
        """Limit how many bodies are read at once; after `body_wait` seconds read nevertheless."""
        try:
            # Not `wait_for`: in Python 3.11 it may swallow a cancellation.
            async with asyncio.timeout(self.limits.body_wait):
                await self._bodies.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._bodies.release()

    async def _read(self, response: httpx.Response, sink: Sink, kept: KeptHeaders) -> Reply:
        begun = kept.reply(response)
        failpoint("answer.headers_read")
        if response.status_code in _OK:
            is_stream = is_event_stream(response.headers)
            limits = self.limits
            if is_stream:
                # It is silent while the image is generated.
                limits = replace(limits, slow_grace=max(limits.slow_grace, limits.read))
            # For so long it must not keep others from their turn.
            async with nullcontext() if is_stream else self._body_slot():
                body, sha256 = await sink(
                    paced(response.aiter_raw(), limits=limits), response.headers
                )
            return replace(begun, body=body, sha256=sha256)
        body = b""
        # The status decides; only the text of the error may be lost.
        with suppress(*FAILURES):
            async with asyncio.timeout(self.limits.error_body):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) >= self.limits.max_error:
                        break
        return replace(begun, body=body[: self.limits.max_error])


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    half = len(body) // 2
    for start in range(0, half, _PIECE):
        yield body[start : min(start + _PIECE, half)]
    failpoint("submit.half_body")
    for start in range(half, len(body), _PIECE):
        yield body[start : start + _PIECE]
    failpoint("submit.after_send_before_answer")
