"""Webhooks are verified by the keys that a provider publishes, which are fetched sparingly."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.limits import MAX_WEBHOOK_BYTES
from imagegen_app.providers.families import jwks
from imagegen_app.providers.http import HttpClient
from tests.providers.samples import RawServer, answering, http_answer, raw_server

FIRST, SECOND = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
MESSAGE = b"id\nuser\n1000\ndigest"
Check = Callable[..., Awaitable[None]]


def published(**keys: Ed25519PrivateKey) -> bytes:
    entries: list[Any] = [
        {"kty": "RSA", "n": "AQAB", "kid": "rsa"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "broken", "x": "AA"},
        "rubbish",
    ]
    for name, key in keys.items():
        text = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=")
        entries.append({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": text.decode()})
    return http_answer(json.dumps({"keys": entries}).encode())


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    jwks.forget()
    yield
    jwks.forget()


def asking(*answers: bytes, use: Callable[[Check, RawServer], Awaitable[None]]) -> int:
    """Run `use` with a check against a server of keys; return how often that was asked."""

    async def run() -> int:
        async with (
            raw_server(answering(*answers)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):

            async def check(key: Ed25519PrivateKey = FIRST, **changes: Any) -> None:
                values: dict[str, Any] = {
                    "signature": key.sign(MESSAGE),
                    "message": MESSAGE,
                    "now": 1000.0,
                }
                await jwks.verify(f"{server.url}/keys", http=http, **values | changes)

            await use(check, server)
            return len(server.requests)

    return asyncio.run(run())


def test_a_signature_by_a_published_key_is_genuine_and_the_keys_are_kept() -> None:
    async def use(check: Check, _server: RawServer) -> None:
        await check()
        await check(key_id="first", now=1000.0 + 86_399)
        await check(key_id="unknown: a hint only", now=1001.0)

    assert asking(published(first=FIRST), use=use) == 1


def test_the_keys_are_fetched_anew_after_a_day() -> None:
    async def use(check: Check, _server: RawServer) -> None:
        await check()
        await check(now=1000.0 + jwks.KEPT_SECONDS)

    assert asking(published(first=FIRST), use=use) == 2


def test_a_key_that_was_published_since_is_found() -> None:
    async def use(check: Check, _server: RawServer) -> None:
        await check()
        await check(SECOND, key_id="second", now=1000.0 + jwks.PAUSE_SECONDS)

    assert asking(published(first=FIRST), published(first=FIRST, second=SECOND), use=use) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"message": MESSAGE + b" "},
        {"signature": b""},
        {"signature": b"x" * 64},
        {"signature": SECOND.sign(MESSAGE), "key_id": "first"},
    ],
)
def test_forgeries_are_refused_and_make_us_ask_once_a_minute(changes: dict[str, Any]) -> None:
    async def use(check: Check, _server: RawServer) -> None:
        for n in range(100):
            with pytest.raises(AuthenticationFailed):
                await check(**changes, now=1000.0 + n)

    assert asking(published(first=FIRST), use=use) == 2


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b"", status="503 Down"),
        http_answer(b'{"keys": []}'),
        http_answer(b'{"keys": [{"kty": "RSA"}]}'),
        http_answer(b"[]"),
    ],
)
def test_without_keys_nobody_can_tell_now(answer: bytes) -> None:
    async def use(check: Check, _server: RawServer) -> None:
        with pytest.raises(ProviderUnavailable):
            await check()

    assert asking(answer, use=use) == 1


@pytest.mark.parametrize(
    ("timestamp", "is_fresh"),
    [("1000", True), ("1300", True), ("1301", False), ("699", False), ("1e3", False), ("", False)],
)
def test_only_a_time_near_now_is_fresh(timestamp: str, is_fresh: bool) -> None:
    assert jwks.is_fresh(timestamp, tolerance=300, now=1000.0) is is_fresh


NAMES = jwks.Signed("x-call", "x-user", "x-time", "x-signature", "x-key")


def signed(body: bytes = b"{}", **changes: str) -> dict[str, str]:
    """Return the headers of a webhook that `FIRST` has signed."""
    values = {"call": "call-1", "user": "user-1", "time": "1000"} | changes
    digest = hashlib.sha256(body).hexdigest()
    message = f"{values['call']}\n{values['user']}\n{values['time']}\n{digest}"
    values["signature"] = FIRST.sign(message.encode()).hex()
    return {f"X-{name.title()}": value for name, value in values.items()}


def delivered(
    headers: dict[str, str],
    *,
    body: bytes = b"{}",
    now: float = 1000.0,
    keys: dict[str, Ed25519PrivateKey] | None = None,
) -> Any:
    """Verify a webhook against a server that publishes these keys, or that of `FIRST`."""

    async def run() -> Any:
        async with (
            raw_server(answering(published(**keys or {"first": FIRST}))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            return await jwks.verify_delivery(
                headers, body=body, names=NAMES, url=f"{server.url}/keys", http=http, now=now
            )

    return asyncio.run(run())


def test_a_signed_delivery_names_its_call_and_account() -> None:
    assert delivered(signed()) == jwks.Delivery("call-1", "user-1", {})
    assert delivered({**signed(), "X-Key": "first"}).call == "call-1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"another body"),
        signed() | {"X-User": "user-2"},
        signed() | {"X-Signature": "no hex"},
        signed() | {"X-Signature": ""},
        signed() | {"x-user": "user-2"},
        signed(time="600"),
        signed(time="1400"),
        signed(time="1e3"),
        signed(call="call\n1"),
        signed(user=""),
    ],
)
def test_a_delivery_that_is_not_whole_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(AuthenticationFailed):
        delivered(headers)


def test_a_delivery_is_verified_by_the_key_that_it_names() -> None:
    with pytest.raises(AuthenticationFailed):
        delivered({**signed(), "X-Key": "second"}, keys={"first": FIRST, "second": SECOND})


def test_a_body_that_is_too_large_is_refused_before_its_signature_is_looked_at() -> None:
    body = b"x" * (MAX_WEBHOOK_BYTES + 1)

    with pytest.raises(AuthenticationFailed) as caught:
        delivered(signed(body), body=body)

    assert caught.value.detail == "webhook body too large"


@pytest.mark.parametrize(
    ("call", "user", "detail"),
    [
        ("call-1", "user-1", "webhook of another call"),
        ("call-2", "user-2", "webhook of another account"),
    ],
)
def test_a_delivery_about_another_call_or_account_says_which(
    call: str, user: str, detail: str
) -> None:
    delivery = jwks.Delivery(call, "user-1", {"request_id": "call-2"})

    with pytest.raises(AuthenticationFailed) as caught:
        delivery.require_about("request_id", user=user)

    assert caught.value.detail == detail
