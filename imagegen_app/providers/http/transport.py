"""Connect to checked addresses only, under the name's own certificate."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore
import httpx

from imagegen_app.providers import addresses
from imagegen_app.providers.http import streams

_PORTS = {"https": 443, "http": 80}
_MAX_URL = 4096


class AddressNotAllowed(httpcore.ConnectError):
    """The name resolves to an address that must not be contacted."""


class HostNotFound(httpcore.ConnectError):
    """The name could not be looked up."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked after the one look-up."""

    def __init__(self, *, resolver: addresses.Resolver, guarded: bool) -> None:
        self._resolver, self._guarded = resolver, guarded

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the base class's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    async def _connect(
        self, host: str, port: int, local: str | None, options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await self._resolver(host, port)
        except OSError:
            raise HostNotFound from None
        if self._guarded and (
            len(found) > addresses.MAX_ADDRESSES
            # One private address among public ones is a trick: refuse the whole name.
            or not all(addresses.is_public(address) for address in found)
        ):
            raise AddressNotAllowed
        failure: httpcore.ConnectError = HostNotFound()
        for address in found:
            try:
                return await streams.connect(address, port, local=local, options=options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: Any) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        await self._chunks.aclose()


class CheckedTransport(httpx.AsyncBaseTransport):
    """A connection pool over the checked backend; httpcore's errors pass through as they are."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response.stream)
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def parse(url: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL that names a host by http or https, without user information.

    :raises ValueError: if it is anything else.
    """
    if base is None and "?" not in url:
        # APIs are called again and again; what is behind the question mark may be a secret.
        return _kept(url)
    return _parsed(url, base)


@functools.lru_cache(maxsize=200)
def _kept(url: str) -> httpx.URL:
    return _parsed(url, None)


def _parsed(url: str, base: httpx.URL | None) -> httpx.URL:
    if not url or len(url) > _MAX_URL or "\\" in url or any(ord(c) <= ord(" ") for c in url):
        raise ValueError("not a URL")
    try:
        parsed = base.join(url) if base is not None else httpx.URL(url)
        # Reading the port can fail where parsing did not.
        port = parsed.port
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError("not a URL") from None
    if parsed.scheme not in _PORTS or not parsed.host or parsed.userinfo or port == 0:
        raise ValueError("not a URL of a server")
    # A copy costs as much as the parsing.
    return parsed.copy_with(fragment=None) if "#" in url else parsed


def origin(url: httpx.URL) -> str:
    """Return scheme, host and port, the port always written out."""
    return f"{url.scheme}://{url.host}:{url.port or _PORTS.get(url.scheme, 0)}"
